"""What notes say, what is asked about it, and the sentence that answers.

FACTS: blocks of lines. `S` is a way to say it, `Q` a question and behind " = " its answer; {slots} are filled alike in a block.
STORIES: `T` is a sentence of a note, in order, some of them left out (`?`); `A` is the summary.
HELD_OUT blocks, the last of each, are for validation and test alone.
"""

FACTS = """
S Built in {year} as a {room} and rebuilt in {year2} after a fire, the {place} has belonged to {org} since {year3}, which paid {money} for it.
S The {place} was built in {year}, burned down and was rebuilt in {year2}; {org} bought it for {money} in {year3}.
Q When was the {place} built? = The {place} was built in {year}.
Q In what year was the {place} rebuilt? = The {place} was rebuilt in {year2}.
Q How much did {org} pay for the {place}? = {org} paid {money} for the {place}.
Q Since when has the {place} belonged to {org}? = The {place} has belonged to {org} since {year3}.
Q Who owns the {place}? = The {place} belongs to {org}.

S While {p} led the team with {n} points, {q} added {m} and was named the best player, an honour that had gone to {p2} the year before.
S {q}, who was named the best player with {m} points, and {p} with {n} decided the game; the year before the honour had gone to {p2}.
Q How many points did {p} have? = {p} had {n} points.
Q How many points did {q} add? = {q} had {m} points.
Q Who was named the best player? = {q} was named the best player.
Q To whom did the honour go the year before? = The honour went to {p2} the year before.

S In {city} the {term} is called {term2}, while in {country} people know it as {term3} and eat it with {plant}.
S People in {country} call the {term} {term3} and eat it with {plant}; in {city} its name is {term2}.
Q What is the {term} called in {city}? = In {city} the {term} is called {term2}.
Q What do people in {country} call the {term}? = People in {country} call the {term} {term3}.
Q With what is the {term} eaten in {country}? = In {country} the {term} is eaten with {plant}.

S {p}'s first marriage to {q} lasted {few} years; in {year} he married {p2}, with whom he had {n} letters published.
S After {few} years with {q}, {p} married {p2} in {year}; together they published {n} letters.
Q Whom did {p} marry in {year}? = {p} married {p2} in {year}.
Q Who was {p}'s first spouse? = {p}'s first spouse was {q}.
Q How long did the marriage to {q} last? = The marriage lasted {few} years.

S The {material} is heated to {heat} degrees, cooled for {n} minutes and then pressed into {thing}s, which weigh less than those made of {material2}.
S Heated to {heat} degrees and cooled for {n} minutes, the {material} is pressed into {thing}s that weigh less than those of {material2}.
Q To what temperature is the {material} heated? = The {material} is heated to {heat} degrees.
Q How long is the {material} cooled? = The {material} is cooled for {n} minutes.
Q What is the {material} pressed into? = The {material} is pressed into {thing}s.
Q What weighs more than these {thing}s? = Those made of {material2} weigh more.

S Of the {big} people who came, {pct} percent were from {country}, and most of the others had travelled from {city} by boat.
S {pct} percent of the {big} who came were from {country}; the others had mostly travelled from {city} by boat.
Q What percentage was from {country}? = {pct} percent were from {country}.
Q Where had most of the others travelled from? = Most of the others had travelled from {city}.
Q How many people came? = {big} people came.

S Because the {river} froze, the ships could not leave {city} until {month}, and the {plant} on board was lost, which {p} blamed on the {office}.
S The ships stayed in {city} until {month} because the {river} was frozen; {p} blamed the {office} for the loss of the {plant}.
Q Why could the ships not leave {city}? = The ships could not leave {city} because the {river} was frozen.
Q Until when did the ships stay in {city}? = The ships stayed in {city} until {month}.
Q Whom did {p} blame? = {p} blamed the {office}.

S There are three kinds of {term}: those of {material}, the oldest; those of {material2}, used at sea; and those of {material3}, which only {org} makes.
S A {term} may be of {material}, the oldest kind, of {material2}, which is used at sea, or of {material3}, which only {org} makes.
Q What is the oldest kind of {term} made of? = The oldest kind of {term} is made of {material}.
Q Which kind of {term} is used at sea? = The {term} of {material2} is used at sea.
Q Who makes the {term} of {material3}? = Only {org} makes the {term} of {material3}.

S {p} sold the {thing} to {q} for {money} and bought it back {few} years later for twice as much, as {p2} tells in "{title}".
S As "{title}" by {p2} tells, {q} bought the {thing} from {p} for {money} and sold it back {few} years later.
Q Who bought the {thing} from {p}? = {q} bought the {thing} from {p}.
Q For how much was the {thing} sold? = The {thing} was sold for {money}.
Q In which book is it told? = It is told in "{title}".

S {country} joined the union in {year}, {country2} in {year2}; both kept their own {material} mines, but gave up the tax on {plant}.
S Both {country}, which joined the union in {year}, and {country2}, which joined in {year2}, gave up the tax on {plant} and kept their {material} mines.
Q When did {country} join the union? = {country} joined the union in {year}.
Q When did {country2} join the union? = {country2} joined the union in {year2}.
Q What tax did both give up? = Both gave up the tax on {plant}.
Q What did both keep? = Both kept their {material} mines.

S The show moved from {day} to {day2} in {year}, lost {pct} percent of those who watched, and was given up by {org} a year later.
S {org} gave up the show a year after it had moved it from {day} to {day2} in {year} and lost {pct} percent of those who watched.
Q On which day was the show before? = The show was on {day} before.
Q To which day was the show moved? = The show was moved to {day2}.
Q How many of those who watched were lost? = {pct} percent of those who watched were lost.
Q Who gave up the show? = {org} gave up the show.

S {term} is spread by {animal}s, not by water as {p} had believed; {q} showed this in {city} in {year}.
S In {year}, {q} showed in {city} that {animal}s spread {term}; {p} had believed it was water.
Q What spreads {term}? = {term} is spread by {animal}s.
Q Who showed how {term} is spread? = {q} showed how {term} is spread.
Q What had {p} believed? = {p} had believed it was water.
Q Where was it shown? = It was shown in {city}.

S Called {p} at {time}; he will bring the {thing} on {day} and the {doc} a day later, and needs {money} for both.
S {p} needs {money}: the {thing} comes on {day}, the {doc} a day later. We spoke at {time}.
Q When will {p} bring the {thing}? = {p} will bring the {thing} on {day}.
Q How much does {p} need? = {p} needs {money}.
Q When did I speak with {p}? = You spoke with {p} at {time}.
Q What comes a day later? = The {doc} comes a day later.

S Slept badly. {p} thinks it is the coffee, {q} says it is the {thing} in the {room}, which hums all night.
S {q} says that I sleep badly because the {thing} in the {room} hums all night; {p} thinks it is the coffee.
Q What does {q} think is the reason? = {q} says it is the {thing} in the {room}.
Q Who thinks it is the coffee? = {p} thinks it is the coffee.
Q Where does the {thing} hum? = The {thing} hums in the {room}.

S {p} moved to {city} in {month}. The flat is small, but the rent is low.
S In {month} {p} packed everything into a borrowed van and moved to {city}.
S Long call with {q}: it turns out {p} moved to {city} in {month}, and nobody told us.
Q When did {p} move to {city}? = {p} moved to {city} in {month}.
Q Where did {p} move? = {p} moved to {city}.
Q Who moved to {city}? = {p} moved to {city}.

S Paid {money} for the {thing}, which is more than I wanted to spend.
S The {thing} cost {money} in the end, delivery included.
S Bought the {thing} from {org} today. {money}, and they throw in a bag.
Q How much did I pay for the {thing}? = You paid {money} for the {thing}.
Q What did the {thing} cost? = The {thing} cost {money}.
Q What was the price of the {thing}? = The {thing} cost {money}.

S Dentist on {date} at {time}, second floor, ring twice.
S Appointment at the dentist's is on {date}, {time}. Do not forget the card.
Q When is my dentist appointment? = Your dentist appointment is on {date} at {time}.
Q When do I have to be at the dentist's? = You have to be at the dentist's on {date} at {time}.

S Met {p} at {place} this {day}; we talked about {topic} for an hour.
S {day}. Coffee with {p} at {place}. Mostly talk of {topic}, a little of the weather.
Q Where did I meet {p}? = You met {p} at {place}.
Q What did {p} and I talk about? = You and {p} talked about {topic}.
Q Who did I meet at {place}? = You met {p} at {place}.

S {p}'s birthday is on {date}. She wants a {thing}.
S Do not forget: {date} is {p}'s birthday, and the {thing} would be a good present.
Q When is {p}'s birthday? = {p}'s birthday is on {date}.
Q What does {p} want for her birthday? = {p} wants a {thing}.

S The code for the {room} door is {n}{m}, as {p} told me on the phone.
S {p} changed the lock: the {room} door now opens with {n}{m}.
Q What is the code of the {room} door? = The code of the {room} door is {n}{m}.
Q Who told me about the {room} door? = {p} told you about the {room} door.

S Finished "{title}" last night. The ending is weak, the middle is superb.
S I read "{title}" on the train to {city} and liked the middle best.
Q Which book did I finish? = You finished "{title}".
Q What did I think of "{title}"? = You liked the middle of "{title}".

S The {dish} needs {n} minutes in the oven at {heat} degrees, not more.
S {dish}: bake at {heat} degrees for {n} minutes, then let it rest under a towel.
Q How long does the {dish} bake? = The {dish} bakes for {n} minutes.
Q How hot should the oven be for the {dish}? = The oven should be at {heat} degrees for the {dish}.

S The train to {city} leaves at {time} from platform {n}.
S Platform {n}, {time}: that is the train to {city}. Tickets are in the blue folder.
Q When does the train to {city} leave? = The train to {city} leaves at {time}.
Q From which platform does the train to {city} leave? = The train to {city} leaves from platform {n}.

S {p} will send the {doc} by {day}, after that {q} takes over.
S Agreed with {q}: {p} sends the {doc} by {day}.
S ACTION {p}: {doc}, due {day}. {q} reads it before it goes out.
Q Who sends the {doc}? = {p} sends the {doc}.
Q By when is the {doc} due? = The {doc} is due by {day}.

S The meeting with {org} is moved to {date} because {p} is ill.
S {org} called. {p} is ill, so we meet on {date} instead.
Q When do we meet {org}? = You meet {org} on {date}.
Q Why was the meeting with {org} moved? = The meeting was moved because {p} is ill.

S Budget for the {project} project is {money}, approved by {p}.
S {p} approved {money} for {project}, a little less than we had asked for.
Q What is the budget of the {project} project? = The budget of the {project} project is {money}.
Q Who approved the budget for {project}? = {p} approved the budget for {project}.

S {p} starts at {org} on {date} as an engineer.
S {date} will be {p}'s first day at {org}. Lunch is on us.
Q When does {p} start at {org}? = {p} starts at {org} on {date}.
Q Where will {p} work? = {p} will work at {org}.

S Ran {n} km along the {river} this morning, with {p} on the bike beside me.
S {n} km in the rain along the {river}. {p} rode the bike and laughed at me.
Q How far did I run? = You ran {n} km.
Q Where did I run? = You ran along the {river}.
Q Who came along when I ran? = {p} came along on the bike.

S The cat was at the vet's in {city}: {n} drops of the medicine every evening until {day}.
S Vet says the cat gets {n} drops every evening until {day}.
Q How many drops does the cat get? = The cat gets {n} drops every evening.
Q Until when does the cat need the medicine? = The cat needs the medicine until {day}.

S {p} lent me the {thing}. Give it back before {month}.
S I still have {p}'s {thing}, to be given back before {month}.
Q Who lent me the {thing}? = {p} lent you the {thing}.
Q When must I give the {thing} back? = You must give the {thing} back before {month}.

S The landlord, {p}, raises the rent by {money} from {month} on.
S Letter from {p}: from {month} on the rent goes up by {money}.
Q By how much does the rent rise? = The rent rises by {money}.
Q When does the rent rise? = The rent rises from {month} on.
Q Who is my landlord? = Your landlord is {p}.

S Planted {n} rows of {plant} behind the shed, {p} helped with the water.
S {n} rows of {plant} are in the ground behind the shed.
Q How many rows of {plant} did I plant? = You planted {n} rows of {plant}.
Q Where is the {plant}? = The {plant} is behind the shed.

S {p} is allergic to {plant}; never put it in the {dish}.
S No {plant} in the {dish} when {p} comes: allergic.
Q What is {p} allergic to? = {p} is allergic to {plant}.
Q Who is allergic to {plant}? = {p} is allergic to {plant}.

S The {thing} is in the {room}, on the top shelf, behind the boxes.
S Put the {thing} on the top shelf in the {room}.
Q Where is the {thing}? = The {thing} is on the top shelf in the {room}.
Q What is on the top shelf in the {room}? = The {thing} is on the top shelf in the {room}.

S We stayed {n} nights at {place} in {city} and would go again.
S {city}: {n} nights at {place}. The breakfast alone is worth it.
Q How many nights did we stay in {city}? = You stayed {n} nights in {city}.
Q Where did we stay in {city}? = You stayed at {place} in {city}.

S Up early and to my office, where {p} came to me about the {topic}, and so home to dinner at {time}.
S At noon {p} and I to {place}, and there did discourse about {topic}; thence by water to {city}.
Q Who came to me about {topic}? = {p} came to you about {topic}.
Q What did {p} talk about with me? = {p} talked with you about {topic}.

S This day {p} brought me {money} for the {thing}, which pleases me mightily.
S Comes {p} with {money}, being what was owed me for the {thing}.
Q How much did {p} bring me? = {p} brought you {money}.
Q Why did {p} bring me {money}? = {p} brought you {money} for the {thing}.

S Use `{cmd} --{flag}` to see only the last {n} lines.
S With `{cmd} --{flag}` one sees only the last {n} lines, which saves a lot of scrolling.
Q How do I see only the last {n} lines? = Use `{cmd} --{flag}` to see only the last {n} lines.
Q What does `{cmd} --{flag}` do? = `{cmd} --{flag}` shows only the last {n} lines.

S The function `{cmd}` returns nothing when the {term} is empty, so check for it first.
S Careful: when the {term} is empty, `{cmd}` returns nothing.
Q What does `{cmd}` return when the {term} is empty? = `{cmd}` returns nothing when the {term} is empty.
Q When does `{cmd}` return nothing? = `{cmd}` returns nothing when the {term} is empty.

S The wifi of {place} is called {term} and the password is {term2}{n}.
S {place}: network {term}, password {term2}{n}, works in the garden too.
Q What is the wifi password of {place}? = The password is {term2}{n}.
Q What is the wifi of {place} called? = The wifi of {place} is called {term}.

S {p} said the doctor found nothing wrong with her {body}, only too little sleep.
S Good news from {p}: nothing wrong with the {body}, she just sleeps too little.
Q What did the doctor say about {p}'s {body}? = There is nothing wrong with the {body}.
Q What is wrong with {p}? = {p} sleeps too little.

S {org} was founded in {year} by {p} in a garage in {city}.
S Founded by {p} in {city} in {year}, {org} first sold {thing}s by post.
S {org}, which {p} founded in {year}, still has its seat in {city}, although most of its people now work elsewhere.
Q When was {org} founded? = {org} was founded in {year}.
Q Who founded {org}? = {org} was founded by {p}.
Q In what city was {org} founded? = {org} was founded in {city}.

S The {place} was completed in {year} and designed by {p}; it is {n} metres high.
S Designed by {p}, the {place} was completed in {year} after long quarrels about money, and at {n} metres it was the highest in {city}.
Q Who designed the {place}? = The {place} was designed by {p}.
Q When was the {place} completed? = The {place} was completed in {year}.
Q How high is the {place}? = The {place} is {n} metres high.

S In {year}, {city} had a population of {big}, of which {pct} percent were born abroad.
S The census of {year} counted {big} people in {city}; {pct} percent of them were born abroad.
Q What was the population of {city} in {year}? = {city} had a population of {big} in {year}.
Q What percentage of {city}'s population was born abroad? = {pct} percent of {city}'s population were born abroad.

S The {term} is a kind of {animal} that lives in the mountains of {country} and feeds on {plant}.
S Found only in the mountains of {country}, the {term} is an {animal} whose main food is {plant}.
Q What does the {term} eat? = The {term} feeds on {plant}.
Q Where does the {term} live? = The {term} lives in the mountains of {country}.

S The {battle} of {city} took place on {fulldate}; {p} led the defenders, who lost {n} men.
S On {fulldate} the defenders under {p} lost {n} men in the {battle} of {city}.
Q When did the {battle} of {city} take place? = The {battle} of {city} took place on {fulldate}.
Q Who led the defenders at {city}? = {p} led the defenders.
Q How many men did the defenders lose? = The defenders lost {n} men.

S {p} ({year}-{year2}) was a {job} from {country}, best known for the {term} theory.
S Best known for the {term} theory, {p} was a {job} from {country} who later taught in {city}.
Q What was {p} best known for? = {p} was best known for the {term} theory.
Q What was {p}'s profession? = {p} was a {job}.
Q Where was {p} from? = {p} was from {country}.

S The {term} process turns {material} into {material2} at about {heat} degrees and needs no {material3}.
S At about {heat} degrees, {material} becomes {material2}; this is called the {term} process.
Q What is the {term} process? = The {term} process turns {material} into {material2}.
Q At what temperature does {material} become {material2}? = {material} becomes {material2} at about {heat} degrees.

S The {river} rises in {country}, flows for {big} km and reaches the sea near {city}.
S Near {city} the {river}, which rises in {country}, reaches the sea after {big} km.
Q How long is the {river}? = The {river} is {big} km long.
Q Where does the {river} rise? = The {river} rises in {country}.
Q Near what city does the {river} reach the sea? = The {river} reaches the sea near {city}.

S The team of {city} beat {city2} {n}-{m} in the final, with {p} scoring twice.
S {city2} lost the final {n}-{m} to {city}; {p} scored twice.
Q Who won the final? = {city} won the final.
Q What was the score of the final? = The score of the final was {n}-{m}.
Q Who scored twice in the final? = {p} scored twice.

S The treaty was signed in {city} in {year} and ended the war between {country} and {country2}.
S {country} and {country2} ended their war by a treaty that was signed in {city} in {year}.
Q Where was the treaty signed? = The treaty was signed in {city}.
Q Which war did the treaty end? = The treaty ended the war between {country} and {country2}.
Q In what year was the treaty signed? = The treaty was signed in {year}.

S The university of {city} has {big} students and is the oldest in {country}, having been opened in {year}.
S Opened in {year}, the university of {city} is the oldest in {country}; {big} students are enrolled now.
Q How many students does the university of {city} have? = The university of {city} has {big} students.
Q What is the oldest university in {country}? = The university of {city} is the oldest in {country}.

S {material} is used for {thing}s because it is light and does not rust, unlike {material2}.
S Unlike {material2}, {material} does not rust and is light, which is why {thing}s are made of it.
Q Why is {material} used for {thing}s? = {material} is used because it is light and does not rust.
Q What is {material} used for? = {material} is used for {thing}s.

S Under the law of {year}, the {office} is elected for {few} years by the members of the council.
S The members of the council elect the {office} for {few} years, as the law of {year} says.
Q Who elects the {office}? = The members of the council elect the {office}.
Q For how many years is the {office} elected? = The {office} is elected for {few} years.

S A {term} is a set in which every {term2} has exactly one inverse; {p} described them first.
S First described by {p}, a {term} is a set in which every {term2} has exactly one inverse.
Q What is a {term}? = A {term} is a set in which every {term2} has exactly one inverse.
Q Who first described {term}s? = {p} first described them.

S In the cells of {plant}, {term} carries the energy, while {term2} repairs what the light damages.
S {term} carries the energy in the cells of {plant}; the damage done by light is repaired by {term2}.
Q What carries the energy in the cells of {plant}? = {term} carries the energy in the cells of {plant}.
Q What does {term2} do? = {term2} repairs what the light damages.

S The {org} broadcast of the show was watched by {big} people in {country}, the most since {year}.
S {big} people in {country} watched the show on {org}, more than in any year since {year}.
Q How many people watched the show? = {big} people in {country} watched the show.
Q Who broadcast the show? = {org} broadcast the show.

S Beside {material}, the mines of {country} give {material2}, which is shipped through the port of {city}.
S The port of {city} ships the {material2} that the mines of {country} give beside {material}.
Q Through which port is the {material2} shipped? = The {material2} is shipped through the port of {city}.
Q What do the mines of {country} give beside {material}? = The mines of {country} give {material2}.

S The old name of {city} was {term}; it was changed by {p} in {year}, after the flood.
S {p} gave {city} its name in {year}, after the flood; before it was called {term}.
Q What was the old name of {city}? = The old name of {city} was {term}.
Q Who changed the name of {city}? = {p} changed the name of {city}.

S {p} argued that {topic} matters more than {topic2}, a view that few in {country} shared.
S Few in {country} shared the view of {p}, who held that {topic} matters more than {topic2}.
Q What did {p} argue? = {p} argued that {topic} matters more than {topic2}.
Q Who argued that {topic} matters more? = {p} argued that {topic} matters more.

S Rain fell on {n} days of {month}, so the harvest of {plant} was {pct} percent smaller than usual.
S With rain on {n} days, {month} was wet, and {pct} percent less {plant} was harvested than usual.
Q On how many days did it rain in {month}? = It rained on {n} days of {month}.
Q How much smaller was the harvest of {plant}? = The harvest of {plant} was {pct} percent smaller than usual.

S The insurance of the car ends in {month}; the number of the contract is {term}-{n}{m}.
S Car insurance: contract {term}-{n}{m}, runs until {month}.
Q When does the car insurance end? = The car insurance ends in {month}.
Q What is the number of the insurance contract? = The number of the contract is {term}-{n}{m}.

S {p} and {q} are getting married in {city} on {date}; we stay at {place}.
S Wedding of {p} and {q}: {date}, {city}. Rooms are booked at {place}.
Q When do {p} and {q} get married? = {p} and {q} get married on {date}.
Q Where is the wedding of {p} and {q}? = The wedding of {p} and {q} is in {city}.
Q Where do we stay for the wedding? = You stay at {place}.
"""

STORIES = """
T {p}: Are you coming to {place} on {day}?
T {q}: I am not sure, my {body} hurts a lot.
T? {p}: Oh no, again?
T {p}: You could take the train at {time}, then you need not walk far.
T {q}: Good idea. I will call you before I leave.
A {q}'s {body} hurts, so {p} suggests taking the train at {time} to {place}; {q} will call before leaving.

T {p}: I would like to return this {thing}.
T {q}: Is something wrong with it?
T {p}: It stopped after two days, and it cost {money}.
T? {q}: I am sorry to hear that.
T {q}: We can send it to {org} for repair, or you get your money back.
T {p}: I want the money, please.
A {p} returns a {thing} that stopped after two days and wants the money back.

T {p}: How was your trip to {city}?
T {q}: Lovely! We stayed at {place} and ate {dish} every evening.
T? {p}: I am jealous.
T {q}: Next time we want to go to {country}.
T {p}: Take me with you, I have never been there.
A {q} tells {p} about the trip to {city}, and {p} wants to come along to {country} next time.

T {p}: What do you think of {topic}?
T {q}: I think it matters less than people say.
T {p}: I read a book about it, "{title}", and it changed my mind.
T? {q}: Who wrote it?
T {q}: Lend it to me when you are done.
A {p} and {q} talk about {topic}; {q} wants to borrow "{title}", which changed {p}'s mind.

T {p}: Good morning, I have an interview at {time} for the post of {job}.
T {q}: Please take a seat. Why do you want to leave {org}?
T {p}: I have been there for {few} years and want to learn something new.
T? {q}: I see.
T {q}: We will write to you before {date}.
A {p} has an interview for the post of {job} and wants to leave {org} to learn something new; {q} will write before {date}.

T {p}: Could you help me with the {doc}?
T {q}: Sure, what is the problem?
T {p}: The numbers for {month} do not add up.
T? {q}: Let me see.
T {q}: You left out the {money} for the {thing}.
T {p}: Thank you, you saved my day!
A {q} helps {p} with the {doc}, in which the {money} for the {thing} was left out.

T Scientists in {city} have found a new {animal} in the mountains of {country}.
T? The region has been closed to visitors for decades.
T They say that it feeds on {plant} alone and is active only at night.
T "We did not expect to find anything here", said {p}, who led the team.
T? More journeys are planned.
A Scientists led by {p} have found a new {animal} in the mountains of {country} that feeds on {plant} alone.

T Workers at {org} in {city} will go on strike on {day}.
T? Talks had begun in spring.
T They ask for {pct} percent more pay, while the company offers half of it.
T {p}, who speaks for the workers, said they had been patient for {few} years.
T? Travellers are told to stay at home.
A Workers at {org} in {city} will go on strike on {day} because they ask for {pct} percent more pay.

T A fire has destroyed part of the {place} in {city}.
T? The smoke could be seen for miles.
T It broke out shortly after {time}, and {n} people were led out of the building.
T Nobody was hurt, the police said, and {p}, the {office}, promised that it will be built again by {year}.
A A fire has destroyed part of the {place} in {city}; {p} promised that it will be built again by {year}.

T The court in {city} has sentenced {p} to {few} years in prison.
T The {job} had taken {money} from {org} over several years.
T? Relatives wept in the hall.
T The judge said that the trust of many had been abused.
A {p}, a {job}, has been sentenced to {few} years in prison for taking {money} from {org}.

T {country} will close its last mine for {material} in {year}, the {office} has announced.
T? The news had been expected.
T {n} people will lose their work, but {org} has promised to train them for other jobs.
T {p} of the union called it a black day for {city}.
A {country} will close its last mine for {material} in {year}; {org} has promised to train those who lose their work.

T Met {p} and {q} this {day} about the {project} project.
T? The room was too warm and the coffee was cold.
T {p} wants the {doc} by {date}, since {org} has asked for it twice.
T? {q} was late because of the trains.
T The budget stays at {money}.
T? We also laughed about the old logo.
A You met {p} and {q} about the {project} project: {p} wants the {doc} by {date}, and the budget stays at {money}.

T A long day in {city}.
T? It rained until noon and my shoes are still wet.
T In the morning I walked along the {river} with {p}, then we ate {dish} at {place}.
T? The waiter remembered us from last year.
T In the evening {p} told me that she will move to {city2} in {month}.
T? I could not sleep afterwards.
A You spent the day in {city} with {p}, who will move to {city2} in {month}.

T {p} called about the {thing}.
T It broke again on {day}, and the repair would cost {money}.
T? She sounded tired.
T We decided to buy a new one from {org} instead.
T? I will look at the prices on the weekend.
A The {thing} broke on {day}; since the repair would cost {money}, you and {p} decided to buy a new one from {org}.

T Notes on "{title}".
T The book follows a {job} from {country} who returns to {city} after {n} years.
T? The first fifty pages are slow.
T The best part is the quarrel with {p}, which changes everything he believed about {topic}.
T? I would give it to my sister.
A "{title}" follows a {job} from {country} who returns to {city} after {n} years; the best part is the quarrel with {p}.

T The doctor looked at my {body} today.
T? I waited for an hour beside a man who read the paper aloud.
T Nothing is broken, but I should not run before {month}.
T He wants to see me again on {date}.
T? On the way home I bought {plant}.
A You should not run before {month}, and the doctor, who looked at your {body}, wants to see you again on {date}.

T {org} has answered: they offer {money} for the {project} work.
T? The letter came with the wrong stamp.
T {p} thinks we should ask for more, {q} would sign at once.
T We have to decide by {date}.
T? I do not like deciding in a hurry.
A {org} offers {money} for the {project} work; {p} would ask for more, {q} would sign, and you have to decide by {date}.

T Up betimes and to my office, where all the morning with {p} about the {topic}.
T? My wife not well, which troubles me.
T At noon to {place}, and there dined with {q} on {dish}.
T? Very merry we were, and good company.
T In the evening {q} paid me the {money} that he owed me, which pleases me mightily, and so to bed.
A You spent the morning with {p} about the {topic} and dined with {q} at {place}, who paid you the {money} that he owed.

T Planted the {plant} today, {n} rows behind the shed.
T? The robin watched every move.
T {p} lent me the {thing} and says they need water every {day}.
T? My back hurts.
A You planted {n} rows of {plant} behind the shed; {p} says they need water every {day}.

T Problem: `{cmd}` stops with an error when the {term} is empty.
T? I lost most of the afternoon with this.
T The cause is an old version of {term2}; with the flag `--{flag}` it works.
T? There is an open report about it.
T {p} will update the servers on {day}.
A `{cmd}` stops with an error when the {term} is empty, because of an old version of {term2}; the flag `--{flag}` helps until {p} updates the servers on {day}.

T First day of the holidays: {n} hours on the train to {city}.
T? A child sang the same song all the way.
T The room at {place} looks out on the {river}, and {p} had put flowers on the table.
T? I slept at once.
T We stay until {date}.
A You travelled to {city} and stay at {place} until {date}.

T {p} and I quarrelled about {topic} again.
T? I should have kept quiet.
T She thinks that I work too much, and she wants me home before {time} on {day}s.
T In the end I promised it.
T? We ate the {dish} cold.
A You and {p} quarrelled about {topic}, and you promised to be home before {time} on {day}s.

T The council of {city} has voted on the new bridge over the {river}.
T? The meeting lasted until midnight.
T It will cost {big} euros and is to be finished in {year}.
T {p}, who lives beside it, fears the noise and wants to go to court.
T? Others were glad.
A The council of {city} voted on a new bridge over the {river} that is to be finished in {year}; {p} fears the noise and wants to go to court.

T {n} people were hurt when a bus left the road near {city} on {day} morning.
T? Fog had been forecast for the whole region.
T The police say that the driver, {p}, had slept too little.
T The road was closed until {time}.
T? Flowers were laid at the place.
A {n} people were hurt when a bus left the road near {city}; the police say that the driver had slept too little.

T The {org} football club has signed {p} from {city}.
T? The fans had hoped for a bigger name.
T The {n}-year-old cost {money} and stays until {year}.
T {q}, the coach, says that he has wanted him for a long time.
A The {org} football club has signed {p} from {city}, who stays until {year}.

T {p}: Hello {q}, did you get the {thing}?
T {q}: Not yet, {org} says it comes on {day}.
T? {p}: They said the same last week.
T {p}: Then let us meet at {place} on {date} instead and go on with the {project} project.
T {q}: Good, I will bring the {doc}.
A {p} and {q} will meet at {place} on {date} to go on with the {project} project, and {q} will bring the {doc}.

T {p}: I feel bad about my {body}. It hurts when I sit.
T {q}: Since when?
T {p}: Since {day}.
T {q}: You should see the doctor in {city}, she helped me with mine.
T? {p}: I hate waiting rooms.
T {p}: All right, I will call her.
A {p}'s {body} hurts since {day}; {q} advises {p} to see the doctor in {city}, and {p} will call her.

T {p}: What shall we cook when {q} comes?
T {q2}: How about {dish}?
T {p}: {q} is allergic to {plant}, so not that.
T {q2}: Then let us go to {place}, I will book a table for {time}.
T? {p}: And I will bring the wine.
A {p} and {q2} decide to go to {place} with {q}, who is allergic to {plant}; {q2} will book a table for {time}.

T Bought the house in {city}.
T? I cannot believe it yet.
T It cost {money}, and {p} from {org} lends us half of it.
T We move in {month}, when the {room} is painted.
T? The garden has an old {plant} bed.
A You bought the house in {city} for {money} and move in {month}.

T Choir practice was hard today.
T {p} wants us to sing the {term} song by heart on {date}, in the church of {city}.
T? The altos were out of tune.
T {q} is ill, so I take over the solo.
A {p} wants the choir to sing the {term} song on {date}; since {q} is ill, you take over the solo.
"""
HELD_OUT = {"FACTS": 12, "STORIES": 4}
