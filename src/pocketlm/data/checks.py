"""What can be wrong with rows, one function a kind: each looks at everything gathered and yields findings.

A finding is an error where training on the rows would mislead (or fail), a warning where it might, a note otherwise.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pocketlm.core.errors import Problems
from pocketlm.core.extras import need
from pocketlm.data.gather import Fault, Gathered, difference, shown
from pocketlm.data.infer_tools import without_format
from pocketlm.data.near import NearIndex
from pocketlm.data.privacy import MARK, SECRETS, find_personal, redact
from pocketlm.data.shapes import Example
from pocketlm.tasks.said import leaves, numbers_said, places
from pocketlm.tasks.tools import Call, ToolSet, json_type

SHOWN = 3  # examples of a finding
FEW, ENOUGH = 20, 200  # rows under which a training makes no sense, and under which it is thin
SAME_ANSWER = 0.02  # share of rows with one answer from which it is told
RARE_LABEL = 10  # rows under which a label is hard to learn
ONE_SIDED = 0.9  # share of the commonest label
NEAR = 0.8  # share of pieces in common that makes two texts near twins
LANGUAGE_ROWS, LANGUAGE_LETTERS = 2000, 25  # rows looked at for their language, and letters that tell it
SURE = 0.95  # of a language
GROUNDED = 0.5  # share of an argument's values that stand in the request, from which the others look made up
NO_VALUES = {"none", "null", "n/a", "nan", "undefined", "unknown", "todo", "tbd", "xxx"}
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ud800-\udfff]")
GENERATED = {"instruct", "preference", "translate"}  # tasks whose answers are free text
ONE_ANSWER = {"call", "classify", "extract"}  # tasks in which a text has one right answer
ORDER = re.compile(r"turn \d+")
CLEAN = "pocketlm data clean {path}"


@dataclass(frozen=True)
class Finding:
    """One kind of fault: how bad, how many rows, up to three of them (place, what stands there), and what mends it."""

    name: str
    severity: str
    count: int
    says: str
    examples: tuple[tuple[str, str], ...] = ()
    mend: str = ""


Check = Callable[[Gathered], Iterable[Finding]]


def unreadable(data: Gathered) -> Iterator[Finding]:
    """Rows that fit no layout, told apart by why; a wrong order of roles is one of them."""
    order = [fault for fault in data.faults if ORDER.match(fault.why)]
    other = [fault for fault in data.faults if not ORDER.match(fault.why)]
    if order:
        says = f"dialogues have turns in an order or form that no conversation has: {_reasons(order)}"
        yield Finding("roles", "error", len(order), says, _faults(order), f"{CLEAN} --only unreadable")
    if other:
        says = f"rows cannot be read: {_reasons(other)}"
        yield Finding("unreadable", "error", len(other), says, _faults(other), f"{CLEAN} --only unreadable")


def few_rows(data: Gathered) -> Iterator[Finding]:
    """Too little to learn from."""
    texts = len({(e.text, e.answer) for e in data.examples if e.split == "train"})
    if texts < ENOUGH:
        severity = "error" if texts < FEW else "warning"
        says = f"different rows are there to train on; {ENOUGH} or more are usual"
        yield Finding("few rows", severity, texts, says, (), "pocketlm data generate {path} --make paraphrases")


def empty_answers(data: Gathered) -> Iterator[Finding]:
    """Nothing to learn, or nothing to learn from."""
    empty = [e for e in data.examples if not e.answer.strip()]
    if empty:
        says = "rows have an empty answer: the model would learn to say nothing"
        yield Finding("empty answers", "error", len(empty), says, _rows(empty, "text"), f"{CLEAN} --only empty")
    blank = [e for e in data.examples if data.task != "complete" and not e.text.strip()]
    if blank:
        says = "rows have no text to answer"
        yield Finding("empty texts", "error", len(blank), says, _rows(blank, "answer"), f"{CLEAN} --only empty")


def repeated_answers(data: Gathered) -> Iterator[Finding]:
    """One free answer to many different texts."""
    if data.task not in GENERATED:
        return
    texts: dict[str, set[str]] = defaultdict(set)
    for e in data.examples:
        texts[e.answer].add(e.text)
    least = max(5, SAME_ANSWER * len(data.examples))
    often = [answer for answer, given in texts.items() if len(given) >= least]
    if often:
        rows = [e for e in data.examples if e.answer in often]
        says = f"rows share {len(often)} answers given to many different texts: the model will fall back on them"
        yield Finding("repeated answers", "warning", len(rows), says, _rows(rows, "answer"))


def broken_encoding(data: Gathered) -> Iterator[Finding]:
    """Text read in the wrong encoding, control codes, replacement marks, half characters."""
    is_bad = need("ftfy.badness", "finding broken characters", "data").is_bad
    found = [e for e in data.examples if any(CONTROL.search(t) or is_bad(t) for t in (e.text, e.answer))]
    if found:
        says = 'rows hold broken characters, such as "cafÃ©" for "café", control codes or replacement marks'
        examples = tuple((e.where, shown(_around_bad(e.text + "\n" + e.answer))) for e in found[:SHOWN])
        yield Finding("broken encoding", "warning", len(found), says, examples, f"{CLEAN} --only encoding")


def copies(data: Gathered) -> Iterator[Finding]:
    """Rows that stand there before, with the same answer, letter by letter."""
    first: dict[tuple[str, str, str], Example] = {}
    found = []
    for e in data.examples:
        if (before := first.setdefault((e.split, e.text, e.answer), e)) is not e:
            found.append((e, before))
    if found:
        texts = len({(e.text, e.answer) for e, _ in found})
        says = f"rows are exact copies of earlier ones ({texts} texts stand more than once); they count several times"
        examples = tuple((e.where, f"{shown(_key(e), 80)} = {b.where}") for e, b in found[:SHOWN])
        yield Finding("exact copies", "warning", len(found), says, examples, f"{CLEAN} --only copies")


def near_copies(data: Gathered) -> Iterator[Finding]:
    """Near twins within a split, and across splits."""
    unique: dict[str, Example] = {}
    for e in data.examples:
        unique.setdefault(_key(e), e)
    examples = list(unique.values())
    twins = NearIndex(NEAR).twins(_key(e) for e in examples)
    pairs = [(e, examples[at]) for e, at in zip(examples, twins, strict=True) if at is not None]
    inside = [(e, twin) for e, twin in pairs if e.split == twin.split]
    across = [(e, twin) for e, twin in pairs if e.split != twin.split]
    if across:
        says = (
            f"rows are near twins ({NEAR:.0%} of their pieces alike) of rows in another split: the score will flatter"
        )
        mend = "pocketlm data split {path} OUT --by near"
        yield Finding("near leakage", "warning", len(across), says, _twins(across), mend)
    if inside:
        says = f"rows are near twins ({NEAR:.0%} of their pieces alike) of others in the same split"
        yield Finding("near copies", "note", len(inside), says, _twins(inside), f"{CLEAN} --only near")


def leakage(data: Gathered) -> Iterator[Finding]:
    """A text in more than one split: its score would be remembered, not learnt."""
    splits: dict[str, dict[str, Example]] = defaultdict(dict)
    for e in data.examples:
        splits[_key(e)].setdefault(e.split, e)
    found = [by for by in splits.values() if len(by) > 1]
    if found:
        says = "texts stand in more than one of train, valid and test: the score would flatter"
        examples = tuple(
            (
                list(by.values())[1].where,
                f"{shown(_key(next(iter(by.values()))), 70)} = {next(iter(by.values())).where}",
            )
            for by in found[:SHOWN]
        )
        yield Finding("leakage", "error", len(found), says, examples, f"{CLEAN} --only leakage")


def conflicting(data: Gathered) -> Iterator[Finding]:
    """A text with several right answers."""
    if data.task not in ONE_ANSWER:
        return
    answers: dict[str, dict[str, Example]] = defaultdict(dict)
    for e in data.examples:
        answers[_key(e)].setdefault(e.answer, e)
    found = [list(by.values()) for by in answers.values() if len(by) > 1]
    if found:
        says = "texts are answered in more than one way: no model can learn both"
        examples = tuple(
            (a.where, f"{shown(a.text, 60)}: {' / '.join(difference(a.answer, b.answer, most=60))} ({b.where})")
            for a, b, *_ in found[:SHOWN]
        )
        yield Finding("conflicting answers", "error", len(found), says, examples, f"{CLEAN} --only conflicts")


def balance(data: Gathered) -> Iterator[Finding]:
    """Labels, functions or kinds that are rare, or crowd out the rest."""
    counts = Counter(label for e in data.examples if e.split == "train" for label in e.labels)
    if not counts or data.task == "embed":
        return
    rare = [label for label, count in counts.items() if count < RARE_LABEL]
    what = {"call": "functions", "extract": "kinds"}.get(data.task, "labels")
    if rare:
        some = ", ".join(f"{label} ({counts[label]})" for label in sorted(rare, key=counts.__getitem__)[:5])
        says = f"{what} have under {RARE_LABEL} rows to learn from: {some}{' …' if len(rare) > 5 else ''}"
        yield Finding(
            "rare " + what, "warning", len(rare), says, (), "pocketlm data generate {path} --make paraphrases"
        )
    label, most = counts.most_common(1)[0]
    if most > ONE_SIDED * counts.total() and len(counts) > 1:
        says = f"of {counts.total():,} are {label}: always saying it would be right in {most / counts.total():.0%}"
        yield Finding("one-sided", "warning", most, says)
    if data.task == "call" and "(no call)" not in counts and data.examples:
        says = "rows call nothing: the model will call something whatever it is told"
        yield Finding("no row without a call", "warning", 0, says, (), "pocketlm data generate {path} --make no_calls")


def schema(data: Gathered) -> Iterator[Finding]:
    """Calls that break their function's schema."""
    if data.task != "call" or data.tools is None:
        return
    own: dict[str, ToolSet | str] = {}
    found: list[Fault] = []
    for e in data.examples:
        tools = own_tools(e, own) or data.tools
        if isinstance(tools, str):
            found.append(Fault(e.where, tools))
            continue
        for call in e.row["calls"]:
            found += [Fault(e.where, why) for why in tools.check_call(Call(call["name"], call["arguments"]))]
    if found:
        says = f"faults in calls, which break their functions' schemas: {_reasons(found)}"
        yield Finding("schema", "error", len(found), says, _faults(found), f"{CLEAN} --only schema")


def types(data: Gathered) -> Iterator[Finding]:
    """Arguments that are usually of one type and now and then of another."""
    if data.task != "call":
        return
    seen: dict[str, dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for e, path, value in _arguments(data):
        kind = json_type(value)
        seen[path]["number" if kind == "integer" else kind].append(e)
    odd = [(path, kind, rows) for path, by in seen.items() for kind, rows in by.items() if _is_odd(rows, by)]
    if odd:
        rows = [e for _, _, some in odd for e in some]
        told = ", ".join(f"{path} is {kind} in {len(some)} of {_total(seen[path])}" for path, kind, some in odd[:4])
        says = f"values are of another type than usual: {told}{' …' if len(odd) > 4 else ''}"
        yield Finding("types", "warning", len(rows), says, _rows(rows, "answer"))


def no_values(data: Gathered) -> Iterator[Finding]:
    """Words that stand where a value is missing."""
    if data.task != "call":
        return
    found = [(e, path) for e, path, value in _arguments(data) if is_no_value(value, e.text)]
    if found:
        paths = Counter(path.rpartition(".")[2] for _, path in found)
        told = ", ".join(f"{path} ({count})" for path, count in paths.most_common(4))
        says = f'values are a word for "no value" that nobody said: {told}; leave the argument out instead'
        examples = _rows([e for e, _ in found], "answer")
        yield Finding("no values", "warning", len(found), says, examples, f"{CLEAN} --only no-values")


def ungrounded(data: Gathered) -> Iterator[Finding]:
    """Values of calls that the request does not say, where that argument's values usually are said."""
    if data.task != "call":
        return
    values: dict[str, list[tuple[Example, Any, bool]]] = defaultdict(list)
    for e, path, value in _arguments(data):
        if not is_no_value(value, e.text):
            values[path] += [(e, leaf, _is_said(leaf, e.text)) for leaf in leaves(value)]
    odd = {
        path: [v for v in vs if not v[2]] for path, vs in values.items() if sum(v[2] for v in vs) >= GROUNDED * len(vs)
    }
    found = [(path, e, leaf) for path, vs in odd.items() for e, leaf, _ in vs]
    if found:
        told = Counter(path for path, _, _ in found).most_common(3)
        some = ", ".join(f"{path} ({count} of {len(values[path])})" for path, count in told)
        says = f"values are not in their requests though most of their argument are; made up or reworded: {some}"
        examples = tuple(
            (e.where, f"{path} = {leaf!r:.40} in {shown(e.text, 80)!r}") for path, e, leaf in found[:SHOWN]
        )
        yield Finding("ungrounded", "warning", len(found), says, examples)


def spans(data: Gathered) -> Iterator[Finding]:
    """Extracted entities that do not stand where the row says."""
    if data.task != "extract":
        return
    found = []
    for e in data.examples:
        for entity in e.row.get("entities", ()):
            if "start" in entity and e.text[entity["start"] : entity["end"]] != entity["text"]:
                found.append(e)
    if found:
        yield Finding("spans", "error", len(found), "entities do not stand at their places", _rows(found, "answer"))


def pairs(data: Gathered) -> Iterator[Finding]:
    """Two sides that are the same, or of very different length, where the task needs two."""
    if data.task == "preference":
        same = [e for e in data.examples if e.row["chosen"].strip() == e.row["rejected"].strip()]
        if same:
            says = "rows prefer an answer to itself: chosen and rejected are the same"
            yield Finding("no preference", "error", len(same), says, _rows(same, "answer"), f"{CLEAN} --only empty")
    if data.task in ("translate", "embed"):
        same = [e for e in data.examples if e.text.strip() == e.answer.strip()]
        if same:
            says = "rows have the same text on both sides"
            yield Finding("same sides", "warning", len(same), says, _rows(same, "text"))
    if data.task == "translate":
        odd = [e for e in data.examples if not 1 / 3 <= (len(e.text) + 5) / (len(e.answer) + 5) <= 3]
        if odd:
            says = "translations are over three times as long as their source, or under a third: they may not belong together"
            yield Finding("lengths differ", "warning", len(odd), says, _rows(odd, "text"))


def personal(data: Gathered) -> Iterator[Finding]:
    """Secrets and personal data, which a model can repeat to anyone."""
    secrets, private = [], []
    kinds: Counter[str] = Counter()
    for e in data.examples:
        found = find_personal(f"{e.text}\n{e.answer}")
        kinds.update(p.kind for p in found)
        if any(p.kind in SECRETS for p in found):
            secrets.append(e)
        elif found:
            private.append(e)
    told = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
    if secrets:
        says = f"rows hold secrets that a model can repeat to anyone ({told})"
        yield Finding("secrets", "error", len(secrets), says, _masked(secrets), f"{CLEAN} --only personal")
    if private:
        says = f"rows hold personal data that a model can repeat to anyone ({told})"
        yield Finding("personal data", "warning", len(private), says, _masked(private), f"{CLEAN} --only personal")


def languages(data: Gathered) -> Iterator[Finding]:
    """Rows in another language than most."""
    counts = language_mix(data)
    total = sum(len(rows) for rows in counts.values())
    main = max(counts, key=lambda language: len(counts[language]), default="")
    others = [e for language, rows in counts.items() if language != main for e in rows]
    if total and len(others) > 0.005 * total:
        told = ", ".join(f"{language} {len(rows) / total:.0%}" for language, rows in _most(counts))
        says = f"of {total:,} rows that tell their language are in another one than {main} ({told})"
        yield Finding("languages", "note", len(others), says, _rows(others, "text"))


def language_mix(data: Gathered) -> dict[str, list[Example]]:
    """Language -> rows in it, among a sample of rows long enough to tell it for sure."""
    langid = need("py3langid.langid", "telling languages", "data")
    identify = langid.LanguageIdentifier.from_modelpath(langid.MODEL_DIR / langid.MODEL_FILE, norm_probs=True)
    long = [e for e in data.examples if sum(map(str.isalpha, _key(e)[:400])) >= LANGUAGE_LETTERS]
    step = max(1, len(long) // LANGUAGE_ROWS)
    found: dict[str, list[Example]] = defaultdict(list)
    for e in long[::step]:
        language, sure = identify.classify(_key(e)[:400])
        if sure >= SURE:
            found[language].append(e)
    return found


def others(data: Gathered) -> Iterator[Finding]:
    """Files that were passed over."""
    if data.others:
        examples = tuple((one.partition(" ")[0], one.partition(" ")[2]) for one in data.others[:SHOWN])
        says = f"files were passed over: this looks at rows of {data.task}"
        yield Finding("other files", "note", len(data.others), says, examples)


CHECKS: tuple[Check, ...] = (
    unreadable,
    few_rows,
    empty_answers,
    schema,
    conflicting,
    leakage,
    copies,
    near_copies,
    repeated_answers,
    broken_encoding,
    balance,
    types,
    no_values,
    ungrounded,
    spans,
    pairs,
    personal,
    languages,
    others,
)


def _key(example: Example) -> str:
    """What two rows are told apart by: what is given, or the text itself where nothing is."""
    return example.text or example.answer


def _rows(examples: Sequence[Example], what: str) -> tuple[tuple[str, str], ...]:
    return tuple((e.where, shown(e.text if what == "text" else e.answer)) for e in examples[:SHOWN])


def _faults(faults: Sequence[Fault]) -> tuple[tuple[str, str], ...]:
    return tuple((fault.where, shown(fault.why, 160)) for fault in faults[:SHOWN])


def _twins(pairs: Sequence[tuple[Example, Example]]) -> tuple[tuple[str, str], ...]:
    return tuple((e.where, f"{shown(_key(e), 70)} ~ {shown(_key(b), 70)} ({b.where})") for e, b in pairs[:SHOWN])


def _masked(examples: Sequence[Example]) -> tuple[tuple[str, str], ...]:
    texts = [(e.where, redact(f"{e.text} {e.answer}")[0]) for e in examples[:SHOWN]]
    return tuple((where, shown(text[max(0, MARK.search(text).start() - 40) :])) for where, text in texts)  # type: ignore[union-attr]


def _reasons(faults: Sequence[Fault]) -> str:
    """The commonest reasons, values left out of the wording."""
    counts = Counter(re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "…", fault.why) for fault in faults)
    return "; ".join(f"{shown(why, 110)} ({count})" for why, count in counts.most_common(3))


def _around_bad(text: str) -> str:
    badness = need("ftfy.badness", "finding broken characters", "data")
    found = CONTROL.search(text) or badness.BADNESS_RE.search(text)
    start = max(0, found.start() - 40) if found else 0
    return CONTROL.sub("\ufffd", text[start : start + 100])


def own_tools(example: Example, seen: dict[str, ToolSet | str]) -> ToolSet | str | None:
    """A row's own functions, or what is wrong with them."""
    raw = example.row.get("tools")
    if not raw:
        return None
    key = json.dumps(raw, sort_keys=True)
    if key not in seen:
        try:
            value = json.loads(raw) if isinstance(raw, str) else raw
            seen[key] = ToolSet.from_openai(without_format(value), "its own tools")
        except ValueError as error:
            seen[key] = f"its own tools are not JSON ({error})"
        except Problems as error:
            seen[key] = f"its own tools: {error.problems[0]}"
    return seen[key]


def _arguments(data: Gathered) -> Iterator[tuple[Example, str, Any]]:
    """(row, function.argument, value) of every call."""
    for e in data.examples:
        for call in e.row["calls"]:
            for key, value in call["arguments"].items():
                yield e, f"{call['name']}.{key}", value


def _total(by: dict[str, list[Example]]) -> int:
    return sum(map(len, by.values()))


def _is_odd(rows: Sequence[Example], by: dict[str, list[Example]]) -> bool:
    return len(by) > 1 and len(rows) <= 0.2 * _total(by)


def is_no_value(value: Any, text: str) -> bool:
    """Whether a value is a word for "none" that the request does not say."""
    return isinstance(value, str) and value.strip().lower() in NO_VALUES and not places(value.lower(), text.lower())


def _is_said(value: Any, text: str) -> bool:
    if isinstance(value, int):
        return value in numbers_said(text)
    words = re.sub(r"\W+", " ", value.replace("_", " ").casefold()).strip()
    return not words or f" {words} " in f" {re.sub(r'[^0-9a-zÀ-￿]+', ' ', text.casefold())} "


def _most(counts: dict[str, list[Example]]) -> list[tuple[str, list[Example]]]:
    return sorted(counts.items(), key=lambda pair: -len(pair[1]))[:4]
