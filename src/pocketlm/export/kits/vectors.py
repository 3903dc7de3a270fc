"""What the kits of all languages must agree on, as one JSON file: made by the task itself, and by hand where it is odd.

{"prompts":   [{"messages": [{"role", "content"}], "prompt": UTF-8 bytes in hexadecimal digits}],
 "answers":   [{"text", "calls": [{"name", "arguments"}], "confirm": [true or false for each call]}],
 "errors":    [{"text", "kind", "place"}],
 "confidences": [{"signal", "confidence", equal to nine digits}],
 "decisions": [{"readable", "confidence", "name_confidence" or null, "decision"}],
 "updates":   [{"feed": text, "current", "state": or "error"}]}

Places in a text are counted in characters (Unicode code points). Where a kit is stricter than the task's own reader, it
is so because not every language can hold the value (a lone surrogate, a number beyond a double, bottomless nesting) or
because no grammar lets a model write it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.export.kits.functions import Field, Type
from pocketlm.export.kits.source import Kit
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.template import Message, Template

ROWS = 40
SAMPLES = 12  # calls of each function
DEEP = 80
STRINGS = (
    "7 am", "", "Łódź, naïve Straße", "👩‍🚀 and 🇫🇷", 'say "hi" \\ back', "two\nlines\tand\r\nmore", "\u0001 \u007f \u2028", "</b> & <|x|>",
    "e\u0301 is not \u00e9", "a/b", "$name ${x} %s {y} `z`", " spaces ", "\u0000", "日本語",
)  # fmt: skip
INTEGERS = (0, 7, -3, 2**53 + 1, -(2**63), 2**63 - 1)
NUMBERS = (0.5, -1.5e-7, 1e30, 3, -2.25, 12345678901234567890, 1e-320)
ANYTHING: tuple[Any, ...] = ("x", 1, None, {"a": [True, {}]}, [], -0.5)
# text and the character where reading it stops, in compact JSON
MALFORMED = [
    ("", 0), ("   ", 3), ("hello", 0), ("{", 1), ('{"a', 1), ('{"a"', 4), ('{"a":', 5), ('{"a":}', 5), ('{"a":{},}', 8), ("{}}", 2),
    ("{} x", 3), ("[", 1), ("[1", 2), ("[1]", 0), ("true", 0), ('"x"', 0), ("7", 0), ("nul", 0), ('{"a":01}', 6), ('{"a":-}', 5),
    ('{"a":.5}', 5), ('{"a":1.}', 6), ('{"a":+1}', 5), ('{"a":"x\ny"}', 7), ('{"a":"\\x"}', 6), ('{"a":"\\u12"}', 6), ("{'a':1}", 1),
    ('{"é😀"', 5), ('{"a":{"b":"c}', 10), ("😀", 0), ("{a:1}", 1), ('{"a" "b"}', 5), ("[{} {}]", 4), ("\u0000", 0),
]  # fmt: skip
STRICTER = [
    ('{"a":NaN}', 5), ('{"a":-Infinity}', 5), ('{"a":1e999}', 5), ('{"a":"\\ud83d"}', 12), ('{"a":"\\udc00x"}', 6),
    ('{"a":"\\ud83d\\u0041"}', 6), ('{"a":' + "9" * 400 + "}", 5), ("[" * DEEP, 64),
]  # fmt: skip
OPEN, CLOSE, MARK = "<start_function_call>", "<end_function_call>", "<escape>"
GEMMA_MALFORMED = [
    ("hello", 0), ("{}", 0), (OPEN, 0), (f"{OPEN}call:", 26), (f"{OPEN}call:a", 26), (f"{OPEN}call:a b{{}}{CLOSE}", 26),
    (f"{OPEN}call:a{{", 28), (f"{OPEN}call:a{{}}", 29), (f"{OPEN}call:a{{b}}{CLOSE}", 28), (f"{OPEN}call:a{{b:}}{CLOSE}", 30),
    (f"{OPEN}call:a{{b:{MARK}c}}{CLOSE}", 30), (f"{OPEN}call:a{{b:x}}{CLOSE}", 30), (f"{OPEN}call:é{{b:1", 31), (f" {OPEN}call:a{{}}{CLOSE} x", 50), (f"{OPEN}call:a{{b:[1 2]}}{CLOSE}", 33),
]  # fmt: skip
GEMMA_STRICTER = [(OPEN + "call:a{b:" + "[" * DEEP, 93), (OPEN + "call:a{b:1,}" + CLOSE, 32)]
SHA = "0123456789abcdef" * 4
FEED = {"latest": "1.10.0", "minimum": "1.2", "url": "https://example.com/model", "sha256": SHA}
UPDATES: list[tuple[Any, str, str]] = [
    (FEED, "1.10.0", "up_to_date"), (FEED, "1.10", "up_to_date"), (FEED, "1.10.0.1", "up_to_date"), (FEED, "2", "up_to_date"),
    (FEED, "1.9.9", "available"), (FEED, "1.2.0", "available"), (FEED, "1.1.99", "required"), (FEED, "0", "required"),
    ({**FEED, "minimum": "1.10.0"}, "1.9.0", "required"), ({**FEED, "more": [1]}, "1.9.0", "available"),
    ({key: FEED[key] for key in ("latest", "url", "sha256")}, "0.1", "available"),
    (FEED, "", "error"), (FEED, "1.x", "error"), (FEED, "1..2", "error"), (FEED, "1.2.3.4.5", "error"), (FEED, "v1.2", "error"),
    (FEED, "1.2.", "error"), (FEED, "1234567890", "error"), (FEED, "1.2\n", "error"), (FEED, "١", "error"),
    ({**FEED, "latest": 2}, "1.0", "error"), ({**FEED, "latest": "new"}, "1.0", "error"), ({**FEED, "minimum": None}, "1.0", "error"),
    ({**FEED, "sha256": "abc"}, "1.0", "error"), ({**FEED, "sha256": SHA[1:] + "g"}, "1.0", "error"), ({"latest": "1.0"}, "1.0", "error"),
    ([], "1.0", "error"), ("", "1.0", "error"), ("{", "1.0", "error"), ("[" * DEEP, "1.0", "error"),
]  # fmt: skip


def make_vectors(kit: Kit, task: CallTask, template: Template, rows: Sequence[CallRow]) -> dict[str, list[Any]]:
    """The vectors of one kit; `rows` are the task's."""
    made = Maker(kit, task, template)
    return {
        "prompts": [made.prompt(messages) for messages in [*(row.messages for row in rows[:ROWS]), *_dialogues()]],
        "answers": made.answers(rows[:ROWS]),
        "errors": made.errors(),
        "confidences": [
            {"signal": signal, "confidence": kit.calibration.chance({kit.calibration.signal: signal})}
            for signal in _signals(kit)
        ],
        "decisions": list(_decisions(kit)),
        "updates": [
            {"feed": feed if isinstance(feed, str) else dump_compact(feed), "current": current, "state": state}
            for feed, current, state in UPDATES
        ],
    }


def _dialogues() -> Iterator[Sequence[Message]]:
    for text in STRINGS:
        yield (Message("user", text),)
    yield (Message("user", "first"), Message("assistant", '{"a":{}}'), Message("user", "then 🙂"))
    yield (Message("system", "Be brief."), Message("user", "x"))
    yield ()


class Maker:
    """Makes vectors with the task's own renderer and reader."""

    def __init__(self, kit: Kit, task: CallTask, template: Template) -> None:
        self.kit, self.task, self.template = kit, task, template
        self.functions = {function.name: function for function in kit.functions}

    def prompt(self, messages: Sequence[Message]) -> dict[str, Any]:
        """A dialogue and the bytes of its prompt."""
        text = self.task.prompt(CallRow(tuple(messages), ()), self.template)
        return {"messages": [{"role": m.role, "content": m.content} for m in messages], "prompt": text.encode().hex()}

    def text(self, calls: Sequence[Call]) -> str:
        """What the model is trained to write for some calls, without the stop token."""
        written = self.task.completion(CallRow((Message("user", ""),), tuple(calls)), self.template)
        return written.removesuffix(self.template.stop)

    def answers(self, rows: Sequence[CallRow]) -> list[dict[str, Any]]:
        """Answers that can be read: of the rows, of every function, several calls, none, and unusual forms."""
        calls = [
            Call(function.name, sample(function.arguments, n))
            for function in self.kit.functions
            for n in range(SAMPLES)
        ]
        texts = [self.task.completion(row, self.template).removesuffix(self.template.stop) for row in rows]
        texts += [self.text([call]) for call in calls]
        texts += [self.text([]), self.text(calls[:3]), self.text(calls[-2:])]
        if not self.kit.is_gemma:
            texts += ["{}", " {}\n", "[]", "[{},{}]", *(text for call in calls[::SAMPLES] for text in _unusual(call))]
        return [answer for text in dict.fromkeys(texts) if (answer := self.answer(text))]

    def answer(self, text: str) -> dict[str, Any] | None:
        """A text with its calls as the task reads them; None where its tools or its format do not allow them."""
        calls = self.read(text)
        if calls is None or any(self.task.tools.check_call(call) for call in calls):
            return None
        return {
            "text": text,
            "calls": [
                {"name": c.name, "arguments": without_null(c.arguments, self.functions[c.name].arguments)}
                for c in calls
            ],
            "confirm": [self.functions[call.name].confirm for call in calls],
        }

    def read(self, text: str) -> list[Call] | None:
        """The calls of a text, None where they cannot be read: Gemma's format cannot hold every name."""
        try:
            return self.task.parse(text, self.template)
        except ValueError:
            return None

    def errors(self) -> list[dict[str, Any]]:
        """Answers that cannot be read, and calls that break their schema."""
        malformed = GEMMA_MALFORMED + GEMMA_STRICTER if self.kit.is_gemma else MALFORMED + STRICTER
        found = [_error(text, "syntax", f"character {place}") for text, place in malformed]
        found.append(_error(self.text([Call("no such", {})]).replace("no such", "nope"), "unknown_function", "nope"))
        if not self.kit.is_gemma:
            found += [_error(f"{{{dump_compact(name)}:7}}", "wrong_type", name) for name in list(self.functions)[:2]]
        for function in self.kit.functions:
            for arguments, kind, place in broken(function.arguments, function.name):
                text = self.text([Call(function.name, arguments)]) if isinstance(arguments, dict) else ""
                if text and self.read(text) is not None:
                    found.append(_error(text, kind, place))
        return found


def _error(text: str, kind: str, place: str) -> dict[str, Any]:
    return {"text": text, "kind": kind, "place": place}


def _unusual(call: Call) -> Iterator[str]:
    """The longer forms that models write of themselves, escapes, spaces, a name given twice."""
    name, arguments = dump_compact(call.name), dump_compact(call.arguments)
    escaped = "".join(f"\\u{int.from_bytes(unit, 'little'):04X}" for unit in _units(call.name))
    yield f'[{{"name":{name},"arguments":{arguments}}}]'
    yield f'{{"type":"function","id":"1","function":{{"name":{name},"parameters":{dump_compact(arguments)}}}}}'
    yield f'\t{{ "{escaped}" :\r\n {arguments} }} '
    yield f"{{{name}:{{}},{name}:{arguments}}}{{}}"


def _units(text: str) -> Iterator[bytes]:
    encoded = text.encode("utf-16-le")
    return (encoded[i : i + 2] for i in range(0, len(encoded), 2))


def sample(type_: Type, n: int) -> Any:
    """A value that fits, another for each `n`; of a record every second has the required fields alone."""
    if type_.nullable and n % 4 == 3:
        return None
    if type_.values:
        return type_.values[n % len(type_.values)]
    if type_.kind == "record":
        return {f.name: sample(f.type, n + i) for i, f in enumerate(type_.fields) if f.required or n % 2 == 0}
    if type_.item:
        return [sample(type_.item, n + i) for i in range(n % 3 + (n == 0))]
    if type_.kind == "integer":
        return _bounded(INTEGERS[n % len(INTEGERS)], type_)
    if type_.options:
        return sample(type_.options[n % len(type_.options)], n)
    odd: dict[str, Sequence[Any]] = {"string": STRINGS, "number": NUMBERS, "boolean": (True, False)}
    values = odd.get(type_.kind, ANYTHING)
    return values[n % len(values)]


def _bounded(value: int, type_: Type) -> int:
    low = value if type_.minimum is None else max(value, type_.minimum)
    return low if type_.maximum is None else min(low, type_.maximum)


def without_null(value: Any, type_: Type) -> Any:
    """A value as a kit gives it back: an optional field that is null is left out."""
    if type_.kind == "record" and isinstance(value, dict):
        fields = {field.name: field for field in type_.fields}
        return {
            key: without_null(item, fields[key].type)
            for key, item in value.items()
            if not _is_dropped(item, fields[key])
        }
    if type_.item and isinstance(value, list):
        return [without_null(item, type_.item) for item in value]
    return value


def _is_dropped(value: Any, field: Field) -> bool:
    return value is None and not field.required


def broken(type_: Type, place: str) -> Iterator[tuple[Any, str, str]]:
    """Values that do not fit, each with one fault: (value, kind of error, place)."""
    wrong: dict[str, tuple[Any, ...]] = {
        "string": (7, ["x"]), "choice": (7,), "integer": ("7", 7.5, True, 10**30), "number": ("7", False),
        "boolean": (1, "true"), "list": ("x", {}), "record": ("x", []), "json": (),
    }  # fmt: skip
    for value in (*wrong[type_.kind], *(() if type_.nullable or type_.kind == "json" else (None,))):
        yield value, "wrong_type", place
    for value in _not_allowed(type_):
        yield value, "not_allowed", place
    if type_.item:
        for value, kind, inner in broken(type_.item, f"{place}[1]"):
            yield [_good(type_.item), value], kind, inner
    if type_.kind == "record":
        yield from _broken_record(type_, place)


def _good(type_: Type) -> Any:
    """A value that fits and is whole."""
    return sample(type_, 0)


def _not_allowed(type_: Type) -> Iterator[Any]:
    if type_.kind == "choice":
        yield from (value for value in ("zzz", "", f"{type_.values[0]} ") if value not in type_.values)
    if type_.kind in ("integer", "number") and type_.values:
        yield max(type_.values) + 1
    if type_.kind == "boolean" and len(type_.values) == 1:
        yield not type_.values[0]
    if type_.minimum is not None and type_.minimum > INTEGERS[-2]:
        yield type_.minimum - 1
    if type_.maximum is not None and type_.maximum < INTEGERS[-1]:
        yield type_.maximum + 1


def _broken_record(type_: Type, place: str) -> Iterator[tuple[Any, str, str]]:
    good = _good(type_)
    for field in type_.fields:
        if field.required:
            yield {k: v for k, v in good.items() if k != field.name}, "missing_argument", f"{place}.{field.name}"
        for value, kind, inner in broken(field.type, f"{place}.{field.name}"):
            yield {**good, field.name: value}, kind, inner
    unknown = next(name for name in ("zzz", "zzzz", "zzzzz") if name not in good)
    yield {**good, unknown: 1}, "unknown_argument", f"{place}.{unknown}"


def _signals(kit: Kit) -> list[float]:
    knots = [x for x, _ in kit.calibration.knots][:20]
    between = [(a + b) / 2 for a, b in pairwise(knots)]
    return [-1000.0, -30.0, -2.5, -0.75, -0.1, -1e-6, 0.0, *knots, *between]


def _decisions(kit: Kit) -> Iterator[dict[str, Any]]:
    marks = [mark for mark in (kit.threshold, kit.ask_threshold) if mark is not None]
    certainties = sorted({0.0, 0.5, 1.0, *marks, *(mark - 1e-6 for mark in marks), *(mark + 1e-6 for mark in marks)})
    for readable in (True, False):
        for confidence in certainties:
            for name in (None, *certainties):
                yield {
                    "readable": readable, "confidence": confidence, "name_confidence": name,
                    "decision": _decide(kit, readable, confidence, name),
                }  # fmt: skip


def _decide(kit: Kit, readable: bool, confidence: float, name: float | None) -> str:
    """As `Calibration.decide`."""
    if readable and kit.threshold is not None and confidence >= kit.threshold:
        return "answer"
    asks = readable and kit.ask_threshold is not None and (confidence if name is None else name) >= kit.ask_threshold
    return "ask_back" if asks else "fallback"
