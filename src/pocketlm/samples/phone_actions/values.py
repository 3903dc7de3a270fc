"""Values for the training templates. Entries are separated by "|".

A leading article, possessive or preposition ("my sister", "on Friday") is said
in the request but is not part of the argument; make_rows.py splits it off.
Values kept for the validation and test rows are deliberately missing here.
"""


def _split(text):
    return [v.strip() for v in text.replace("\n", " ").split("|") if v.strip()]


VALUES = {
    k: _split(v)
    for k, v in {
        "contact": """
Mom | my mom | Dad | my dad | my sister | my brother | my wife | my husband | Grandma | my grandpa | Aunt Rosa |
Uncle Ben | my boss | my landlord | the dentist | my doctor | the plumber | my neighbor | the school | my cousin |
the babysitter | my roommate | my manager | my daughter | my son | Mama | Papa | my girlfriend | my boyfriend |
Anna | Ben | Carlos | Diana | Emeka | Fatima | George | Hannah | Ivan | Julia | Kofi | Lena | Miguel | Nadia |
Oscar | Petra | Quentin | Rosa | Samuel | Tanya | Umar | Vera | Wei | Xiomara | Yusuf | Zoe | Aisha | Bjorn |
Chloe | Dmitri | Elena | Farid | Giulia | Hassan | Ingrid | Jamal | Kenji | Leila | Mateo | Ngozi | Olga | Pablo |
Rahul | Sofia | Tariq | Uma | Viktor | Wanjiru | Yuki | Zainab | Amit | Bianca | Cheng | Deepa | Esteban | Freya |
Gustavo | Huda | Ines | Jorge | Katya | Lars | Meera | Nikos | Oluwaseun | Pilar | Ravi | Svetlana | Thandiwe |
Andre Wallace | Beth Carver | Chidi Okafor | Dana Whitfield | Eva Lindqvist | Frank Mueller | Grace Kim |
Hiro Tanaka | Isabel Moreno | Jack Dawson | Karen Blythe | Liam Murphy | Maria Costa | Nate Collins | Olivia Brandt |
Paul Fischer | Rachel Stein | Sanjay Gupta | Tom Hargreaves | Victor Nguyen | Wendy Chow | Yara Haddad |
Zach Miller | Dr. Patel | Dr. Feldman | Mrs. Jensen | Mr. Okoro | Professor Lang | Coach Rivera | Sister Mary |
Auntie Bola | Uncle Ravi | Nana | Pops | Big Joe | the vet | my accountant | my lawyer | the gym | my barber |
the front desk | my teacher | the bakery | my coach | my therapist | Cousin Lena | the pharmacy | my godmother |
Alejandro | Amara | Birgit | Cem | Dalia | Eoin | Fiona | Gabriel | Helga | Idris | Joanna | Kwame | Luca | Magda |
Noor | Orla | Piotr | Renata | Seamus | Tomasz | Ulrike | Vikram | Winston | Yolanda | Zoltan | Ada | Bruno | Celine
""",
        "text": """
I'm running late | I'll be there in ten minutes | dinner is ready | the meeting is over | happy birthday |
I love you | see you at eight | I missed the bus | the package arrived | can you call me back | I'm on my way |
don't forget the tickets | I'm stuck in traffic | the train is delayed | good luck with the exam |
we're out of coffee | thanks for the lovely evening | my phone was dead all day | I found your keys |
lunch is on me today | I'll pick you up after work | the door is unlocked | the baby is asleep |
I can't make it tonight | are you coming to the party | the report is done | please send me the address |
I'm at the front gate | I'll call you later | we landed safely | the dog has been fed | bring a jacket |
congratulations on the new job | sorry I forgot to call | the game starts at seven | save me a seat |
I left the keys under the mat | I need another hour | what time does it start | the car is fixed |
my flight leaves at six | see you on Monday | I got the job | the kids are with me | we won the match |
dinner moved to seven thirty | I'm not feeling well | I'll bring dessert | the wifi password is on the fridge |
you were right about the movie | let's meet at the cafe | I booked the tickets | the bill is paid |
can we move our call to Friday | I'm in line at the bank | I'll take the next train | miss you already |
I bought the paint | the plumber is coming at ten | you can have my ticket | please water the plants |
we need more time | I'm outside | I'm home | on my way home | almost there | all good here | no worries |
sounds good | yes I can | not today | I agree with the plan | the invoice is attached | the contract is signed |
I'll be in the office on Tuesday | we have to cancel the trip | the cake was delicious | class is cancelled |
your parcel is at our place | the power is out | I'm free on Saturday | let's go hiking this weekend |
please wait for me | I'm parking the car | the tickets are sold out | I'll be five minutes late |
the doctor said everything is fine | grandma is feeling better | we are leaving now | the rent is paid |
could you buy bread on the way | I forgot my wallet | the heating is broken again | I finished the book |
thank you for the flowers | get well soon | I'm thinking of you | don't wait up | keep the change |
the shop closes at six | I'll cook tonight | the kids want pizza | practice is at five | the pool is closed |
let me know when you land | the interview went well | I'm still at work | please feed the cat |
we're running out of diapers | I sent the documents | the presentation is ready | the room is booked |
your glasses are in my bag | I'll explain everything later | my train is on time | it's snowing here |
the concert was amazing | we can share a taxi | the test was easy | I'm bringing two friends |
the code for the gate is 4471 | the appointment is at noon | please bring the ladder | I owe you one |
the laundry is done | let's skip the gym today | I'm picking up the cake now | don't buy milk |
we should talk | I'll transfer the money tonight | the bike is in the garage | sleep well | good morning |
the guests are here | I have a surprise for you | I'm cleaning the kitchen | the printer works again |
you forgot your umbrella | I passed my driving test | meet me by the fountain | we got a puppy |
I'll be offline for two hours | the fridge is empty | the boss wants to see us | I changed the locks |
we're at gate twelve | the soup needs more salt | please call the bank | I'm taking a nap | the movie starts soon |
the window is open | I'll send the photos tomorrow | our table is for six people | the bus never came |
I'm at the airport and will be home by nine | dinner is in the oven and dessert is in the fridge |
we sold the car and bought two bikes | the kids are fed and in bed | I checked the tires and they are fine |
please bring the charger and a blanket | the cat is at the vet and needs surgery | I paid the deposit for the apartment |
we can meet at the station at half past four | I'll return the camera by Monday | the flight was cancelled and we stay one more night |
my laptop crashed and I lost the file | bring your passport and two photos | the keys are with the neighbor on the second floor |
I'm sick and can't come in today | the dog ran away but came back | we need to sign the papers before Friday |
the show starts at nine and ends at eleven | your order is ready for pickup at the counter | I'd rather stay in and watch a film |
the landlord will come by in the afternoon | could you lend me the drill for the weekend
""",
        "task": """
call the bank | buy milk | take out the trash | pay the rent | water the plants | feed the cat | pick up the kids |
take my pills | renew my passport | book the flights | walk the dog | clean the kitchen | send the invoice |
charge the laptop | buy a birthday card | change the bed sheets | return the library books | wash the car |
check the oven | submit the report | fix the bike | order new glasses | email the landlord | buy stamps |
sign the permission slip | defrost the chicken | back up my laptop | buy train tickets | cancel the gym membership |
drop off the dry cleaning | call the insurance company | pay the phone bill | get gas | buy a gift for Emma |
move the car | turn off the oven | lock the back door | stretch my legs | drink water | do the laundry |
bring an umbrella | pack my gym bag | write the thank you notes | read chapter four | prepare the slides |
pick up the prescription | get a haircut appointment | update my resume | empty the dishwasher | check my email |
print the boarding passes | refill the printer ink | clean the fish tank | apply for the visa | buy cat food |
replace the air filter | make a dentist appointment | call the school | top up the bus card | cut the grass |
bake the cookies | take the bread out | put the bins out | vacuum the stairs | mail the package | cancel the trial |
ask about the warranty | transfer money to savings | register for the race | bring the charger | vote | stand up |
buy diapers | iron my shirt | wrap the presents | clear the gutters | sharpen the knives | take my vitamins |
check the tire pressure | finish the essay | proofread the letter | lock up the shop | feed the neighbor's fish |
give the dog his medicine | return the drill to Ben | tune the guitar | study for the chemistry test |
call the electrician about the lights | sweep the porch | buy batteries | get cash | soak the beans |
set the table | send flowers to Nana | practice the violin | pay the parking fine | file my taxes |
download the maps | cover the pool | fill out the tax form | freeze the leftovers | meet the new tenant |
measure the window | bleed the radiators | collect the parcel | hang the pictures | sort the mail | shovel the snow |
thank Carlos for the ride | water the tomatoes | change the smoke alarm battery | dust the shelves |
take the cake out of the fridge | plan the menu | sell the old sofa | fold the towels | stop the washing machine |
bring my lunch | ring the vet | get the car inspected | order firewood | buy dog treats | reply to the lawyer |
put the bike in the garage | take the cake out of the freezer | bring the chairs up from the cellar |
hang the wet towels on the line | turn the compost in the garden | leave the spare key with the porter |
print the boarding pass for Ravi | put fresh batteries in the smoke alarm | send the signed form back to the school |
wipe the dust off the shelf | move the laundry to the dryer | drop the parcel at the post office |
check the air in the tires | bring two chairs to the rehearsal | write a card for the new neighbors |
put the ice packs in the cooler | wash and fold the shirts | water the basil and the mint |
wrap the present and sign the card | ask about the discount on the tickets | copy the photos to the hard drive
""",
        "thing": """
the rent | the staff meeting | my medicine | the laundry | the recycling | parents' evening | the car inspection |
the library books | my vitamins | the electricity bill | Rosa's birthday | the bake sale | the oil change |
the job interview | my eye drops | the vet appointment | the conference call | the school fees | the soccer snacks |
the tax return | the parking meter | the leftover soup | the credit card bill | the piano lesson |
the appointment at the tax office | the bag of clothes for charity | the meeting about the new kitchen |
the deadline for the grant | the keys at the front desk | the form for the summer camp
""",
        "when": """
at 5 pm | at 7 am | at noon | at 10 | tonight | tomorrow | tomorrow at 9 | tomorrow at 7 am | on Friday | on Monday |
on Monday morning | on Friday at 5 | on Saturday afternoon | in 20 minutes | in two hours | in 10 minutes |
in three days | after lunch | before bed | when I get home | when I leave work | next week | next Tuesday |
this evening | tomorrow evening | on the 1st of May | on June 10th | every Monday | every Friday | in the morning |
at half past four | at 18:15 | at 9:30 | at quarter past two | at midnight | on Saturday at 11 | next Monday at 8 |
later today | after dinner | before the meeting | when I get to the office | every night |
at 4:45 pm | on Tuesday at 10 am | tonight at 10 | tomorrow at noon | this weekend | in five minutes |
on Monday at 3:30 | at ten to six | by Friday | by 5 pm | at 8 in the evening | on Tuesday evening |
next month | at the weekend | on the 22nd | in 45 minutes | when I wake up | after school | before work |
today at 4 | at 20:30 | every morning | tomorrow after breakfast | on Saturday
""",
        "time": """
5 am | 7 am | 7am | 9 am | 10 am | 11 am | 9am | 10am | 5:30 am | 6:15 am | 6:30 | 6:30 am | 6:45 | 7:00 | 7:10 |
7:15 | 7:15 am | 7:20 | 7:30 | 7:30 am | 7:45 | 8:10 | 8:15 | 8:20 am | 8:30 | 8:45 am | 9:00 | 9:15 | 9:30 | 9:45 |
10:15 | 10:30 am | 10:40 | 11:00 | 11:20 am | 11:30 | 11:45 | 12:15 | 12:30 | 1 pm | 2 pm | 4 pm | 5 pm | 7 pm | 8 pm |
10 pm | 1pm | 2pm | 5pm | 7pm | 1:30 | 1:45 pm | 2:15 pm | 2:30 | 3:15 | 3:30 pm | 4:10 pm | 4:20 | 4:45 pm | 5:15 |
5:45 pm | 6:10 pm | 6:20 pm | 7:15 pm | 7:40 pm | 8:30 pm | 9:20 pm | 10:45 pm | 13:30 | 14:15 | 15:00 | 16:20 |
17:30 | 18:40 | 19:00 | 20:15 | 21:30 | 22:10 | 06:20 | 07:50 | 08:00 | noon | midnight | quarter past nine |
quarter past six | quarter to seven | quarter to three | half six | half nine | half past seven | half past four |
half past ten | ten to five | ten past eight | twenty past six | five to nine | twenty to eight | seven thirty |
six fifteen | nine forty five | eight thirty | four thirty | five fifteen am | ten o'clock | 7 o'clock | 9 o'clock |
five o'clock | 7 in the morning | 9 in the morning | 5 in the morning | 6 in the evening | 8 in the evening |
4 in the afternoon | 10 at night | two in the afternoon | 7 | 9 | 10 | 5 | 11 | seven | nine | eleven |
7 p.m. | 10 a.m. | 5:30 p.m. | 7:30 PM
""",
        "day": """
tomorrow | tomorrow | tomorrow | today | today | tonight | on Monday | on Tuesday | on Friday | on Saturday | Monday |
Friday | Saturday | next Monday | next Tuesday | next Friday | next Saturday | this Monday | this Friday |
this Saturday | tomorrow evening | this evening | this weekend | next week | the day after tomorrow |
on Monday morning | on Friday evening | on Saturday morning | on Tuesday afternoon | on Friday night |
on the 14th of May | on May 3rd | on June 21st | on the 5th of June | on the 2nd of January | on April 9th |
on October 12th | on the 30th of September | on December 24th | on 6 February | on January 15 | on the 18th |
on the 25th | on the 11th of October | on September 1st | on 22 April | on February 14th | on the 1st of December |
on the first of June | on the tenth of April | on the 27th
""",
        "wday": """
tomorrow | today | tonight | on Monday | on Friday | on Saturday | this weekend | next week | this evening |
tomorrow evening | the day after tomorrow | on Tuesday | next Monday | this Friday | on Saturday morning |
on Friday night | on Tuesday afternoon | on May 3rd | on the 12th | later today | on Christmas Eve | next Saturday |
on the 1st of June | tomorrow at noon
""",
        "label": """
gym | work | yoga | medication | school run | early flight | piano practice | breakfast meeting | dog walk | baking |
laundry | morning run | night shift | swim class | choir | exam | bread | team call | airport taxi | garbage truck |
prayer | homework | feed the fish | train to Boston | Spanish lesson | soccer practice | delivery | market day |
hair dye | physio | bins out | rowing | church | stretching | wake up Leo | parking | study time |
feed the sourdough | walk the dog | bring in the washing | take the pills | start the dishwasher | call the office |
leave for the station | get the kids | night feed | drive to work
""",
        "title_event": """
lunch with Anna | dinner with Hassan | a dentist appointment | the staff meeting | my haircut | a team lunch |
Ben's birthday party | coffee with Julia | a job interview | parent evening | the book club | yoga class |
a doctor's appointment | the budget review | movie night | a date with Sam | the wedding rehearsal | piano lesson |
the car inspection | a call with the bank | brunch with the girls | soccer practice | the quarterly review |
a picnic with the kids | game night | Rosa's graduation | the company barbecue | a blood test | the vet visit |
a swimming lesson | drinks with Tom | the neighborhood meeting | science fair | an eye test | the tenants meeting |
a massage | chess club | choir rehearsal | a project kickoff | lunch with the new intern | the dress fitting |
the furniture delivery | a video call with Leila | the moving day | a cooking class | the school play | poker night |
a tennis match | driving test | the flight to Madrid | a sales pitch | Grandma's visit | the garage sale |
a photo shoot | anniversary dinner | the charity run | a plumber visit | the house viewing | study group |
Wei's farewell party | the design workshop | a hike with Lars | karaoke night | the board meeting |
the talk about the new roof | a walk along the river with Vera | the farewell drinks for Oscar |
the second round of interviews | the trip to the lake house | the meeting of the housing board |
a night at the opera | the race in the city park
""",
        "title_song": """
Paper Lanterns | Blue Harbour | Midnight Train | Sweet Caroline | Hotel California | Rolling in the Deep |
Imagine | Yesterday | Hey Jude | Dancing Queen | Billie Jean | Purple Rain | Wonderwall | Let It Be | Thriller |
Stairway to Heaven | Smells Like Teen Spirit | Viva la Vida | Take On Me | Africa | Hallelujah | Bad Guy | Levitating |
Blinding Lights | Shape of You | Uptown Funk | Clocks | Yellow | Fix You | Toxic | Halo | Jolene | Respect |
Lovely Day | September | Superstition | Waterloo | The Sound of Silence | The Weight | A Day in the Life |
Mr. Brightside | Come Together | Clair de Lune | Für Elise | Despacito | La Bamba | Volare | Sunflower | Fireflies |
Green Light | Dreams | Landslide | Heroes | Space Oddity | No Surprises | Creep | Zombie | Linger | Roxanne | Faded |
Titanium | Wake Me Up | Firework | Royals | Golden Hour | Northern Rain | Copper Sky | Slow River | Salt and Honey |
Winter Garden | Long Way Down | Silver Thread | Tin Roof | Ocean Drive | Glass Hearts | Wild Mint | Second Sunrise
""",
        "artist": """
Adele | Coldplay | Queen | Radiohead | Beyoncé | Miles Davis | Nina Simone | The Beatles | The Rolling Stones | ABBA |
Fleetwood Mac | Daft Punk | Stevie Wonder | Bob Marley | Johnny Cash | Dolly Parton | Ed Sheeran | Taylor Swift |
Kendrick Lamar | Billie Eilish | Arctic Monkeys | Pink Floyd | David Bowie | Prince | Aretha Franklin | Elton John |
Bach | Mozart | Chopin | Shakira | Bad Bunny | Rosalía | Burna Boy | Fela Kuti | BTS | Björk | Sigur Rós | Kraftwerk |
Edith Piaf | Stromae | Cesária Évora | Ravi Shankar | Norah Jones | Frank Sinatra | Ella Fitzgerald | The Cure |
Depeche Mode | Metallica | Nirvana | Green Day | Nina Vale | The Salt Road | Otis Grey | Hannah Moor | Paper Foxes
""",
        "playlist": """
Morning Coffee | workout | Road Trip | Deep Focus | chill | Summer Hits | party | Rainy Day | sleep | study beats |
Dinner Party | running | 80s Mix | 90s Rock | Sunday Jazz | cleaning | gym | Throwbacks | driving | Happy Mix | cooking |
Slow Mornings | lullabies | Date Night | Classical Calm | indie | Karaoke Night | Piano Moods | Kids Songs | Feel Good |
meditation | country | Campfire | Latin Dance | Late Night | Family Favorites | Beach Day | Autumn Walk | soul food
""",
        "place": """
home | work | the airport | the train station | the nearest pharmacy | the post office | Central Park | the city library |
18 Mill Lane | 42 Baker Street | 7 Rosewood Avenue | 315 Pine Street | 1200 Market Street | 9 Harbour Road |
88 King Street | 5 Elm Court | 230 Sunset Boulevard | 64 Church Road | 11 Garden Close | 150 Fifth Avenue |
27 Orchard Way | 3 Station Square | 401 Lincoln Drive | 76 Queen Street | the nearest gas station | the supermarket |
the dentist | Lakeside Mall | Riverside Hospital | the town hall | the bus station | the gym | the museum | the zoo |
the aquarium | the botanical garden | Union Station | Heathrow Terminal 5 | the Golden Gate Bridge | the Eiffel Tower |
Times Square | Piccadilly Circus | Wembley Stadium | Yankee Stadium | the Hilton | the Grand Hotel | Joe's Diner |
Pizzeria Roma | the Blue Door Cafe | Starbucks | IKEA | Costco | Walmart | Target | Best Buy | Whole Foods |
St. Mary's Church | Oakwood Cemetery | Greenfield School | Hillcrest High School | the university | the beach |
Grandma's house | Tom's place | my sister's apartment | my mom's house | the office | the stadium | the ferry terminal |
the nearest ATM | the closest hospital | a coffee shop | a car wash | the farmers market | the swimming pool |
Boston | Leeds | Munich | Toronto | Oakland | the city center | the old town | Camden Market | Brighton Pier |
the police station | the embassy | the courthouse | Terminal 2 | the east parking lot | the harbor | the lighthouse |
the castle | Mount Vernon | the opera house | the cinema | the bowling alley | the skate park | the vet clinic |
the tire shop | the garden center | Home Depot | the nearest charging station | the mosque on Hill Street |
the Thai place on 5th | the bakery on Elm Street | Sam's Garage | Kennedy Airport | Gare du Nord | Alexanderplatz |
Plaza Mayor | Bondi Beach | Lincoln Center | Echo Park | Pier 39 | the science museum | the art school |
52 Victoria Road | 19 Cherry Lane | 640 Broadway | 33 Windmill Street | 8 Abbey Court | 2200 Lakeview Drive |
17 Rue de Rivoli | 5 Castle Hill | 91 Maple Avenue | 12 Dock Street | 48 Meadow Road | 270 Park Avenue |
6 Chestnut Square | 135 Canal Street | 21 Hillside Terrace | 84 Rose Street | Fisherman's Wharf | Union Square |
Denver Airport | Victoria Station | Oak Park | the rose garden | the hardware store | the Italian restaurant |
the nearest bank | the closest grocery store | the shoe repair shop | the daycare | the trailhead | the wine shop |
the blood donation center | my cousin's farm | Ben's office | Aunt Rosa's house | the north entrance |
the Marriott | Trader Joe's | McDonald's | the Royal Theatre | Silver Lake | Eagle Point | the hostel | the sauna
""",
        "venue": """
the Blue Door Cafe | Joe's Diner | the office | the town hall | Pizzeria Roma | Central Park | the city library |
Room 12 | room 204 | the Grand Hotel | Riverside Hospital | Greenfield School | 42 Baker Street | 18 Mill Lane |
the community center | Lakeside Mall | the clinic | the beach | Tom's place | the gym | the church hall | Hillcrest Park |
the main hall | the Red Lion | Cafe Luna | the studio | the conference room | my house | Bar Milano | the tennis club
""",
        "city": """
Paris | London | Berlin | Tokyo | New York | Boston | Chicago | Madrid | Rome | Oslo | Stockholm | Dublin | Vienna |
Prague | Athens | Cairo | Lagos | Nairobi | Mumbai | Delhi | Bangkok | Seoul | Shanghai | Sydney | Toronto | Denver |
Seattle | Miami | Dallas | Mexico City | Lima | Bogota | Rio de Janeiro | Cape Town | Istanbul | Manila | Jakarta |
San Diego | New Orleans | Salt Lake City | Leeds | Glasgow | Bristol | Munich | Hamburg | Lyon | Naples | Santa Fe |
the Lake District | the Bronx | Buenos Aires | Addis Ababa | Kansas City | Hong Kong | Zagreb | Riga | Tallinn
""",
        "list": """
shopping | grocery | packing | to do | wish | camping | party | Christmas | work | reading | hardware | chores |
weekend | movie | gift | holiday | Costco | school | birthday | supermarket | baby | books to buy | moving | pharmacy |
beach trip | garden | kitchen | meal prep | bucket | gym
""",
        "items": """
milk | eggs | bread | butter | cheese | bananas | apples | rice | coffee | tea | sugar | flour | olive oil | tomatoes |
onions | potatoes | chicken | fish | yogurt | toilet paper | dish soap | shampoo | toothpaste | batteries | candles |
balloons | paper plates | sunscreen | a tent | a flashlight | hiking boots | socks | a phone charger | passport | pens |
printer paper | light bulbs | a hammer | nails | paint | duct tape | dog food | cat litter | diapers | baby wipes |
orange juice | two lemons | a bag of rice | three avocados | a dozen eggs | oat milk | peanut butter | honey |
pasta | garlic | ginger | spinach | carrots | mushrooms | strawberries | ice cream | frozen peas | salt | black pepper |
cereal | crackers | a birthday cake | napkins | wine | sparkling water | a pack of gum | a swimsuit | beach towel |
clean the garage | call the bank | mow the lawn | fix the sink | a new toothbrush | almond flour | soy sauce |
ground beef | bacon | tortillas | salsa | kidney beans | vanilla | baking powder | trash bags | sponges | laundry detergent |
a bunch of fresh basil | a sheet of sandpaper | clean the gutters | mow the lawn | call the roofer | paint the fence |
sort the photos | a set of screwdrivers | a roll of tape | wash the curtains | trim the hedge
""",
        "app": """
Spotify | YouTube | Instagram | the camera | Gmail | Google Maps | the calculator | Netflix | Facebook | TikTok |
the calendar | Slack | Zoom | Uber | the clock | Settings | the photo gallery | Photos | Notes | Chrome | Safari |
Telegram | Signal | Reddit | LinkedIn | Pinterest | Snapchat | Twitch | Discord | Amazon | eBay | Airbnb | the App Store |
Google Drive | Dropbox | Evernote | Strava | Fitbit | Candy Crush | Chess | Microsoft Teams | Outlook | Word | Excel |
PayPal | Venmo | Banking | Weather | the compass | the voice recorder | Contacts | Files | Podcasts |
Audible | Kindle | Google Translate | Calm | Pokemon Go | the bus tracker | Apple Music | the stopwatch | Threads |
the scanner | Minecraft | Lyft | Booking | Etsy | Tinder | News | Health | Google Photos | Maps | Trello |
Waze | Disney Plus | SoundCloud | the step counter | Instacart | Messenger | Clash of Clans | WeChat
""",
    }.items()
}

# Said word -> integer. Test and validation numbers are left out.
AMOUNTS = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 18, 20, 21, 24, 25, 28, 30, 32, 36, 40, 42, 45, 50, 60, 75, 90]
PERCENTS = [
    0,
    2,
    5,
    10,
    12,
    15,
    18,
    20,
    21,
    24,
    25,
    28,
    30,
    33,
    34,
    36,
    40,
    42,
    45,
    46,
    47,
    50,
    51,
    54,
    58,
    60,
    61,
    65,
    67,
    69,
    70,
    72,
    75,
    78,
    80,
    82,
    83,
    87,
    89,
    90,
    91,
    95,
    96,
    99,
    100,
]

SETTINGS = {
    "wifi": ["wifi", "the wifi", "wi-fi", "the wi-fi", "my wifi"],
    "bluetooth": ["bluetooth", "the bluetooth", "Bluetooth", "my bluetooth"],
    "flashlight": ["the flashlight", "the torch", "my flashlight", "flashlight"],
    "airplane_mode": ["airplane mode", "flight mode", "the airplane mode", "aeroplane mode"],
    "do_not_disturb": ["do not disturb", "do not disturb mode", "the do not disturb", "do-not-disturb"],
    "dark_mode": ["dark mode", "the dark mode", "the dark theme", "dark theme"],
    "hotspot": ["the hotspot", "hotspot", "my hotspot", "the mobile hotspot", "the personal hotspot"],
}
