"""The Python kit: one file of the standard library, for servers, scripts, and as the twin that is easiest to read."""

from __future__ import annotations

import keyword
from pathlib import Path

from pocketlm.core.files import write_text
from pocketlm.evaluate.calibrate import SURE, Calibration
from pocketlm.export.kits.functions import Field, Function, Type
from pocketlm.export.kits.source import Kit, TypeNames, fill, quote, snake, unique, wrapped

RESERVED = {*keyword.kwlist, *keyword.softkwlist, "self", "cls", "read", "to_json"}
TAKEN = {
    "Any", "Call", "CallError", "Callable", "ClassVar", "Decision", "Enum", "FeedError", "Mapping", "Message", "Release",
    "Sequence", "Union", "Update", "False", "None", "True",
}  # fmt: skip
BASIC = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "json": "Any"}

ISOTONIC = """\
if signal <= knots[0][0]:
    return knots[0][1]
for (x, y), (next_x, next_y) in zip(knots, knots[1:]):
    if signal <= next_x:
        return y + (next_y - y) * (signal - x) / (next_x - x)
return knots[-1][1]"""


def write(kit: Kit, out: Path, vectors: str) -> list[Path]:
    """NAME.py and test_vectors.py."""
    module = snake(kit.module)
    files = {f"{module}.py": source(kit), "test_vectors.py": fill("test_vectors.py.in", {"module": module})}
    for name, text in files.items():
        write_text(out / name, text)
    return [out / name for name in files]


def source(kit: Kit) -> str:
    """The text of the module."""
    names = Names(kit)
    functions = [(names.of(function.arguments), function) for function in kit.functions]
    answer = fill("gemma.py.in" if kit.is_gemma else "compact.py.in", {})
    write_compact = "json.dumps(value, ensure_ascii=False, separators=(',', ':'))".replace("'", '"')
    answer += f"\n\ndef _compact(value: Any) -> str:\n    return {write_compact}\n\n\n"
    called = 'f"{OPEN}call:{call.FUNCTION}{_gemma_text(call.to_json())}{CLOSE}"'
    return fill(
        "kit.py.in",
        {
            "title": " ".join(f"{kit.name} {kit.version}".split()),
            "version": literal(kit.version),
            "stop": literal(kit.template.stop),
            "max_tokens": str(kit.max_tokens),
            "feed": literal(kit.feed) if kit.feed else "None",
            "types": "\n\n\n".join(names.define(t) for t in kit.named_types()) + "\n\n" * bool(kit.named_types()),
            "functions": "\n\n\n".join(names.record(f.arguments, f) for f in kit.functions) + "\n\n",
            "call": f"Union[{', '.join(name for name, _ in functions)}]" if functions else "Any",
            "registry": "\n".join(f"{literal(function.name)}: {name}," for name, function in functions),
            "confirm": ", ".join(literal(f.name) for f in kit.functions if f.confirm),
            "around": "\n".join(
                f"{literal(role)}: ({', '.join(map(literal, kit.template.around(role)))}),"
                for role in ("system", "user", "assistant")
            ),
            "opening": "\n".join(literal(line) + "," for line in kit.opening.splitlines(keepends=True)),
            "answer": literal(kit.template.answer),
            "render_call": called if kit.is_gemma else "_compact({call.FUNCTION: call.to_json()})",
            "answer_format": answer,
            "signal": kit.signal,
            "curve": _curve(kit.calibration),
            "threshold": repr(kit.threshold),
            "ask_threshold": repr(kit.ask_threshold),
        },
    )


def literal(text: str) -> str:
    """A string literal."""
    return quote(text, lambda letter: f"\\U{ord(letter):08x}", "")


def _curve(calibration: Calibration) -> str:
    if calibration.method == "temperature":
        return f"return min(math.exp(min(signal, 0.0) / {calibration.temperature!r}), {SURE!r})"
    knots = "".join(f"    {knot!r},\n" for knot in calibration.knots)
    return f"knots = [  # signal and chance\n{knots}]\n{ISOTONIC}"


class Names(TypeNames):
    """Writes types under legal names."""

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit, TAKEN)

    def define(self, type_: Type) -> str:
        """The class of a choice or a record inside the arguments."""
        return self.choice(type_) if type_.kind == "choice" else self.record(type_)

    def choice(self, type_: Type) -> str:
        """An enumeration."""
        values = [str(value) for value in type_.values]
        names = unique(values, lambda value: snake(value).upper(), {"MRO"})
        lines = [f"    {name} = {literal(value)}" for name, value in zip(names, values, strict=True)]
        return "\n".join([f"class {self.of(type_)}(Enum):", f'    """{".".join(type_.path)}."""', "", *lines])

    def record(self, type_: Type, function: Function | None = None) -> str:
        """A data class; of a function's arguments where `function` is given."""
        fields = sorted(type_.fields, key=lambda field: field.may_miss)  # those without a default first
        names = unique((field.name for field in fields), snake, RESERVED)
        about = wrapped((function.about if function else "") or ".".join(type_.path))
        lines = ["@dataclass(frozen=True)", f"class {self.of(type_)}:", *_docstring(about), ""]
        if function:
            lines += [f"    FUNCTION: ClassVar[str] = {literal(function.name)}"]
        for name, field in zip(names, fields, strict=True):
            lines += [f"    # {line}" for line in wrapped(field.about)]
            lines.append(f"    {name}: {self.shown(field.type)}" + (" | None = None" if field.may_miss else ""))
        return "\n".join([*lines, "", *self._read(type_, fields, names), "", *_to_json(fields, names)])

    def shown(self, type_: Type) -> str:
        """The annotation of a type, without its null."""
        if type_.kind in ("choice", "record"):
            return self.of(type_)
        if type_.item:
            item = self.shown(type_.item)
            return f"list[{item} | None]" if type_.item.nullable and item != "Any" else f"list[{item}]"
        return BASIC[type_.kind]

    def _read(self, type_: Type, fields: list[Field], names: list[str]) -> list[str]:
        known = _tuple(field.name for field in type_.fields)
        required = _tuple(field.name for field in type_.fields if field.required)
        found = "fields = " if fields else ""
        put = {
            field.name: f"            {name}=_field(fields, place, {literal(field.name)}, {self.reader(field.type)}),"
            for name, field in zip(names, fields, strict=True)
        }
        return [
            "    @classmethod",
            f"    def read(cls, value: Any, place: str) -> {self.of(type_)}:",
            f"        {found}_fields(value, place, {known}, {required})",
            "        return cls(",
            *(put[field.name] for field in type_.fields),
            "        )",
        ]

    def reader(self, type_: Type) -> str:
        """The expression that reads a value of this type."""
        bounds = [f"{name}={value}" for name, value in _bounds(type_)]
        if type_.kind == "choice":
            made = f"_choice({self.of(type_)})"
        elif type_.kind == "record":
            made = f"{self.of(type_)}.read"
        elif type_.item:
            made = f"_list({self.reader(type_.item)})"
        elif type_.kind == "string":
            made = "_string"
        elif type_.kind == "json":
            made = f"_any_of({', '.join(map(self.reader, type_.options))})"
        else:
            made = f"_{type_.kind}({', '.join([*map(repr, type_.values), *bounds])})"
        return f"_nullable({made})" if type_.nullable else made


def _bounds(type_: Type) -> list[tuple[str, int]]:
    told = (("minimum", type_.minimum), ("maximum", type_.maximum))
    return [(name, value) for name, value in told if value is not None]


def _tuple(names: object) -> str:
    shown = [literal(name) for name in names]  # type: ignore[attr-defined]
    return f"({', '.join(shown)}{',' if len(shown) == 1 else ''})"


def _docstring(lines: list[str]) -> list[str]:
    safe = [line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') for line in lines]
    if safe[-1].endswith('"'):
        safe[-1] += " "
    if len(safe) == 1:
        return [f'    """{safe[0]}"""']
    return [f'    """{safe[0]}', *(f"    {line}" for line in safe[1:]), '    """']


def _to_json(fields: list[Field], names: list[str]) -> list[str]:
    pairs = ", ".join(f"{literal(f.name)}: self.{name}" for name, f in zip(names, fields, strict=True))
    optional = _tuple(field.name for field in fields if not field.required)
    return [
        "    def to_json(self) -> dict[str, Any]:",
        f"        return _object({{{pairs}}}, {optional})"
        if optional != "()"
        else f"        return _object({{{pairs}}})",
    ]
