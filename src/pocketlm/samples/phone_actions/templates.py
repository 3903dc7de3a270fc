"""Templates for the training rows, one a line.

{slot} is filled from values.py. [argument:value<wording] marks a part whose
value differs from its wording. (+wording) and (-wording) mark on=true and
on=false. A leading "@" marks an imperative that may get an opening such as
"could you" and may be one half of a two-call request.
"""

TEMPLATES = {
    "set_alarm": """
@set the alarm to {time} {day}
@set my alarm for {time} {dayn}
@wake me up at {time}
@get me out of bed at {time} {day}
@put an alarm on for {time}
@set an alarm called {label} for {time}
@set a {label} alarm for {time} {day}
@make an alarm at {time} and call it {label}
@set an alarm at {time} labeled {label}
@set an alarm for {time} {day} with the label {label}
@schedule a wake-up alarm {day} at {time}
@add a new alarm, {time}, label {label}
@ring me at {time}
@sound the alarm at {time} {day}
@arrange a wake-up call for {time}
alarm for {time}
{time} alarm please
new alarm: {time}, {dayn}
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
@get me up at {time} for {label}
@wake me {day} at {time} for {label}
would you mind waking me at {time} {day}?
need an alarm {dayn} at {time}
I've got a busy morning, set my alarm for {time}
I have a flight to catch {day}, set the alarm for {time}
{dayn} is a big day, wake me at {time}
@change nothing else, just set an alarm for {time} {day}
it's an early shift {day}, so wake me up at {time}
@put me down for an alarm at {time} {day}
the baby kept me up, let me sleep until {time}
I'd like to be woken {day} at {time}
my alarm should ring at {time} {day}
@name an alarm {label} and set it for {time}
@program an alarm for {time} {dayn}
@see that I'm up by {time} {day}
@let me sleep till {time} {day}
@have the phone wake me at {time} {day}
the alarm has to go off at {time} {day}
what about an alarm at {time} {day}?
do you think you can wake me {day} at {time}?
at {time} {day} I'd like the alarm to ring
for {label} I need an alarm at {time}
the {label} alarm should be at {time} {day}
I'm going to bed now, alarm at {time}
work starts early {day}, get me up at {time}
my train leaves early, I must be awake by {time}
I tend to oversleep, so ring at {time} {day}
one alarm for {time} please, named {label}
@give me an alarm {day}, {time}, called {label}
there should be an alarm at {time}, its name is {label}
@let an alarm sound at {time} for {label}
I have to leave the house early {day}, alarm {time}
""",
    "set_timer": """
@set a timer of {dur}
@set a {dur1} timer
@start the timer, {dur}
@put on a timer for {dur}
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
@run a timer for {dur}
@make the timer {dur}
@let me know when {dur} are up
@tell me when {dur} have passed
@beep in {dur}
@set the kitchen timer to {dur}
timer for {dur}
{dur1} timer
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
the rice is on, {dur} please
I'm doing a workout, set {dur} on the timer
@keep track of {dur}
wash cycle takes {dur}, start counting
a timer, please, for {dur}
@let a timer run, {dur}
I need to know when {dur} have gone by
the tea takes {dur}, keep the time
can the timer run for {dur}?
{dur} from now, let me know
the cake needs {dur} in the oven, set the timer
I'll soak the beans for {dur}, keep the time please
put the timer to {dur}, would you
@get a timer going, {dur}
break is over in {dur}, count it down
my mask stays on for {dur}, start a timer
how about {dur} on the clock?
@stop me after {dur}
we play for {dur}, timer please
@do a countdown, {dur}
a {dur1} countdown would help
I want to be told when {dur} are done
after {dur} the timer should ring
I only have {dur}, so start the timer
""",
    "send_message": """
@tell {contact} {text}
@message {contact} {text}
@message {contact} saying {text}
@send {contact} a message that says {text}
@send {contact} a text: {text}
@send a text to {contact} saying {text}
@send "{text}" to {contact}
@send {contact} this message: {text}
@let {contact} know {text}
@write to {contact} that {text}
@write {contact} a message: {text}
@drop {contact} a line saying {text}
@shoot {contact} a text saying {text}
@reply to {contact} with {text}
@inform {contact} that {text}
@say {text} to {contact}
@[app:whatsapp<WhatsApp] {contact} that {text}
@send a [app:whatsapp<WhatsApp message] to {contact}: {text}
@use [app:whatsapp<WhatsApp] to tell {contact} {text}
@[app:email<email] {contact} that {text}
@[app:email<email] {contact} saying {text}
@send {contact} an [app:email<email] that says {text}
@write an [app:email<email] to {contact} saying {text}
@send an [app:sms<SMS] to {contact} saying {text}
@send {contact} an [app:sms<sms]: {text}
@text {contact} "{text}"
text to {contact}: {text}
I need to tell {contact} that {text}
I want to text {contact} that {text}
@text {contact} and tell them {text}
would you mind telling {contact} that {text}?
I'd like {contact} to get this message: {text}
@get word to {contact} that {text}
@let {contact} know by [app:email<email] that {text}
@ping {contact} on [app:whatsapp<WhatsApp] saying {text}
@answer {contact} with {text}
[app:whatsapp<WhatsApp] message for {contact}: {text}
@drop {contact} an [app:sms<SMS] saying {text}
I promised {contact} an answer, write {text}
{contact} should know that {text}, send a message
@write a text to {contact} that says {text}
the message is for {contact}: {text}
@put it in an [app:email<email] to {contact}: {text}
can {contact} be told that {text}?
a message to {contact} please: {text}
tell {contact} the following: {text}
I'd like to let {contact} know that {text}
please inform {contact} by [app:sms<SMS] that {text}
@message {contact} right now: {text}
over [app:whatsapp<WhatsApp], tell {contact} {text}
use [app:email<email] and tell {contact} that {text}
I want {contact} to know {text}
an [app:sms<SMS] for {contact}, {text}
@text back {contact} and say {text}
@write {contact} on [app:whatsapp<whatsapp]: {text}
@send {contact} the news that {text}
@send this to {contact} by [app:email<email]: {text}
could {contact} get a text saying {text}?
I'm late with my answer to {contact}, write that {text}
if you text {contact}, say {text}
@reply to {contact} on [app:whatsapp<WhatsApp] that {text}
@text {contact} so they know {text}
@give {contact} a message, say {text}
@write to {contact} and let them know that {text}
""",
    "call_contact": """
@call {contact} for me
@call {contact} [speaker:true<on speakerphone]
@call {contact} but [speaker:false<not on speaker]
@call up {contact}
@call {contact} back
@phone {contact}
@ring {contact}
@ring up {contact}
@dial {contact}
@dial {contact} [speaker:true<on loudspeaker]
@dial {contact}, [speaker:false<no speaker]
@give {contact} a ring
@give {contact} a call [speaker:true<on speaker]
@get {contact} on the line
@make a call to {contact}
@start a call with {contact}
@start a phone call with {contact}, [speaker:true<speaker on]
@put me through to {contact}
@connect me to {contact}
@put {contact} [speaker:true<on speaker], call now
@try calling {contact}
@use [speaker:true<the speaker] and call {contact}
I need to speak to {contact}, call now
I want to talk to {contact}
I'd like to call {contact} [speaker:true<on speaker]
I have to phone {contact}
can I talk to {contact} on the phone?
let's call {contact}
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
I haven't heard from {contact} in ages, make a call
{contact} is waiting, please call
@see if you can get {contact} on the phone
@get me {contact} [speaker:true<on speaker]
is it possible to ring {contact} now?
I missed {contact}, ring back
my hands are wet, call {contact} [speaker:true<on loudspeaker]
@dial {contact} and keep [speaker:false<the speaker off]
can you reach {contact} for me?
{contact} wants to hear from me, start a call
is {contact} available? call and see
I owe {contact} a call, do it now
my next call is {contact}
@have a call set up with {contact}
it's {contact}'s birthday, please ring
@get hold of {contact} by phone
we should speak with {contact}, dial please
who's there? just call {contact}
I'd rather talk than write, call {contact}
@phone {contact} and put it [speaker:true<on speaker]
so I have my hands free, ring {contact} [speaker:true<on speaker]
call {contact}, [speaker:false<speaker off]
everyone wants to listen, call {contact} [speaker:true<with the speaker on]
@call {contact} but [speaker:false<without the speaker]
@ring {contact} and [speaker:true<turn the speaker on]
""",
    "create_event": """
@add {event} to my calendar {dayfor}
@add {event} to the calendar, {dayn} at {time}
@put {event} on my calendar {dayfor}
@put {event} in the calendar for {dayn}
@put {event} in my diary for {dayn} at {time}
@schedule {event} {dayfor}
@schedule {event} for {dayn} at {venue}
@create an event called {eventn} {day}
@create an event {day} at {time}: {event}
@create a calendar entry for {event} {day}
@make an appointment for {dayn} at {time}: {event}
@make a calendar event: {event}, {dayn}, {time}
@plan {event} {dayfor}
@plan {event} at {venue} {day}
@plan {event} {dayfor} at {time}
@book {event} into my calendar {dayfor}
@book {event} in my calendar {day} at {time}
@pencil in {event} {dayfor}
@enter {event} in my calendar, {dayn} at {time}
@note {event} in my calendar {dayfor}
@set up an event {day}: {event}
@save the date {dayn} for {event}
@block {dayn} for {event}
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
don't let {dayn} fill up, {event} goes in the calendar
{dayn} at {time} is {event}, note that in my calendar
@reserve {dayn} in my calendar for {event}
@put down {event} at {venue} for {dayn} at {time}
my schedule for {dayn} should say {event}
we agreed on {event} {day}, please put it in
@add {event} at {venue} to my agenda for {dayn}
{event} got moved to {venue}, schedule it for {dayn} at {time}
I'm invited to {event} {day}, save it in my calendar
mark my calendar: {event}, {dayn}
{day} we'll have {event} at {venue}, put it down
could {event} be put on the calendar for {dayn}?
there will be {event} at {venue} {day}, make an entry
my calendar should have {event} {day} at {time}
@make room for {event} {day} at {time}
let's do {event} {day}, add it to the calendar
{dayn}: {event} at {time}, into the calendar please
@set {event} for {dayn} at {time}
they moved {event} to {dayn}, please enter it
new appointment, {event}, {dayn} at {time}
@file {event} under {dayn} in my calendar
I'd like {event} in my diary {day} at {time}
{event} takes place {day}, please note it down in my calendar
@schedule {time} {day} for {event}
""",
    "add_reminder": """
@remind me to {task}
@remind me {when} to {task}
@remind me about {thing}
@remind me of {thing} {when}
@set a reminder to {task}
@set a reminder {when} to {task}
@set a reminder for {thing}
@set a reminder about {thing} {when}
@add a reminder to {task}
@add a reminder about {thing}
@create a reminder {when}: {task}
@create a reminder to {task} {when}
@make a reminder to {task}
@make a note to {task} {when}
@give me a reminder {when} to {task}
@nudge me {when} to {task}
@ping me {when} to {task}
@tell me to {task} {when}
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
I want a reminder {when} that I have to {task}
{when} I need to {task}, remind me please
would you mind reminding me to {task}?
I'll forget it otherwise, remind me to {task}
in case I forget, {when} I have to {task}, remind me
@leave me a reminder to {task}
a reminder {when} to {task} please
it slips my mind every time, remind me to {task} {when}
@remind me once more {when} to {task}
my memory is bad, so remind me about {thing}
someone has to {task} {when}, remind me please
can you remind me to {task} {when}?
{when} is when I have to {task}, remind me
what I can't forget is to {task}, set a reminder
I'd appreciate a reminder about {thing}
let there be a reminder {when}: {task}
@keep reminding me to {task}
my to-do for later is to {task}, remind me {when}
I still have to {task}, please remind me
@make sure I remember to {task} {when}
if I don't get a reminder I won't {task}
about {thing}: remind me {when}
@save a reminder for {when}, {task}
{thing}, remind me about that {when}
@wake my memory {when}: {task}
I was going to {task}, a reminder {when} would help
""",
    "play_music": """
@play {song}
@play the track {song} by {artist}
@play the song {song} from {artist}
@play something by {artist}
@play something from {artist}
@play anything by {artist}
@play a song by {artist}
@play my playlist {playlist}
@play some music
@play music
@put on {song}
@put on my {playlist} playlist
@put some music on
@start the playlist {playlist}
@start playing {song}
@start playing {artist}'s {song}
@shuffle songs by {artist}
@let me hear something by {artist}
I want to hear {song}
I want to listen to {artist}'s songs
I'd like to listen to the {playlist} playlist
I feel like listening to some {artist}
I'm in the mood for some {artist}
can we listen to {song}?
can we have my {playlist} playlist on?
let's listen to {song} by {artist}
let's hear the {playlist} playlist
how about the song {song}?
music please
would you mind playing {song}?
would you mind putting on the {playlist} playlist?
we want some {artist} on
it's too quiet, play {song}
the party needs music, put on some {artist}
@find {song} by {artist} and play it
@get {artist} playing
I can't stop thinking of {song}, play it
my favorite is {song} by {artist}, play that
songs by {artist} would be nice now
dinner is ready, start the {playlist} playlist
@blast some {artist}
@give us {song}
I haven't heard {artist} in a while, play something
do you know {song} by {artist}? play it
what about some {artist}?
time for the {playlist} playlist
could I hear {song}?
we'd love to hear something by {artist}
I'm working out, {playlist} playlist please
this calls for {song} by {artist}
the kids want {song}
@switch the music to {artist}
@go with my {playlist} playlist
@throw on {song} by {artist}
@cue up the {playlist} playlist
@make it {artist} tonight
@run the playlist called {playlist}
the song {song}, please play it
{artist} please, any song
can you find the track {song} and start it?
let some {artist} play
""",
    "navigate": """
@navigate to {place}
@get me to {place} [mode:transit<by train]
@get me [mode:cycling<cycling] directions to {place}
@get [mode:driving<driving] directions to {place}
@give me directions to {place}
@give me the [mode:driving<driving] route to {place}
@show me how to get to {place} [mode:transit<by public transport]
@show [mode:transit<transit] directions to {place}
@find a [mode:transit<bus] route to {place}
@find me the fastest way to {place} [mode:driving<by car]
@plan a [mode:cycling<bike] ride to {place}
@start navigation to {place}
@start navigating to {place} [mode:driving<by car]
@map a route to {place}
@route me to {place} [mode:cycling<by bike]
[mode:walking<walking] directions to {place}
[mode:transit<public transport] to {place}
how do I get to {place} [mode:transit<by subway]?
how do I [mode:walking<walk] to {place}?
how can I get to {place} [mode:cycling<on my bike]?
what's the quickest way to {place} [mode:transit<by metro]?
which way is {place}?
I need to get to {place}
I want to [mode:cycling<cycle] to {place}
I'm lost, take me to {place}
let's go to {place}
would you mind guiding me to {place}?
do you know how to get to {place}?
we're going to {place}, navigate there
I'm [mode:cycling<cycling] to {place}, guide me
what's the route to {place} [mode:walking<on foot]?
start the navigation, I want to go to {place}
@bring up the way to {place}, I'm in a hurry
I'm meeting friends at {place}, how do I get there?
we need to be at {place} soon, navigate
I have no idea where {place} is, guide me there
the appointment is at {place}, show me the way
@find the shortest way to {place}
my next stop is {place}, directions please
are there directions to {place}?
we're [mode:walking<walking], how do we get to {place}?
no car today, show me [mode:transit<bus] directions to {place}
could you show me where {place} is?
where do I go for {place}?
I'm off to {place}, lead the way
my friend lives near {place}, get me there
I'd like directions to {place} please
how long until we're at {place}? navigate please
which road goes to {place}?
I'm new here, how can I find {place}?
the meeting is at {place}, take me
can we get to {place} from here?
@get the navigation going to {place}
@point me to {place}
let's make our way to {place}
I want to [mode:transit<take the bus] to {place}
I'll [mode:cycling<bike] to {place}, show me the route
the car is ready, [mode:driving<drive] me to {place}
is there a [mode:transit<train] to {place}? show me the way
on [mode:walking<foot], how do I reach {place}?
we [mode:driving<drive] to {place}, navigate please
@tell me the way to {place}, we're [mode:walking<walking]
@bring us to {place}, I'm [mode:driving<driving]
""",
    "set_brightness": """
@set brightness to {pct}
@set my brightness at {pct}
@set the screen to {pct} brightness
@set the display brightness to {pct}
@put the brightness at {pct}
@turn the brightness down to {pct}
@turn the brightness up to {pct}
@turn the screen brightness to {pct}
@turn the brightness [percent:100<all the way up]
@turn the brightness [percent:0<all the way down]
@turn down the screen to {pct}
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
it's sunny out here, brightness to {pct}
I'm in bed, take the screen down to {pct}
my battery is low, drop the screen to {pct}
the display could use {pct} brightness
@let the screen shine at {pct}
@make it brighter, {pct} on the screen
can the screen go to {pct} brightness?
the brightness should be {pct}
{pct} is enough for the screen brightness
I'm outside, more brightness please, {pct}
it hurts to look at, screen brightness {pct}
why so dark? brightness {pct} please
I'd say {pct} for the brightness
the screen should glow at {pct}
could the display be at {pct}?
@take the brightness to {pct}
@have the screen at {pct} brightness
@keep my screen at {pct} brightness
how about {pct} brightness?
""",
    "set_volume": """
@set volume to {pct}
@set my volume at {pct}
@set the sound to {pct}
@set the media volume to {pct}
@set the speaker volume to {pct}
@put the volume at {pct}
@put the sound on {pct}
@turn the volume down to {pct}
@turn it up to {pct} volume
@turn it down to {pct} volume
@turn the sound up to {pct}
@turn the sound down to {pct}
@turn the volume [percent:100<all the way up]
@turn the volume [percent:0<all the way down]
@turn the music down to {pct}
@turn the music up to {pct}
@lower the sound to {pct}
@increase the volume to {pct}
@drop the volume to {pct}
@bring the volume to {pct}
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
the neighbors complained, volume to {pct}
I can't hear the video, set the volume at {pct}
@let the sound be at {pct}
the speakers should be at {pct}
it's way too loud in here, go down to {pct} volume
@make it louder, volume {pct}
can the volume go to {pct}?
{pct} is loud enough, set the volume
how about {pct} volume?
the music is too loud, take the volume to {pct}
why so quiet? volume {pct} please
I'm on the train, sound at {pct}
could the sound be at {pct}?
@take the volume to {pct}
I'd say {pct} for the volume
let's hear it at {pct} volume
someone is sleeping next door, {pct} volume
""",
    "switch": """
@(+enable) {setting}
@(-disable) {setting}
@(+activate) {setting}
@(-deactivate) {setting}
@(-kill) {setting}
@(-shut off) {setting}
@(-shut down) {setting}
@(+start) {setting}
@(-stop) {setting}
@(+put on) {setting}
@get {setting} (+going)
@(-cut) {setting}
@make sure {setting} is (-off)
@toggle {setting} (+on)
I need {setting} (-off)
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
[on:true<change to] [setting:dark_mode<dark mode]
[on:true<share my internet] with the [setting:hotspot<hotspot]
would you mind turning {setting} (-off)?
would you mind (+switching on) {setting}?
I'm home now, {setting} (+on) please
I'm done with {setting}, switch it (-off)
would prefer {setting} (+on)
@turn {setting} (-off) for now
my battery is low, (-turn off) {setting}
I'm going to sleep, (+turn on) [setting:do_not_disturb<do not disturb]
the movie starts, (+enable) [setting:do_not_disturb<do not disturb mode]
{setting} can (-go off) now
we need {setting}, (+turn it on)
is it okay to have {setting} (+on)?
the light hurts my eyes, (+activate) [setting:dark_mode<dark mode]
nobody needs {setting}, (-turn it off)
get rid of {setting}, I mean switch it (-off)
{setting} should be (+on) from now on
{setting} should stay (-off)
could you see that {setting} is (+on)?
how do things look with {setting} (-off)? do that
I can't sleep with {setting} on, (-switch it off)
let {setting} be (+on)
I want to save power, {setting} (-off)
{setting} has to be (-off)
the plane is leaving, [on:true<activate] [setting:airplane_mode<airplane mode]
I lost my ring under the bed, [setting:flashlight<flashlight] [on:true<on]
my laptop needs internet, [setting:hotspot<hotspot] [on:true<on] please
I'm expecting a call, [setting:do_not_disturb<do not disturb] [on:false<off]
we have landed, [setting:airplane_mode<airplane mode] [on:false<off]
@leave {setting} (-off)
@bring {setting} (+back)
@get {setting} (+running) again
I miss {setting}, (+switch it on) again
I've had enough of {setting}, (-off) with it
""",
    "get_weather": """
what's the weather like?
what will the weather be like {wday} in {city}?
what's the forecast in {city} for {dayn}?
what's the temperature in {city}?
what's the temperature outside?
what temperature will it be {wday}?
how's the weather?
how is the weather {wday} in {city}?
how cold will it be {wday}?
how warm will it get in {city} {wday}?
will it snow {wday}?
will it be sunny in {city} {wday}?
will it be windy {wday}?
is it going to rain {wday}?
is it cold in {city}?
is it warm in {city} {wday}?
do I need an umbrella {wday}?
do I need a jacket {wday}?
should I bring an umbrella {wday}?
should I pack a coat for {city}?
@check the weather for {dayn}
@show me the weather in {city}
@show me the forecast for {dayn}
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
I'm packing for {city}, what will the weather be {wday}?
we want to grill {wday}, how's the forecast?
what can we expect of the weather in {city}?
does it look like rain {wday}?
my sister lives in {city}, is it snowing there?
can I hang the laundry outside {wday}?
how many degrees is it in {city}?
do I have to worry about rain {wday}?
what should I expect outside {wday}?
how does the sky look over {city}?
what are the chances of rain in {city} {wday}?
sunglasses or umbrella {wday}?
is it nice out in {city}?
my parents are in {city}, how's the weather over there?
are there clouds over {city}?
could it freeze {wday}?
can we go swimming {wday}, or will it rain?
I have a long drive {wday}, how's the weather?
what do they say about the weather in {city}?
""",
    "add_to_list": """
@add {items} to my {list} list
@add {items} to the list called {list}
@add {items} on my {list} list
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
the {list} list could use {items}
before I forget it, {items} on the {list} list
there's no {itemn} left, so add it to the {list} list
remember {items} on my {list} list
my {list} list still lacks {items}
{items}, please, for the {list} list
@jot down {items} on the {list} list
can you write {items} on my {list} list?
what's missing on the {list} list is {items}
{items} belong on my {list} list
I have to get {items}, so list them under {list}
somebody ate the {itemn}, {list} list please
next time I need {items}, {list} list
the {list} list, please add {items}
@let the {list} list have {items}
@put {items} with the rest of my {list} list
don't forget {items} for the {list} list
also {items} on the {list} list
we should get {items}, note it on the {list} list
""",
    "open_app": """
@open {app} for me
@open up {app}
@open my {appn} app
@open the app called {appn}
@launch {app} now
@start {app}
@start up {app}
@run {app}
@run the {appn} app
@bring up {app}
@pull up {app}
@load {app}
@load up {app}
@fire up {app}
@get {app} open
@get {app} up on the screen
@switch to {app}
@switch over to the {appn} app
@show me {app}
@show me the {appn} app
@take me to the {appn} app
@jump to {app}
@boot up {app}
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
I'd like to see {app}
my friend recommended {app}, start it
I have to look something up, open {app}
@let me into {app}
where is {app}, open it please
I want to look at {app}
@put {app} on the screen
the {appn} app, please start it
I'm bored, open {app}
could {app} be opened?
my phone should show {app}
it's time to check {app}, open it
I'd like a look at {app}
@put me on {app}
@call up the {appn} app
@get into {app}
@move over to {app}
do we have {app}? open it
I can't find {app}, open it for me
next up is {app}, launch it
how about opening {app}?
@let me use {app}
""",
}

OPENINGS = """
please | could you | could you please | can you | can you please | would you | would you please | will you | hey, |
hi, | ok, | okay, | hey phone, | hey, can you | hi, could you | I need you to | I'd like you to | I want you to |
I'd love it if you could | do me a favor and | be so kind and | quickly | now | just | go ahead and | yes, |
um, can you | so, | right, | when you have a moment, | be a dear and | kindly | if you could, |
listen, | alright, | would it be possible to | is it ok to ask you to | you can | next,
"""
CONTEXTS = """
I'm in the middle of something, | my hands are full, | before I forget, | it's getting late, | sorry to bother you but |
while you're at it, | I almost forgot, | we're in a rush, | the kids are asleep, | I'm on the couch, | I'm running out the door, |
it's been a long day, | one more thing, | I've been meaning to ask, | if it's not too much trouble, | I'm about to leave, so |
you know what, | I changed my mind, | alright then, | as soon as you can, | since you're here, | first things first, |
I'm a bit tired, so | my head is spinning, | there's something else, | I keep putting this off, | we have guests, so | oh and |
it's kind of urgent, | no hurry, but | I'm in the kitchen, | I just got home, | I'm still at my desk, | hang on, |
here's the thing, | today is busy, so | you can help me, | to make things easier, | I'm out of breath, | what I need is this: |
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
what alarms do I have set?
change my 6 am alarm to 7
skip the alarm for tomorrow
the alarm didn't ring today
why did my alarm go off at night?
reset the timer
add five minutes to the timer
did the timer go off already?
the timer went off while I was outside
delete the text I just sent
forward Nadia's message to Ivan
what did Lena write?
has George answered my email?
Anna texted me all night
my boss writes very long emails
end the call
send the call to voicemail
how long was my last call with Mom?
Dad calls me every Sunday
don't call Petra
when is the staff meeting?
am I free on Saturday afternoon?
postpone the dentist by a week
the parents' evening was fun
remove the team lunch from my calendar
who is coming to the birthday party?
which reminders are due today?
mark the rent reminder as done
delete all reminders
that reminds me of my childhood
did I remember to pay the rent?
turn the music off
next song please
which album is this from?
buy tickets for the Paper Foxes concert
the band played far too loud
repeat this song
who is the drummer of this band?
where am I right now?
share my location with Emeka
is there parking near the museum?
the road to the lake was closed
get me a cab to the airport
when does the next train leave?
how many people live in Hamburg?
my screen is dirty
this room is too dark
the speaker sounds broken
is bluetooth on right now?
pair my earbuds
turn off the oven
turn on the fan
switch off the coffee machine
the flashlight battery died
which network am I connected to?
dim the bedroom lights
set the fridge to four degrees
turn down the heating in the bathroom
how does hail form?
the storm knocked over our fence
I got sunburned last weekend
what's on my grocery list?
read me the packing list
cross eggs off the shopping list
rename my books list
how many items are on the list?
I lost my shopping list
share the grocery list with Mom
how much space does Instagram use?
rate this app
the banking app keeps crashing
log me out of Netflix
quit the camera
reserve seats for the movie on Friday
order new batteries
pay the electrician
what's the Spanish word for library?
explain photosynthesis to me
tell me about the Romans
get me tickets for the opera on Saturday
bring me a cup of tea
have flowers delivered to Rosa
order dinner for two from the Thai place
shift my lunch with Ben to noon
the calculator app is wrong all the time
Spotify costs too much
this lamp is too bright
turn off the kitchen radio
read me a chapter of Moby Dick
make up a riddle about cats
what do they call breakfast in Sweden?
I phoned the bank yesterday
I spoke to Julia an hour ago
my neighbor plays the drums at night
we already watched that movie
who painted the ceiling of this church?
how do I remove a wine stain?
sell my old bike
call off the meeting on Friday
I got three emails from my boss today
hire a plumber for me
which app uses the most power?
my timer app has too many ads
rent a car for the weekend
the weather ruined our picnic
read me something from the newspaper
""".strip().splitlines()

# Two calls said in one breath: "||" starts the second call.
PAIRS = [
    line.split(" :: ")
    for line in """
switch+switch :: [on:false<turn off] {setting} and ||[on:false<]{setting}
switch+switch :: [on:true<turn on] {setting} and ||[on:true<]{setting}
switch+switch :: [on:false<]switch {setting} and ||{setting} [on:false<off]
switch+switch :: (+turn on) {setting} but ||(-turn off) {setting}
switch+switch :: (-disable) {setting} and ||(+enable) {setting}
switch+switch :: (+activate) {setting}, then ||(-deactivate) {setting}
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
