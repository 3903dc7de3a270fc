"""What the assistant can do, one method for each function of its tools.json, told in words with citations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pocketlm.notes.ask import Answer, Citation, stream_answer
from pocketlm.notes.dates import Period
from pocketlm.notes.facts import Fact, facts
from pocketlm.notes.known_names import known_names
from pocketlm.notes.meant import NEWEST, Meant, around, is_pointing, say_moment
from pocketlm.notes.mood import changes, mood
from pocketlm.notes.note import Note, Span, on_one_line
from pocketlm.notes.own import create_note
from pocketlm.notes.related import related
from pocketlm.notes.reminders import Reminder, add_reminder, reminders
from pocketlm.notes.search import Hit, search
from pocketlm.notes.summaries import Summary, summarize, summarize_topic
from pocketlm.notes.tags import tag_note
from pocketlm.notes.timeline import Event, events
from pocketlm.tasks.call import Call

Tell = Callable[[str], None]

HITS = 5  # notes that a search shows
MOODS = 3  # lowest and highest points that are told
LISTED = 20  # facts or events that are told
QUOTED = 160  # characters of a note that are shown in a list
KINDS = {
    "tasks": "action",
    "people": "person",
    "places": "place",
    "organisations": "organisation",
    "dates": "date",
    "amounts": "quantity",
    "money": "money",
    "phones": "phone",
    "emails": "email",
    "links": "link",
}
SURE = {"tasks": 0.65}  # the least confidence to be listed, otherwise a half: in running text much sounds like a task


@dataclass(frozen=True)
class Told:
    """What a function found, in words; `shown` are the notes that "the second one" counts, None where it showed none."""

    text: str
    citations: tuple[Citation, ...] = ()
    shown: tuple[int, ...] | None = None


class Abilities(Meant):
    """The functions over one notebook. Every method raises InputError where a note or a time is not understood."""

    def do(self, call: Call, request: str, tell: Tell | None = None) -> Told:
        """Run a call. A question is asked as it was said; `tell` gets its answer's pieces as they are written."""
        given = {"question": request, "tell": tell} if call.name == "ask_notes" else call.arguments
        told: Told = getattr(self, call.name)(**given)
        if told.shown is not None:
            self.shown = list(told.shown)
        return told

    # reading

    def search_notes(self, query: str, when: str = "", tag: str = "") -> Told:
        """The notes that fit best, each with the place that fits."""
        hits = self.hits(query, when, tag)
        if not hits:
            return Told(f"No note fits “{query}”{f' {when}' if when else ''}.", shown=())
        lines = [
            f"{number}. {title_of(hit.note)}: {on_one_line(hit.text, QUOTED)}" for number, hit in enumerate(hits, 1)
        ]
        found = tuple(map(Citation.of, hits))
        return Told("\n".join(lines), found, tuple(hit.note.id for hit in hits))

    def ask_notes(self, question: str, tell: Tell | None = None) -> Told:
        """The answer of the notes, or what comes nearest."""
        answer = Answer(question, "")
        for piece in stream_answer(self.book, question):
            if isinstance(piece, Answer):
                answer = piece
            elif tell:
                tell(piece)
        if answer.refused:
            return _refusal(answer)
        sources = [f"[{number}] {title_of(c.note)}" for number, c in enumerate(answer.citations, 1)]
        shown = tuple(dict.fromkeys(citation.note.id for citation in answer.citations))
        return Told("\n".join([answer.text, *sources]), answer.citations, shown)

    def read_note(self, note: str) -> Told:
        """The whole note."""
        found = self.note(note)
        tags = self.book.store.tags(found.id)
        head = title_of(found) + (f"  #{' #'.join(tags)}" if tags else "")
        return Told(f"{head}\n\n{found.content}", (_whole(found),), (found.id,))

    def summarize(self, about: str = "", when: str = "") -> Told:
        """One or two sentences on a note, a topic or a period; without either on what was shown last."""
        is_topic = bool(about) and self.named(about) is None
        if is_topic:
            made = summarize_topic(self.book, about, filters=self.filters(when))
        elif about or when or not self.shown:
            made = summarize(self.book, self.notes(about, self.days(when)))
        else:
            made = summarize(self.book, [self.book.store.note(id) for id in self.shown])
        if made.refused:
            return _refusal(made)
        sources = [f"[{number}] {title_of(citation.note)}" for number, citation in enumerate(made.citations, 1)]
        return Told("\n".join([made.text, *sources]), made.citations, _ids(made.citations))

    def timeline(self, about: str = "", when: str = "") -> Told:
        """What happened, in order; of a topic or a period."""
        found = self.events(about, when)
        if not found:
            return Told(f"No dated events{_of(about, when)} in {self._range(about, when)}.")
        lines = [f"{_when(event)}  {on_one_line(event.what, QUOTED)}" for _, event in found[:LISTED]]
        places = [cited(note, event.start, event.end) for note, event in found[:LISTED]]
        return Told("\n".join([*lines, *_more(found), *self._limit(about, when)]), tuple(places), _ids(places))

    def find_facts(self, kind: str, about: str = "", when: str = "") -> Told:
        """All facts of one kind, each once, those said most often first, with the note of the first mention."""
        found: dict[str, list[Citation]] = {}
        known = known_names(self.book.store)
        for note in self.notes(about, self.days(when)):
            for fact in facts(note.content, note.written, known=known):
                if fact.kind == KINDS[kind] and fact.confidence >= SURE.get(kind, 0.5) and not _is_done(fact):
                    found.setdefault(" ".join(fact.text.split()), []).append(cited(note, fact.start, fact.end))
        if not found:
            return Told(f"No {kind}{_of(about, when)} in {self._range(about, when)}.")
        ranked = sorted(found.items(), key=lambda item: -len(item[1]))
        lines = [
            f"- {text} ({places[0].note.name}{f', {len(places)} times' if len(places) > 1 else ''})"
            for text, places in ranked[:LISTED]
        ]
        firsts = tuple(places[0] for _, places in ranked[:LISTED])
        return Told("\n".join([*lines, *_more(ranked), *self._limit(about, when)]), firsts, _ids(firsts))

    def list_tags(self) -> Told:
        """All tags with their numbers of notes."""
        tags = self.book.store.all_tags()
        return Told("\n".join(f"#{name} ({count})" for name, count in tags.items()) or "Your notes have no tags.")

    def related_notes(self, note: str) -> Told:
        """The notes that belong to a note, with the reasons."""
        of = self.note(note)
        found = related(self.book, of.id, HITS)
        if not found:
            return Told(f"No note belongs to {of.name}.", shown=())
        lines = [f"{number}. {title_of(one.note)}: {'; '.join(one.why)}" for number, one in enumerate(found, 1)]
        return Told("\n".join(lines), tuple(_whole(one.note) for one in found), tuple(one.note.id for one in found))

    def show_mood(self, when: str = "") -> Told:
        """The lowest and the highest days, weeks or months, each with the sentence that moved it, and where the level changed."""
        days = self.days(when)
        grain = _grain(*days)
        points = mood(self.book, grain, *days)
        if not points:
            return Told(f"No dated notes{_of('', when)} to read a mood from.")
        ends = sorted(points, key=lambda point: point.mood)
        shown = sorted({*ends[:MOODS], *ends[-MOODS:]}, key=lambda point: point.first)
        told = [f"From {one.at:%Y-%m-%d} on {one.after:+.2f} instead of {one.before:+.2f}." for one in changes(points)]
        head = f"Mood by {grain}, lowest and highest; 0 is your usual. A rough measure."
        lines = [
            f"{point.first:%Y-%m-%d}  {point.mood:+.2f}  {'; '.join(on_one_line(m.text, QUOTED) for m in point.because[:1])}"
            for point in shown
        ]
        places = [moved.span for point in shown for moved in point.because[:1]]
        found = tuple(cited(self.book.store.note(span.note), span.start, span.stop) for span in places)
        return Told("\n".join([head, *lines, *told]), found, _ids(found))

    def list_reminders(self) -> Told:
        """Those that are not done."""
        found = reminders(self.book)
        return Told("\n".join(map(say_reminder, found)) or "There are no reminders.")

    # writing

    def create_note(self, text: str, title: str = "") -> Told:
        """A new note in the notes file."""
        note = create_note(self.book, text, title, written=self.now())
        return Told(f"Written: {title_of(note)}.", (_whole(note),), (note.id,))

    def tag_note(self, note: str, tag: str) -> Told:
        """A tag of the user's; it is learnt from."""
        found, name = self.note(note), tag.removeprefix("#")
        tag_note(self.book, found.id, name)
        return Told(f"{found.name} is tagged #{name}.", shown=(found.id,))

    def set_reminder(self, text: str, when: str) -> Told:
        """A reminder; of a note where the text points to one."""
        about = self.note(text) if is_pointing(text) else None
        made = add_reminder(self.book, about.name if about else text, self.due(when), about.id if about else None)
        return Told(f"I will remind you: {say_reminder(made)}")

    # finding

    def hits(self, query: str, when: str = "", tag: str = "", count: int = HITS) -> list[Hit]:
        """The best hit of each note that fits best."""
        return search(self.book, query, count, self.filters(when, tag), today=self.now())

    def events(self, about: str = "", when: str = "") -> list[tuple[Note, Event]]:
        """Dated events of a topic or a period with the notes that tell them, the earliest first."""
        period = self.period(when) if when else None
        notes = {note.id: note for note in self.notes(about, around(period) if period else ("", ""))}
        found = events((note.id, note.content, note.written) for note in notes.values())
        once = {
            (event.note, event.start, event.first): event for event in reversed(found)
        }  # a sentence may name a day twice
        kept = [event for event in found if once[event.note, event.start, event.first] is event]
        return [(notes[int(event.note)], event) for event in kept if period is None or _begins_in(event, period)]

    def _range(self, about: str, when: str) -> str:
        return f"the newest {NEWEST} notes" if self._limit(about, when) else "your notes"

    def _limit(self, about: str, when: str) -> list[str]:
        """Says where only some notes were read."""
        if about or when or self.book.store.count() <= NEWEST:
            return []
        return [f"(from the newest {NEWEST} notes; name a topic or a time for others)"]


def _refusal(made: Answer | Summary) -> Told:
    """That the notes do not hold it, and what comes nearest."""
    near = made.nearest
    lines = [f"{number}. {title_of(hit.note)}: {on_one_line(hit.text, QUOTED)}" for number, hit in enumerate(near, 1)]
    text = "\n".join([made.text + (" Nearest:" if near else ""), *lines])
    return Told(text, tuple(map(Citation.of, near)), tuple(hit.note.id for hit in near))


def _begins_in(event: Event, period: Period) -> bool:
    """What lasts longer than the period, or has no beginning, is none of its events."""
    if event.first is None or (period.first and event.first < period.first):
        return False
    return period.last is None or event.first < period.last


def title_of(note: Note) -> str:
    """A note's number, name and day."""
    day = note.written
    return f"#{note.id} {note.name}{f' ({day.day} {day:%B %Y})' if day else ''}"


def say_reminder(one: Reminder) -> str:
    """A reminder on one line."""
    return f"{say_moment(one.due)}: {one.text} [{one.id}]"


def _grain(since: str, until: str) -> str:
    """What a mood's curve has a point for: some dozens in all."""
    if not since or not until:
        return "month"
    days = (datetime.fromisoformat(until) - datetime.fromisoformat(since)).days
    return "day" if days <= 62 else "week" if days <= 366 else "month"


def _is_done(fact: Fact) -> bool:
    return fact.kind == "action" and bool(fact.value["done"])


def _when(event: Event) -> str:
    """When it began, or before when it was, as exactly as that is known."""
    forms = {"year": "%Y", "decade": "%Y", "century": "%Y", "month": "%Y-%m", "season": "%Y-%m", "quarter": "%Y-%m"}
    moment = event.first or event.last
    told = moment.strftime(forms.get(event.grain, "%Y-%m-%d")) if moment else "undated"
    return f"before {told}" if event.first is None else f"since {told}" if event.last is None else told


def _of(about: str, when: str) -> str:
    return (f" about {about}" if about else "") + (f" ({when})" if when else "")


def _more(found: Sequence[Any]) -> list[str]:
    return [f"and {len(found) - LISTED} more"] if len(found) > LISTED else []


def cited(note: Note, start: int, stop: int) -> Citation:
    """A citation of a place in a note."""
    return Citation(Span(note.id, start, stop), note, note.content[start:stop])


def _whole(note: Note) -> Citation:
    return cited(note, 0, len(note.content))


def _ids(citations: Iterable[Citation]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(citation.span.note for citation in citations))
