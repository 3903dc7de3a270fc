"""Templates of the training rows, one a line.

{argument} or {argument:pool} is filled from values.py; a ! behind it drops the words before the bar. A leading @ marks an
imperative, which may get an opening such as "could you" and be one half of a request for two things.
"""


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


# function, or function:kind -> its templates
TEMPLATES = {
    "search_notes": """
@find notes about {query:topic}
@find my notes on {query:topic}
@search for {query:topic}
@search my notes for {query:topic}
@look for {query:topic}
@look up {query:topic} in my notes
@show me everything about {query:topic}
@show all notes about {query:topic} {when}
@find what I wrote about {query:topic} {when}
@get me the notes about {query:topic} {when}
@search for {query:topic} {when}
@find {query:topic} in the notes tagged {tag}
@search {query:topic} under the tag {tag}
@find everything on {query:topic} with the tag {tag}
@look for {query:topic} {when}
@pull up notes that mention {query:topic}
@bring up my notes on {query:topic}
@dig out what I have about {query:topic}
what did I write about {query:topic}?
what did I write about {query:topic} {when}?
where do I mention {query:topic}?
where did I write something about {query:topic}?
which notes are about {query:topic}?
which notes mention {query:topic} {when}?
do I have any notes on {query:topic}?
do I have notes about {query:topic} tagged {tag}?
is there anything about {query:topic} in my notes?
anything on {query:topic}?
{query:topic!} notes please
notes about {query:topic}
notes on {query:topic} {when}
I'm looking for my notes on {query:topic}
I need the notes about {query:topic} {when}
I wrote something about {query:topic}, where is it?
have I written about {query:topic} {when}?
I want to see all I have on {query:topic}
@list notes with {query:topic} in them
""",
    "read_note": """
@open {note}
@show me {note}
@show {note}
@read {note}
@read me {note}
@read {note} to me
@display {note}
@let me see {note}
@let me read {note}
@open {note} again
@pull up {note}
@bring up {note}
@show the whole text of {note}
@show the full text of {note}
@print out what {note} says
what does {note} say?
what is in {note}?
what's written in {note}?
can I see {note}?
can I read {note}?
I want to read {note}
I'd like to see {note}
@give me {note} in full
@go to {note}
""",
    "summarize": """
@summarise {about:note}
@summarize {about:note}
@sum up {about:note}
@give me a summary of {about:note}
@give me the gist of {about:note}
@shorten {about:note} to a sentence
@put {about:note} in a nutshell
what is {about:note} about in short?
@summarise these
@summarise {when}
@summarize what I wrote {when}
@sum up my notes {when}
@sum up {when} for me
@give me a summary {when}
@give me an overview of my notes {when}
what did I do {when}?
what was I up to {when}?
what did I write {when}?
how did I spend my time {when}?
@summarise my notes about {about:topic}
@summarise what I know about {about:topic}
@sum up {about:topic}
@sum up everything about {about:topic}
@give me a short summary of {about:topic}
@summarize my notes on {about:topic} {when}
@sum up what happened with {about:topic} {when}
@give me the main points on {about:topic}
@boil down my notes on {about:topic}
in short, what do my notes say about {about:topic}?
the short version of {about:note} please
a summary of {about:topic}, please
recap {when}
@recap {about:topic}
""",
    "timeline": """
@show a timeline
@show me the timeline {when}
@make a timeline of {about:topic}
@draw up a timeline of {about:topic} {when}
@give me a timeline {when}
@give me the timeline of {about:topic}
@list the events {when}
@list the events around {about:topic} in order
@put {about:topic} in order of time
what happened {when}?
what happened with {about:topic} and when?
what events do I mention {when}?
in what order did things happen with {about:topic}?
@show what happened {when}, day by day
@show the events about {about:topic} by date
@lay out {about:topic} by date
@sort the events {when} by date
the timeline of {about:topic}
timeline for {about:topic} {when}
timeline {when}
chronology of {about:topic}
the course of events {when}
@walk me through what happened {when}
@tell me step by step how it went with {about:topic}
I need the dates of everything about {about:topic} in order
""",
    "find_facts:tasks": """
what are my open tasks?
what do I still have to do?
what do I have to do {when}?
@list my to-dos
@list all tasks about {about:topic}
@show the action items {when}
@show my tasks {when}
which tasks are open for {about:topic}?
what is on my to-do list?
what's left to do for {about:topic}?
to-dos {when}
action items on {about:topic}
""",
    "find_facts:people": """
who do I mention {when}?
@list the people in my notes about {about:topic}
@show all the people I met {when}
which people come up {when}?
which names appear in my notes on {about:topic}?
all people in {about:note}
""",
    "find_facts:places": """
which places do I mention {when}?
@list all places in my notes about {about:topic}
where have I been {when}?
@show the places {when}
all places named in {about:note}
""",
    "find_facts:organisations": """
which companies do I mention {when}?
@list the organisations in my notes on {about:topic}
@show all firms named {when}
which organisations come up in {about:note}?
""",
    "find_facts:dates": """
which dates are in {about:note}?
@list all dates about {about:topic}
@show every date I noted {when}
which deadlines are there for {about:topic}?
""",
    "find_facts:amounts": """
which numbers do I mention {when}?
@list all measurements in my notes on {about:topic}
@show the quantities in {about:note}
all figures about {about:topic}
""",
    "find_facts:money": """
what sums of money do I mention {when}?
@list all prices in my notes about {about:topic}
@show what I paid {when}
all amounts of money in {about:note}
@show my expenses {when}
""",
    "find_facts:phones": """
@list all phone numbers
@show the phone numbers in {about:note}
which phone numbers do I have about {about:topic}?
all telephone numbers in my notes
""",
    "find_facts:emails": """
@list the email addresses
@show the mail addresses in {about:note}
which email addresses are in my notes on {about:topic}?
all e-mail addresses from {when!}
""",
    "find_facts:links": """
@list all links
@show the links in {about:note}
which web pages did I save {when}?
@show me the urls about {about:topic}
all links I noted {when}
""",
    "list_tags": """
@show my tags
@list all tags
@list the tags
@show me the tags I use
@give me a list of my tags
which tags do I have?
what tags are there?
which tags do I use most?
how are my notes tagged?
all tags
@show every tag in my notes
what are my tags called?
do I have tags?
@tell me the tags
how many tags do I have?
what labels have I given my notes?
the list of tags, please
which tags exist?
@open the tag list
""",
    "tag_note": """
@tag {note} as {tag}
@tag {note} with {tag}
@add the tag {tag} to {note}
@put the tag {tag} on {note}
@give {note} the tag {tag}
@label {note} {tag}
@label {note} as {tag}
@mark {note} as {tag}
@mark {note} with the tag {tag}
@file {note} under {tag}
@attach the label {tag} to {note}
{note} should be tagged {tag}
{note} belongs under {tag}
can {note} get the tag {tag}?
I want {note} tagged {tag}
@set the tag {tag} for {note}
@use the tag {tag} for {note}
@sort {note} under {tag}
""",
    "related_notes": """
@find notes like {note}
@find notes similar to {note}
@show notes related to {note}
@show me what is related to {note}
@show more like {note}
what is related to {note}?
which notes are similar to {note}?
which notes belong with {note}?
which notes are connected with {note}?
is there anything like {note}?
are there other notes like {note}?
what else goes with {note}?
more like {note}
similar notes to {note}
@list notes close to {note}
@find the neighbours of {note}
what links to {note}?
@look for notes resembling {note}
what have I written that is like {note}?
""",
    "show_mood": """
@show my mood
@show my mood {when}
how was my mood {when}?
how did I feel {when}?
how have I been feeling {when}?
how has my mood changed {when}?
was I happy {when}?
was I sad {when}?
when was I happiest {when}?
@plot my mood {when}
@chart how I felt {when}
@tell me how I was doing emotionally {when}
my mood {when}
mood over time
has my mood improved {when}?
did I feel better or worse {when}?
@track my mood {when}
what was my emotional state {when}?
was I in good spirits {when}?
were my days good or bad {when}?
""",
    "create_note": """
@write down: {text:thought}
@write down that {text:fact}
@note that {text:fact}
@make a note that {text:fact}
@make a note: {text:thought}
@take a note: {text:thought}
@create a note saying {text:thought}
@create a note called {title}: {text:thought}
@create a new note titled {title} that says {text:thought}
@add a note: {text:thought}
@add a note called {title} saying {text:thought}
@save this: {text:thought}
@save a note: {text:thought}
@jot down: {text:thought}
@jot down that {text:fact}
@record that {text:fact}
@remember that {text:fact}
@keep in my notes that {text:fact}
@put in my notes: {text:thought}
new note: {text:thought}
new note {title}: {text:thought}
note to self: {text:thought}
I want to note that {text:fact}
for the record, {text:fact}, write that down
@start a note with the title {title} and the text {text:thought}
""",
    "set_reminder": """
@remind me to {text:todo}
@remind me to {text:todo} {when:due}
@remind me {when:due} to {text:todo}
@set a reminder to {text:todo} {when:due}
@set a reminder for {when:due!} to {text:todo}
@set a reminder: {text:todo}, {when:due!}
@add a reminder {when:due} to {text:todo}
@create a reminder to {text:todo} {when:due}
@make me a reminder for {when:due!}: {text:todo}
@give me a reminder {when:due} to {text:todo}
@don't let me forget to {text:todo} {when:due}
@don't let me forget to {text:todo}
@make sure I {text:todo} {when:due}
@nudge me {when:due} to {text:todo}
reminder: {text:todo}, {when:due!}
reminder for {when:due!}: {text:todo}
I need a reminder to {text:todo} {when:due}
I have to {text:todo} {when:due}, remind me
I must {text:todo} {when:due}, please remind me
can I get a reminder {when:due} to {text:todo}?
{when:due!} I have to {text:todo}, remind me of that
@wake my memory {when:due}: {text:todo}
@let me know {when:due} that I have to {text:todo}
""",
    "list_reminders": """
@show my reminders
@list my reminders
@list all reminders
@show me the reminders I have set
which reminders are set?
what reminders do I have?
do I have any reminders?
are there reminders open?
what will you remind me of?
what did I ask to be reminded of?
which reminders are due?
all reminders
my reminders, please
how many reminders are there?
@read out my reminders
@tell me what reminders are coming up
@check my reminders
""",
}

QUESTIONS = lines(
    """
how much did the new roof cost?
who recommended the dentist?
when did I last change the oil?
what is the wifi code at the cabin?
what was the name of the restaurant in Porto?
how long does the sourdough have to rest?
which wallpaper did Priya like?
did I pay the plumber?
where did I park the car?
what did the doctor say about my knee?
why did we cancel the trip to Rome?
who came to dinner on my birthday?
how many kilometres did I run in May?
what colour did we choose for the kitchen?
when is Jonas's birthday?
what is Solveig's phone number?
how do I undo the last commit?
what does the flag -r do?
what is a closure in Python?
is the landlord going to fix the window?
when did we move to Elm Street?
how old is the boiler?
what did Marta say about the job?
who lent me the drill?
which book did Professor Lindqvist suggest?
how do I list open ports?
what temperature does the oven need for bread?
what size are my hiking boots?
did it rain when we were in Brittany?
what time does the bakery close?
who won the chess match?
what was my salary in 2018?
how did I fix the printer?
where is the spare key?
when was the first frost?
which train did I take to Harwich?
what is Jonas allergic to?
what did we agree on in the budget meeting?
how much does the choir cost a year?
why was the train late?
what's the code for the gate?
was Marta at the school play?
where did I buy the boots?
when did I start meditating?
who is Terrence?
what was the problem with the boiler?
how many tomatoes did we pick?
which doctor did I see in March?
what is the capital of Mongolia?
how far is it to the allotment?
has the insurance paid?
what did I dream of last Tuesday?
who taught the pottery class?
do I like olives?
what did Uncle Terrence give us for the wedding?
when do the tulips come up?
which wine went well with the fish?
how did the interview at Brightwell go?
am I allowed to paint the door?
what was the score on my driving test?
did Priya answer my letter?
how do you say thank you in Greek?
where were we on 4 July 2020?
what was the first thing I wrote about the thesis?
who owns the house next door?
"""
)
BEFORE_QUESTIONS = lines(
    """
tell me,
according to my notes,
do you know
I forgot,
I can't remember,
quick question:
from my notes:
help me out,
"""
)

NO_CALL = lines(
    """
hello
hi there
good morning
thanks
thank you very much
that was helpful
great, thanks
okay
never mind
you are funny
I had a long day
that is all for now
see you tomorrow
how are you?
what's up?
who are you?
are you a robot?
nice weather today
well done
I'm not sure yet
delete this note
delete all my notes
remove the note Packing list
rename the second one
change the title of this note
correct the spelling in it
erase everything from 2019
move this note to the archive
merge all my notes into one file
undo that
translate this note into French
translate it to German
send the note to Marta
email this to Professor Lindqvist
share the second one with Priya
post this on my blog
print this note
print all my recipes
export everything to a PDF
call the landlord for me
ring Jonas
text Marta that I'm late
set an alarm for seven
set a timer for ten minutes
play some music
turn up the volume
turn off the lights
what's the weather like?
will it rain tomorrow?
what time is it?
open the camera
take a picture
navigate to the allotment
order a pizza
book a table for two
buy train tickets to Harwich
write a poem about autumn
write me an essay on bees
write a letter to the landlord
tell me a joke
sing a song
tell me a story
calculate 17 times 23
convert 10 miles to kilometres
draw a lighthouse
make a picture of my garden
encrypt my notes
back up my notes to the cloud
remove the tag work from this note
rename the tag health to body
delete the tag ideas
cancel my reminder
delete the reminder for Friday
move my reminder to next week
mark the first task as done
tick off the second task
install an update
change the font
switch to dark mode
log me out
search the web for bread recipes
google the opening hours of the museum
who should I vote for?
guess what I'm thinking
pick a random number
I finished the book
the meeting went well
we had soup for dinner
my knee hurts
it's late already
"""
)

OPENINGS = lines(
    """
please
can you
could you
would you
could you please
can you quickly
hey,
I'd like you to
would you mind and
"""
)[:-1]
TAILS = ["please", "thanks", "for me", "if you can"]
JOINERS = [" and ", " and then ", ", then ", ". then "]
