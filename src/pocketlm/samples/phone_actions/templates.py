"""Templates for the training rows, one a line.

{slot} is filled from values.py. [argument:value<wording] marks a part whose
value differs from its wording. (+wording) and (-wording) mark on=true and
on=false. A leading "@" marks an imperative that may get an opening such as
"could you" and may be one half of a two-call request.
"""

TEMPLATES = {
    "set_alarm": """
@set an alarm for {time}
@set an alarm for {time} {day}
@set the alarm to {time} {day}
@set my alarm for {time} {dayn}
@wake me up at {time}
@wake me up at {time} {day}
@wake me at {time} {day}
@wake me {day} at {time}
@get me up at {time}
@get me out of bed at {time} {day}
@put an alarm on for {time}
@create an alarm for {time} called {label}
@set an alarm called {label} for {time}
@set a {label} alarm for {time}
@set a {label} alarm for {time} {day}
@make an alarm at {time} and call it {label}
@set an alarm at {time} labeled {label}
@set an alarm for {time} {day} with the label {label}
@schedule an alarm for {time} {day}
@schedule a wake-up alarm {day} at {time}
@add an alarm at {time} for {label}
@add a new alarm, {time}, label {label}
@ring me at {time}
@sound the alarm at {time} {day}
@arrange a wake-up call for {time}
alarm for {time}
alarm {time} {dayn}
alarm at {time} for {label}
{time} alarm please
new alarm: {time}, {dayn}
I need an alarm at {time} {day}
I need to wake up at {time} {day}
I have to be up by {time}
I want to get up at {time} {day}
I'd like an alarm for {time}, name it {label}
can I get an alarm for {time} {day}?
{dayn} I have to get up at {time}, set an alarm
I can't oversleep, wake me at {time}
make sure I'm awake at {time} {day}
don't let me sleep past {time}
alarm called {label}, {time} {dayn}
for {dayn}, set an alarm at {time}
@set an alarm for {label} at {time}
@get me up at {time} for {label}
@wake me {day} at {time} for {label}
would you mind waking me at {time} {day}?
need an alarm {dayn} at {time}
I've got a busy morning, set my alarm for {time}
""",
    "set_timer": """
@set a timer for {dur}
@set a timer of {dur}
@set a {dur1} timer
@start a {dur1} timer
@start a timer for {dur}
@start the timer, {dur}
@put on a timer for {dur}
@put {dur} on the timer
@put {dur} on the clock
@count down {dur}
@count down from {dur}
@start a countdown of {dur}
@start a {dur1} countdown
@give me {dur} on the timer
@give me a timer for {dur}
@give me a {dur1} timer
@time me for {dur}
@time {dur}
@create a timer for {dur}
@run a timer for {dur}
@make the timer {dur}
@let me know when {dur} are up
@tell me when {dur} have passed
@beep in {dur}
@set the kitchen timer to {dur}
timer {dur}
timer for {dur}
{dur1} timer
{dur} on the timer please
countdown {dur}
new timer, {dur}
I need a timer for {dur}
I need a {dur1} timer
I want a countdown of {dur}
I'd like a timer set for {dur}
the eggs need {dur}, start a timer
the pasta takes {dur}, set a timer
can I have a {dur1} timer?
how about a timer for {dur}?
it has to bake for {dur}, set a timer
I'm taking a nap, time {dur}
would you mind timing {dur}?
need {dur} on the timer
the soup has to cook for {dur}, please time it
""",
    "send_message": """
@text {contact} {text}
@text {contact} that {text}
@text {contact} and say {text}
@text {contact}: {text}
@text {contact} saying {text}
@tell {contact} {text}
@tell {contact} that {text}
@tell {contact} {text}
@message {contact} that {text}
@message {contact} {text}
@message {contact} saying {text}
@send a message to {contact} saying {text}
@send a message to {contact}: {text}
@send {contact} a message that says {text}
@send {contact} a text: {text}
@send a text to {contact} saying {text}
@send "{text}" to {contact}
@send {contact} this message: {text}
@let {contact} know {text}
@let {contact} know that {text}
@write to {contact} that {text}
@write {contact} a message: {text}
@drop {contact} a line saying {text}
@shoot {contact} a text saying {text}
@reply to {contact} with {text}
@inform {contact} that {text}
@say {text} to {contact}
@send a [app:whatsapp<WhatsApp] to {contact} saying {text}
@[app:whatsapp<WhatsApp] {contact} that {text}
@[app:whatsapp<whatsapp] {contact} {text}
@message {contact} on [app:whatsapp<WhatsApp] that {text}
@send a [app:whatsapp<WhatsApp message] to {contact}: {text}
@use [app:whatsapp<WhatsApp] to tell {contact} {text}
@[app:email<email] {contact} that {text}
@[app:email<email] {contact} saying {text}
@send an [app:email<email] to {contact}: {text}
@send {contact} an [app:email<email] that says {text}
@write an [app:email<email] to {contact} saying {text}
@send an [app:sms<SMS] to {contact} saying {text}
@send {contact} an [app:sms<sms]: {text}
@tell {contact} by [app:sms<sms] that {text}
@text {contact} "{text}"
message for {contact}: {text}
text to {contact}: {text}
[app:email<email] to {contact}: {text}
I need to tell {contact} that {text}
I want to text {contact} that {text}
@text {contact} and tell them {text}
would you mind telling {contact} that {text}?
I'd like {contact} to get this message: {text}
@send word to {contact} that {text}
""",
    "call_contact": """
@call {contact}
@call {contact} now
@call {contact} for me
@call {contact} [speaker:true<on speaker]
@call {contact} [speaker:true<on speakerphone]
@call {contact} [speaker:true<with the speaker on]
@call {contact} with [speaker:false<the speaker off]
@call {contact} but [speaker:false<not on speaker]
@call up {contact}
@call {contact} back
@phone {contact}
@phone {contact} [speaker:true<on speaker]
@ring {contact}
@ring up {contact}
@dial {contact}
@dial {contact} [speaker:true<on loudspeaker]
@dial {contact}, [speaker:false<no speaker]
@give {contact} a call
@give {contact} a ring
@give {contact} a call [speaker:true<on speaker]
@get {contact} on the phone
@get {contact} on the line
@make a call to {contact}
@place a call to {contact}
@place a call to {contact} [speaker:true<on speaker]
@start a call with {contact}
@start a phone call with {contact}, [speaker:true<speaker on]
@put me through to {contact}
@connect me to {contact}
@put {contact} [speaker:true<on speaker], call now
@try calling {contact}
@use [speaker:true<the speaker] and call {contact}
I need to speak to {contact}, call now
I need to call {contact}
I want to talk to {contact}
I'd like to call {contact} [speaker:true<on speaker]
I have to phone {contact}
can I talk to {contact} on the phone?
let's call {contact}
let's ring {contact} [speaker:true<on speaker]
let me talk to {contact}
phone call to {contact}
{contact}, call now please
time to call {contact}
would you mind calling {contact}?
would you mind phoning {contact} [speaker:true<on speaker]?
I said I'd call {contact}, please dial
need to talk to {contact}, call please
@call {contact} and [speaker:false<leave the speaker off]
@dial the number of {contact}
""",
    "create_event": """
@add {event} to my calendar {dayfor}
@add {event} to my calendar {dayfor} at {time}
@add {event} to the calendar, {dayn} at {time}
@put {event} on my calendar {dayfor}
@put {event} on my calendar {dayfor} at {time}
@put {event} in the calendar for {dayn}
@put {event} in my diary for {dayn} at {time}
@schedule {event} {dayfor}
@schedule {event} {dayfor} at {time}
@schedule {event} {day} at {time} at {venue}
@schedule {event} for {dayn} at {venue}
@create an event called {eventn} {day}
@create an event {day} at {time}: {event}
@create an event for {event} {day} at {time}
@create a calendar entry for {event} {day}
@make an appointment for {dayn} at {time}: {event}
@make a calendar event: {event}, {dayn}, {time}
@plan {event} {dayfor}
@plan {event} at {venue} {day}
@plan {event} {dayfor} at {time}
@book {event} into my calendar {dayfor}
@book {event} in my calendar {day} at {time}
@pencil in {event} {dayfor}
@pencil in {event} {dayfor} at {time}
@enter {event} in my calendar, {dayn} at {time}
@note {event} in my calendar {dayfor}
@set up an event {day}: {event}
@save the date {dayn} for {event}
@block {dayn} for {event}
@mark {dayn} in my calendar for {event}
new event: {event} {day} at {time}
new event {dayn}, {event}, {venue}
calendar: {event}, {dayn}, {time}
calendar entry {dayn} {time} {event}
I have {event} {day}, add it to my calendar
I have {event} {day} at {time}, put it in the calendar
we're having {event} {day} at {venue}, add that to the calendar
{event} is {day} at {time}, put it on my calendar
{event} is at {venue} {day}, add it to the calendar
I need {event} on my calendar for {dayn}
there's {event} {day} at {time} at {venue}, please schedule it
can you put {event} down for {dayn}?
would you mind adding {event} to my calendar {dayfor}?
my calendar needs {event} {day}
""",
    "add_reminder": """
@remind me to {task}
@remind me to {task} {when}
@remind me to {task} {when}
@remind me to {task} {when}
@remind me {when} to {task}
@remind me {when} to {task}
@remind me about {thing}
@remind me about {thing} {when}
@remind me of {thing} {when}
@remind me {when} about {thing}
{when} remind me to {task}
{when}, remind me to {task}
@set a reminder to {task}
@set a reminder to {task} {when}
@set a reminder {when} to {task}
@set a reminder for {thing}
@set a reminder about {thing} {when}
@add a reminder to {task}
@add a reminder to {task} {when}
@add a reminder about {thing}
@create a reminder {when}: {task}
@create a reminder to {task} {when}
@make a reminder to {task}
@make a note to {task} {when}
@give me a reminder {when} to {task}
@nudge me {when} to {task}
@ping me {when} to {task}
@tell me to {task} {when}
@don't let me forget to {task}
@don't let me forget to {task} {when}
@don't let me forget {thing}
@help me remember to {task}
@help me remember {thing} {when}
reminder: {task}
reminder: {task}, {when}
reminder {when}: {task}
reminder to {task} {when}
I need to {task} {when}, remind me
I have to remember to {task} {when}
I need a reminder to {task} {when}
I must not forget to {task}
I keep forgetting to {task}, remind me {when}
I always forget {thing}, remind me {when}
can I get a reminder to {task} {when}?
@remind me {when} that I must {task}
@remind me that I need to {task}
@remind me that I need to {task} {when}
I want a reminder {when} that I have to {task}
{when} I need to {task}, remind me please
would you mind reminding me to {task}?
""",
    "play_music": """
@play {song}
@play {song} by {artist}
@play {song} by {artist}
@play the song {song}
@play the track {song} by {artist}
@play the song {song} from {artist}
@play something by {artist}
@play something from {artist}
@play some {artist}
@play songs by {artist}
@play music by {artist}
@play anything by {artist}
@play a song by {artist}
@play some music by {artist}
@play my {playlist} playlist
@play the {playlist} playlist
@play my playlist {playlist}
@play the playlist called {playlist}
@play some music
@play music
@put on {song}
@put on {song} by {artist}
@put on some {artist}
@put on the {playlist} playlist
@put on my {playlist} playlist
@put some music on
@start my {playlist} playlist
@start the playlist {playlist}
@start playing {song}
@start playing {artist}'s {song}
@shuffle my {playlist} playlist
@shuffle songs by {artist}
@queue {song} by {artist}
@turn on the {playlist} playlist
@let me hear {song} by {artist}
@let me hear something by {artist}
I want to hear {song}
I want to hear {song} by {artist}
I want to listen to {artist}'s songs
I'd like to listen to the {playlist} playlist
I feel like listening to some {artist}
I'm in the mood for some {artist}
can we listen to {song}?
can we have my {playlist} playlist on?
let's listen to {song} by {artist}
let's hear the {playlist} playlist
how about some {artist}?
how about the song {song}?
{playlist} playlist please
{song} by {artist} please
music please
would you mind playing {song}?
would you mind putting on the {playlist} playlist?
@play me {song} by {artist}
we want some {artist} on
@change to the {playlist} playlist
""",
    "navigate": """
@navigate to {place}
@navigate me to {place}
@take me to {place}
@take me to {place} [mode:transit<by bus]
@take me to {place} [mode:walking<on foot]
@guide me to {place}
@guide me to {place} [mode:walking<on foot]
@get directions to {place}
@get me to {place}
@get me to {place} [mode:transit<by train]
@get me [mode:cycling<cycling] directions to {place}
@get [mode:driving<driving] directions to {place}
@give me directions to {place}
@give me [mode:walking<walking] directions to {place}
@give me the [mode:driving<driving] route to {place}
@give me the [mode:cycling<bike] route to {place}
@show me the way to {place}
@show me how to get to {place}
@show me how to get to {place} [mode:transit<by public transport]
@show me the [mode:walking<walking] route to {place}
@show [mode:transit<transit] directions to {place}
@find the way to {place}
@find a [mode:cycling<cycling] route to {place}
@find a [mode:transit<bus] route to {place}
@find me the fastest way to {place} [mode:driving<by car]
@plan a route to {place}
@plan a [mode:cycling<bike] ride to {place}
@plan the [mode:driving<drive] to {place}
@start navigation to {place}
@start navigating to {place} [mode:driving<by car]
@map a route to {place}
@lead me to {place}
@route me to {place} [mode:cycling<by bike]
directions to {place}
[mode:walking<walking] directions to {place}
[mode:transit<public transport] to {place}
route to {place} [mode:cycling<by bicycle]
how do I get to {place}?
how do I get to {place} [mode:transit<by subway]?
how do I [mode:walking<walk] to {place}?
how can I get to {place} [mode:cycling<on my bike]?
what's the best way to {place}?
what's the quickest way to {place} [mode:transit<by metro]?
which way is {place}?
I need to get to {place}
I need directions to {place}
I'm [mode:driving<driving] to {place}, show me the way
I want to [mode:walking<walk] to {place}
I want to [mode:cycling<cycle] to {place}
I want to go to {place} [mode:transit<by tram]
I'm lost, take me to {place}
let's [mode:driving<drive] to {place}
let's go to {place}
would you mind guiding me to {place}?
do you know how to get to {place}?
we're going to {place}, navigate there
I'm [mode:cycling<cycling] to {place}, guide me
what's the route to {place} [mode:walking<on foot]?
""",
    "set_brightness": """
@set the brightness to {pct}
@set brightness to {pct}
@set my brightness at {pct}
@set the screen brightness to {pct}
@set the screen to {pct} brightness
@set the display brightness to {pct}
@put the brightness at {pct}
@put the screen at {pct} brightness
@change the brightness to {pct}
@change the screen brightness to {pct}
@turn the brightness down to {pct}
@turn the brightness up to {pct}
@turn the screen brightness to {pct}
@turn the brightness [percent:100<all the way up]
@turn the brightness [percent:0<all the way down]
@turn down the screen to {pct}
@lower the brightness to {pct}
@lower the screen brightness to {pct}
@raise the brightness to {pct}
@reduce the brightness to {pct}
@increase screen brightness to {pct}
@dim the screen to {pct}
@dim the display to {pct}
@dim the screen to [percent:50<half]
@drop the brightness to {pct}
@bring the brightness to {pct}
@bring the screen brightness down to {pct}
@make the screen {pct} bright
@adjust the brightness to {pct}
@adjust my screen to {pct} brightness
@set the brightness to [percent:100<maximum]
@set the brightness to [percent:0<the minimum]
@put the screen brightness on [percent:100<max]
@brighten the screen to {pct}
brightness {pct}
brightness at {pct}
brightness to [percent:50<half]
screen brightness {pct}
screen at {pct} please
[percent:100<full] brightness please
{pct} brightness
I want the brightness at {pct}
I need the screen at {pct} brightness
I'd like the display at {pct}
the screen is too bright, set it to {pct}
the screen is too dark, go to {pct}
my eyes hurt, lower the brightness to {pct}
can I have the screen at {pct}?
would you mind dimming the screen to {pct}?
it should be {pct} brightness
I can't see the screen, brightness up to {pct}
""",
    "set_volume": """
@set the volume to {pct}
@set volume to {pct}
@set my volume at {pct}
@set the sound to {pct}
@set the media volume to {pct}
@set the speaker volume to {pct}
@put the volume at {pct}
@put the sound on {pct}
@change the volume to {pct}
@turn the volume down to {pct}
@turn the volume up to {pct}
@turn it up to {pct} volume
@turn it down to {pct} volume
@turn the sound up to {pct}
@turn the sound down to {pct}
@turn the volume [percent:100<all the way up]
@turn the volume [percent:0<all the way down]
@turn the music down to {pct}
@turn the music up to {pct}
@lower the volume to {pct}
@lower the sound to {pct}
@raise the volume to {pct}
@reduce the volume to {pct}
@increase the volume to {pct}
@drop the volume to {pct}
@bring the volume to {pct}
@bring the volume down to {pct}
@make the volume {pct}
@adjust the volume to {pct}
@crank the volume up to {pct}
@crank the volume to [percent:100<max]
@set the volume to [percent:100<maximum]
@set the volume to [percent:50<half]
@set the volume to [percent:0<zero]
volume {pct}
volume at {pct}
volume to [percent:50<half]
sound level {pct}
sound at {pct} please
[percent:100<full] volume please
{pct} volume
I want the volume at {pct}
I need the sound at {pct}
I'd like the volume at {pct}
it's too loud, set the volume to {pct}
it's too quiet, volume up to {pct}
I can't hear anything, turn it up to {pct}
can we have the volume at {pct}?
would you mind turning the volume down to {pct}?
the volume needs to be {pct}
my kid is asleep, volume down to {pct}
""",
    "switch": """
@(+turn on) {setting}
@(-turn off) {setting}
@turn {setting} (+on)
@turn {setting} (-off)
@(+switch on) {setting}
@(-switch off) {setting}
@switch {setting} (+on)
@switch {setting} (-off)
@(+enable) {setting}
@(-disable) {setting}
@(+activate) {setting}
@(-deactivate) {setting}
@(-kill) {setting}
@(-shut off) {setting}
@(-shut down) {setting}
@(+start) {setting}
@(-stop) {setting}
@put {setting} (+on)
@(+put on) {setting}
@get {setting} (+going)
@get {setting} (-off)
@(-cut) {setting}
@make sure {setting} is (+on)
@make sure {setting} is (-off)
@toggle {setting} (+on)
@toggle {setting} (-off)
{setting} (+on)
{setting} (-off)
{setting} (+on) please
{setting} (-off) please
I need {setting} (+on)
I need {setting} (-off)
I want {setting} (+enabled)
I want {setting} (-disabled)
I (-don't need) {setting} anymore
I (-no longer want) {setting}
I'd like {setting} to be (+on)
I'd like {setting} (-off)
(+use) {setting} now
can I have {setting} (+on)?
is it possible to (-turn off) {setting}?
let's (+turn on) {setting}
let's (-turn off) {setting}
please have {setting} (-turned off)
[on:true<go to] [setting:airplane_mode<airplane mode]
[on:false<leave] [setting:airplane_mode<flight mode]
I'm boarding, [on:true<switch to] [setting:airplane_mode<airplane mode]
it's dark, [on:true<turn on] [setting:flashlight<the flashlight]
I'm in a meeting, (+turn on) [setting:do_not_disturb<do not disturb]
[on:true<change to] [setting:dark_mode<dark mode]
[on:true<share my internet] with the [setting:hotspot<hotspot]
would you mind turning {setting} (-off)?
would you mind (+switching on) {setting}?
I'm home now, {setting} (+on) please
I'm done with {setting}, switch it (-off)
would prefer {setting} (+on)
@turn {setting} (-off) for now
""",
    "get_weather": """
what's the weather like?
what's the weather {wday}?
what's the weather in {city}?
what's the weather like in {city}?
what's the weather in {city} {wday}?
what's the weather like in {city} {wday}?
what will the weather be {wday}?
what will the weather be like {wday} in {city}?
what's the forecast for {city}?
what's the forecast for {dayn}?
what's the forecast in {city} for {dayn}?
what's the temperature in {city}?
what's the temperature outside?
what temperature will it be {wday}?
how's the weather?
how's the weather in {city}?
how is the weather {wday} in {city}?
how hot is it in {city}?
how cold will it be {wday}?
how warm will it get in {city} {wday}?
will it rain {wday}?
will it rain in {city} {wday}?
will it snow {wday}?
will it be sunny in {city} {wday}?
will it be windy {wday}?
is it going to rain {wday}?
is it going to rain in {city}?
is it raining in {city}?
is it cold in {city}?
is it warm in {city} {wday}?
do I need an umbrella {wday}?
do I need a jacket {wday}?
should I bring an umbrella {wday}?
should I pack a coat for {city}?
@check the weather in {city}
@check the weather for {dayn}
@show me the weather in {city}
@show me the forecast for {dayn}
@tell me the weather in {city} {wday}
@tell me the forecast for {city}
@give me the weather for {city} {wday}
@look up the weather in {city}
@get the forecast for {city} {wday}
weather in {city}
weather {city} {dayn}
weather {dayn}
forecast for {city}
forecast {dayn}
any rain in {city} {wday}?
any chance of snow in {city}?
I'm flying to {city} {wday}, what's the weather there?
I'm going to {city}, will it rain?
I wonder if it will rain {wday}
I want to know the weather in {city}
would you mind checking the weather in {city}?
we're camping {wday}, will it rain?
what's it like outside in {city}?
is a storm coming {wday}?
""",
    "add_to_list": """
@add {items} to my {list} list
@add {items} to the {list} list
@add {items} to my {list} list
@add {items} to the {list} list
@add {items} to the list called {list}
@add {items} on my {list} list
@put {items} on my {list} list
@put {items} on the {list} list
@put {items} on the list {list}
@put {items} down on my {list} list
@write {items} on the {list} list
@write down {items} on my {list} list
@include {items} in my {list} list
@include {items} on the {list} list
@stick {items} on the {list} list
@throw {items} on my {list} list
@note {items} on the {list} list
@save {items} to my {list} list
@append {items} to the {list} list
@get {items} onto the {list} list
@add to my {list} list: {items}
@add to the {list} list {items}
@put on the {list} list: {items}
@update my {list} list with {items}
@extend my {list} list with {items}
{list} list: {items}
{list} list: add {items}
my {list} list needs {items}
the {list} list is missing {items}
on my {list} list, put {items}
to the {list} list add {items}
for the {list} list: {items}
{items} on the {list} list please
{items} for my {list} list
I need {items} on my {list} list
I need {items} added to the {list} list
I want {items} on the {list} list
I'd like {items} on my {list} list
we're out of {itemn}, put it on the {list} list
we need {items}, add that to the {list} list
I forgot to put {items} on my {list} list
can {items} go on the {list} list?
would you mind adding {items} to my {list} list?
we ran low on {itemn}, add it to my {list} list
{items} should be on my {list} list
make sure {items} are on the {list} list
""",
    "open_app": """
@open {app}
@open {app}
@open {app} for me
@open the {appn} app
@open up {app}
@open my {appn} app
@open the app called {appn}
@launch {app}
@launch the {appn} app
@launch {app} now
@start {app}
@start the {appn} app
@start up {app}
@run {app}
@run the {appn} app
@bring up {app}
@bring up the {appn} app
@pull up {app}
@pull up the {appn} app
@load {app}
@load up {app}
@fire up {app}
@get {app} open
@get {app} up on the screen
@go to {app}
@go to the {appn} app
@switch to {app}
@switch over to the {appn} app
@show me {app}
@show me the {appn} app
@take me to the {appn} app
@jump to {app}
@boot up {app}
{app}, open it
{app} please
{appn} app please
opening {app} would be great
I want to use {app}
I want to open {app}
I need {app} open
I need the {appn} app
I need to check {app}, open it
I'd like to use the {appn} app
can I see {app}?
can we go to {app}?
let's open {app}
let's see {app}
time for {app}, open it
would you mind opening {app}?
would you mind pulling up the {appn} app?
@open {app} on the screen
I'd like to see {app}
""",
}

OPENINGS = """
please | could you | could you please | can you | can you please | would you | would you please | will you | hey, |
hi, | ok, | okay, | hey phone, | hey, can you | hi, could you | I need you to | I'd like you to | I want you to |
I'd love it if you could | do me a favor and | be so kind and | quickly | now | just | go ahead and | yes, |
um, can you | so, | right, | when you have a moment, | be a dear and | kindly | if you could, |
listen, | alright, | would it be possible to | is it ok to ask you to | you can | next,
"""
TAILS = """
please | thanks | thank you | for me | for me please | right away | now please | if you can |
ok | thanks a lot | cheers | when you can | if possible
"""
JOINERS = """
 and | , and | , then | and then | . Then | . Also | . Also, | , and also | and also | , and after that | . After that | ; and |
 plus | . And | , and please | . Oh and | , and when that's done
"""

NO_CALL = """
who wrote Romeo and Juliet?
what is the capital of Australia?
tell me a joke
tell me something funny
what's 15 times 12?
how much is 20 percent of 80?
what's the square root of 81?
how are you today?
what's your name?
are you a real person?
thank you so much
good night
you're the best
hello there
how tall is Mount Everest?
who won the world cup in 2014?
why is the sky blue?
how many ounces are in a pound?
translate good morning into Spanish
what does serendipity mean?
how do you spell necessary?
order a pizza with mushrooms
order me a taxi
book a table for two at Joe's Diner
book a flight to Paris
book a hotel room in Rome for Friday
delete all my photos
delete my last message to Ben
delete the shopping list
remove milk from the shopping list
clear my grocery list
cancel my alarm
cancel the 7 am alarm
turn off my alarm
stop the timer
pause the timer
how much time is left on my timer?
what time is my alarm set for?
snooze for ten minutes
what's on my calendar today?
what's on my calendar for Friday?
when is my next appointment?
move my dentist appointment to Monday
cancel lunch with Anna
read my messages
did Julia text me back?
show me my unread emails
who called me this morning?
hang up
answer the call
block this number
mute the call
what's Ben's phone number?
add Anna to my contacts
change Tom's number
stop the music
pause the song
skip this track
what song is this?
who sings Hotel California?
like this song
how old is Adele?
how far is it to Boston?
how long is the drive to the airport?
is the pharmacy open right now?
what time does the supermarket close?
find a good restaurant nearby
how's the traffic on the bridge?
stop navigation
where did I park the car?
what's my battery level?
how bright is my screen?
what's the volume right now?
is the wifi on?
what's the wifi password?
connect to the headphones
restart my phone
take a screenshot
take a selfie
record a video
lock the screen
change my ringtone
change the wallpaper
uninstall Facebook
install TikTok
update all my apps
close all apps
close Spotify
why does it snow?
what causes thunder?
what's the hottest place on earth?
I love rainy days
it was so cold yesterday
my alarm clock is broken
the timer on my oven doesn't work
my phone is so slow lately
the music at the party was great
my brother bought a new flashlight
I forgot my umbrella on the bus
the volume of a sphere confuses me
I called my mom this morning
we went to the beach on Saturday
I wrote Anna a long letter
my calendar is so full
the wifi at my office is terrible
I set the table already
we have too many lists
I never listen to the radio
that meeting was boring
my playlist got way too long
the screen has a crack
Uber is too expensive
I need a vacation
I'm so tired today
I'm bored
I don't know what to cook tonight
what should I wear to a wedding?
give me a recipe for pancakes
what's a good name for a cat?
write a poem about the sea
sing me a song
flip a coin
roll a die
pick a number between 1 and 10
convert 30 dollars to euros
how much is a Big Mac?
what's the price of gold?
how many calories are in an apple?
what day was June 3rd 1999?
what time is it in Tokyo?
what's today's date?
how many days until Christmas?
turn on the living room lights
turn off the TV
set the thermostat to 21 degrees
turn up the heating
open the garage door
lock the front door
open the window
start the dishwasher
vacuum the living room
pay my phone bill
send 50 dollars to Carlos
buy new headphones online
track my package
print this document
scan this receipt
find my keys
show my photos from Rome
search for cheap flights
who is the president of France?
how do magnets work?
what's the news today?
did the Yankees win last night?
recommend a good movie
what did you say?
never mind
forget it
no, that's all
what can you do?
can you hear me?
""".strip().splitlines()

# Two calls said in one breath: "||" starts the second call.
PAIRS = [
    line.split(" :: ")
    for line in """
switch+switch :: [on:false<turn off] {setting} and ||[on:false<]{setting}
switch+switch :: [on:true<turn on] {setting} and ||[on:true<]{setting}
switch+switch :: [on:false<]switch {setting} and ||{setting} [on:false<off]
switch+switch :: (+turn on) {setting} but ||(-turn off) {setting}
switch+switch :: {setting} (-off), ||{setting} (+on)
set_brightness+set_volume :: set the brightness to {pct} and ||the volume to {pct}
set_volume+set_brightness :: volume at {pct}, ||brightness at {pct}
set_volume+set_brightness :: turn the volume to {pct} and ||the brightness to {pct}
set_alarm+set_alarm :: set alarms for {time} and ||{time}
set_alarm+set_alarm :: wake me up at {time} and ||again at {time}
set_timer+set_timer :: set one timer for {dur} and ||another for {dur}
call_contact+call_contact :: call {contact} and then ||{contact}
get_weather+get_weather :: what's the weather in {city} and ||in {city}
open_app+open_app :: open {app} and ||{app}
navigate+send_message :: I'm leaving, take me to {place} and ||tell {contact} {text}
get_weather+set_alarm :: will it rain {wday}? ||Set an alarm for {time} too
add_to_list+add_to_list :: put {itemn} on the {list} list and ||{itemn} on the {list} list
""".strip().splitlines()
]
