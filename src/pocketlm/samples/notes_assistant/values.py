"""What the slots of the training templates are filled with. Words before a bar belong to the sentence, not to the value."""


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


VALUES = {
    "topic": lines(
        """
the |sourdough starter
the |garden
my |tax return
Python decorators
the |trip to Lisbon
marathon training
the |book club
my |knee pain
the |kitchen renovation
the |mortgage
guitar lessons
Docker volumes
the |job interview at Brightwell
the |physics lecture
Uncle Terrence
the |allotment
Greek verbs
my |thesis
the |roof leak
beekeeping
the |school play
postgres indexes
our |wedding plans
the |vegetable soup
chess openings
the |car insurance
Professor Lindqvist
the |choir
salary negotiation
the |holiday in Brittany
CSS grids
the |new printer
Marta's birthday
sleep problems
the |electric bill
the |Hanover project
my |driving test
bird watching
the |neighbours
wine from Portugal
the |apartment on Elm Street
machine learning
the |budget meeting
hiking boots
the |dentist
bash loops
the |Christmas presents
my |allergies
the |pottery class
Japanese cooking
the |broken boiler
meditation
Grandma's recipes
the |ferry to Harwich
the |startup idea
vim shortcuts
"""
    ),
    "when": lines(
        """
in |March
last week
last month
in |2019
in the |summer of 2021
yesterday
this year
since |Easter
on |4 July 2020
from |last autumn
in |January 2018
this week
between |5 and 9 October
over the |weekend
before |Christmas
last Tuesday
in the |last three days
in the |1990s
during the |holidays
from |May to August
two weeks ago
on the |12th of November
in |April 2022
last winter
after |2015
in the |past six months
today
on |Monday
last year
in |September
from |2020 to 2022
in the |spring of 2017
this month
on |25 February
in |December 2023
"""
    ),
    "tag": lines(
        """
recipes
work
health
ideas
family
travel
reading
finance
garden
school
music
urgent
books
projects
home
people
quotes
code
fitness
dreams
"""
    ),
    "note": lines(
        """
it
this note
that note
this one
that one
the |first one
the |second one
the |third one
the |last one
the |second note
the |fourth one
number |2
note |17
note |308
note |45
the note |Packing list
the note |Reading plan
the note |Week 12
the note called |House rules
the note called |Ideas for the blog
the note titled |Meeting with Sorensen
my note |Bread log
my note |Running diary
the note |Interview questions
the note |Gift ideas
the note |Bike repair
the note |Lesson 4
the note called |Moving checklist
my |Allotment plan note
the |Lisbon itinerary note
"""
    ),
    "title": lines(
        """
Shopping
Plumber visit
Roof repair
Monday meeting
Dream
Wifi
Book tip
Hotel
Car service
Film night
Running log
Language class
"""
    ),
    "thought": lines(
        """
the wifi code at the cabin is birdhouse7
met Solveig at the market, she is moving to Oslo
the boiler was serviced today and is fine
ran eight kilometres, knee felt good
paid the plumber 140 euros
the dentist said to come back in six months
good name for a boat: Patience
read the first two chapters of the Russian novel
parked on level 3 near the lift
the tomatoes need more shade
Jonas is allergic to hazelnuts
we agreed to ship the beta in June
dreamt of a lighthouse again
lent my drill to the neighbour
the gate code has changed to 4410
the bakery on Mill Lane closes at two
saw a kingfisher by the canal
the new password hint is grandma's street
Priya prefers the blue wallpaper
the train was forty minutes late
tried the lentil soup with lemon, much better
my seat is 14C
the landlord will fix the window next week
it rained all day and we played cards
"""
    ),
    "fact": lines(
        """
the wifi code at the cabin is birdhouse7
the boiler was serviced today and is fine
the dentist said to come back in six months
the tomatoes need more shade
Jonas is allergic to hazelnuts
we agreed to ship the beta in June
the gate code has changed to 4410
the bakery on Mill Lane closes at two
the new password hint is grandma's street
Priya prefers the blue wallpaper
the train was forty minutes late
my seat is 14C
the landlord will fix the window next week
it rained all day and we played cards
we saw Solveig in Oslo
I parked on level 3 near the lift
I paid the plumber 140 euros
I lent my drill to the neighbour
my blood type is O
the cabin key hangs behind the clock
"""
    ),
    "todo": lines(
        """
call the landlord
water the tomatoes
renew my passport
pay the electric bill
send Marta the photos
return the library books
book the ferry
pick up the dry cleaning
email Professor Lindqvist
change the oil
buy a birthday present for Jonas
check the tyre pressure
take out the recycling
finish the expense report
ring the vet
cancel the gym membership
order new filters
prepare the slides
defrost the chicken
back up the laptop
ask Priya about the keys
clean the gutters
take my tablets
sign the lease
"""
    ),
    "due": lines(
        """
tomorrow
tomorrow at 9
tomorrow morning
tonight
on |Friday
on |Monday at 8
next week
in |two hours
in |half an hour
at |6 pm
at |noon
next Tuesday
on the |3rd of June
on |Sunday evening
in |three days
at |7:30
on |14 August
this afternoon
next month
on |Thursday at 10:15
in |45 minutes
the |day after tomorrow
"""
    ),
}
