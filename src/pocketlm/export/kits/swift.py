"""The Swift kit: a package that needs the standard library and Foundation's exp.

Its tests need `swiftc` 5.9 or later: Swift's own releases, or the package `swiftlang` of Debian 13. On an older Debian: fetch
it and what it depends on with `apt-get install --download-only` from Debian 13, each unpacked with `dpkg -x` into one folder,
and let a script run its swiftc through `chroot`, with the folder's dynamic linker given to what it links. It is looked for
on PATH and in POCKETLM_SWIFTC.
"""

from __future__ import annotations

from pathlib import Path

from pocketlm.core.files import write_text
from pocketlm.evaluate.calibrate import SURE, Calibration
from pocketlm.export.kits.functions import Field, Function, Type, words
from pocketlm.export.kits.source import Kit, TypeNames, camel, fill, joined, pascal, quote, unique, wrapped

KEYWORDS = words(
    "associatedtype class deinit enum extension fileprivate func import init inout internal let open operator private"
    " precedencegroup protocol public rethrows static struct subscript typealias var break case catch continue default defer do"
    " else fallthrough for guard if in repeat return throw switch where while any as await false is nil self super throws true"
    " try actor async some type json functionName arguments needsConfirmation allCases value hash hashValue"
)
TAKEN = words(
    "Any Array Bool Call CallError Decision Double Equatable Error FeedError Fields GemmaReader Int Json JsonField JsonReader"
    " Message Model Optional Read Release Role Self Sendable Set String Type Unicode Update CaseIterable Protocol Never Void UInt8"
    " UInt32 ArraySlice Hashable"
)
BASIC = {"string": "String", "integer": "Int", "number": "Double", "boolean": "Bool", "json": "Json"}

ISOTONIC = """\
guard signal > knots[0].signal else { return knots[0].chance }
for (left, right) in zip(knots, knots.dropFirst()) where signal <= right.signal {
    return left.chance + (right.chance - left.chance) * (signal - left.signal) / (right.signal - left.signal)
}
return knots[knots.count - 1].chance"""


def write(kit: Kit, out: Path, vectors: str) -> list[Path]:
    """A Swift package; `vectors` is the text of vectors.json."""
    module = module_of(kit)
    main, tests = f"Sources/{module}", f"Tests/{module}Tests"
    values = {"module": module, **_values(kit)}
    files = {
        "Package.swift": fill("Package.swift.in", values),
        f"{main}/Functions.swift": fill("Functions.swift.in", values),
        f"{main}/Json.swift": fill("Json.swift.in", values),
        f"{main}/Reading.swift": fill("Reading.swift.in", values),
        f"{main}/Answer.swift": fill("Gemma.swift.in" if kit.is_gemma else "Compact.swift.in", values),
        f"{main}/Prompt.swift": fill("Prompt.swift.in", values),
        f"{main}/Decision.swift": fill("Decision.swift.in", values),
        f"{tests}/Vectors.swift": fill("Vectors.swift.in", values),
        f"{tests}/VectorTests.swift": fill("VectorTests.swift.in", values),
        f"{tests}/vectors.json": vectors,
    }
    for name, text in files.items():
        write_text(out / name, text)
    return [out / name for name in files]


def module_of(kit: Kit) -> str:
    """The name to import."""
    return pascal(kit.module)


def literal(text: str) -> str:
    """A string literal."""
    return quote(text, lambda letter: f"\\u{{{ord(letter):x}}}", "")


def _values(kit: Kit) -> dict[str, str]:
    names = Names(kit)
    cases = dict(
        zip((f.name for f in kit.functions), unique((f.name for f in kit.functions), camel, KEYWORDS), strict=True)
    )
    return {
        "title": " ".join(wrapped(f"{kit.name} {kit.version}")),
        "version": literal(kit.version),
        "stop": literal(kit.template.stop),
        "max_tokens": str(kit.max_tokens),
        "feed": literal(kit.feed) if kit.feed else "nil",
        "cases": "\n".join(f"case {cases[f.name]}({names.of(f.arguments)})" for f in kit.functions),
        "names": "\n".join(f"case .{cases[f.name]}: return {literal(f.name)}" for f in kit.functions),
        "arguments": "\n".join(f"case .{cases[f.name]}(let call): return call.json" for f in kit.functions),
        "confirm": "\n".join(f"case .{cases[f.name]}: return {str(f.confirm).lower()}" for f in kit.functions),
        "registry": "\n".join(
            f"if same(name, {literal(f.name)}) {{\n"
            f"    self = .{cases[f.name]}(try {names.of(f.arguments)}(reading: arguments, at: name))\n    return\n}}"
            for f in kit.functions
        ),
        "functions": "\n\n".join(names.record(f.arguments, f) for f in kit.functions) + "\n" * bool(kit.named_types()),
        "types": "\n\n".join(names.define(t) for t in kit.named_types()),
        "around": "\n".join(
            f"case .{role}: return {joined('message.content', kit.template.around(role), literal)}"
            for role in ("system", "user", "assistant")
        ),
        "opening": "\n".join(literal(line) + "," for line in kit.opening.splitlines(keepends=True)),
        "answer": literal(kit.template.answer),
        "signal": kit.signal,
        "imports": "import Foundation\n" if kit.calibration.method == "temperature" else "",
        "curve": _curve(kit.calibration),
        "threshold": repr(kit.threshold) if kit.threshold is not None else "nil",
        "ask_threshold": repr(kit.ask_threshold) if kit.ask_threshold is not None else "nil",
    }


def _curve(calibration: Calibration) -> str:
    if calibration.method == "temperature":
        return f"min(exp(min(signal, 0) / {calibration.temperature!r}), {SURE!r})"
    knots = "".join(f"    ({x!r}, {y!r}),\n" for x, y in calibration.knots)
    return f"let knots: [(signal: Double, chance: Double)] = [\n{knots}]\n{ISOTONIC}"


class Names(TypeNames):
    """Writes types under legal names."""

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit, {*TAKEN, module_of(kit)})

    def define(self, type_: Type) -> str:
        """The type of a choice or a record inside the arguments."""
        return self.choice(type_) if type_.kind == "choice" else self.record(type_)

    def choice(self, type_: Type) -> str:
        """An enumeration."""
        values = [str(value) for value in type_.values]
        names = unique(values, camel, KEYWORDS)
        return "\n".join([
            f"public enum {self.of(type_)}: CaseIterable, Sendable {{",
            *(f"    case {name}" for name in names),
            "",
            "    /// What stands in JSON.",
            "    public var value: String {",
            "        switch self {",
            *(f"        case .{name}: return {literal(value)}" for name, value in zip(names, values, strict=True)),
            "        }",
            "    }",
            "",
            "    public var json: Json { .string(value) }",
            "",
            "    init(reading json: Json, at place: String) throws {",
            "        self = try Read.choice(json, place, of: Self.allCases) { $0.value }",
            "    }",
            "}",
        ])  # fmt: skip

    def record(self, type_: Type, function: Function | None = None) -> str:
        """A struct; of a function's arguments where `function` is given."""
        names = dict(
            zip((f.name for f in type_.fields), unique((f.name for f in type_.fields), camel, KEYWORDS), strict=True)
        )
        about = wrapped(function.about if function else "") or [".".join(type_.path)]
        lines = [*(f"/// {line}" for line in about), f"public struct {self.of(type_)}: Equatable, Sendable {{"]
        for field in type_.fields:
            lines += [f"    /// {line}" for line in wrapped(field.about)]
            lines.append(f"    public var {names[field.name]}: {self.shown(field.type)}{'?' * field.may_miss}")
        lines += [""] * bool(type_.fields)
        return "\n".join(
            [*lines, *self._init(type_, names), "", *self._read(type_, names), "", *self._json(type_, names), "}"]
        )

    def _init(self, type_: Type, names: dict[str, str]) -> list[str]:
        parameters = [
            f"{names[f.name]}: {self.shown(f.type)}{'? = nil' if f.may_miss else ''}"
            for f in sorted(type_.fields, key=lambda field: field.may_miss)
        ]
        if not parameters:
            return ["    public init() {}"]
        return [
            f"    public init({', '.join(parameters)}) {{",
            *(f"        self.{names[f.name]} = {names[f.name]}" for f in type_.fields),
            "    }",
        ]

    def _read(self, type_: Type, names: dict[str, str]) -> list[str]:
        known = ", ".join(literal(f.name) for f in type_.fields)
        required = ", ".join(literal(f.name) for f in type_.fields if f.required)
        found = "let fields" if type_.fields else "_"
        return [
            "    init(reading json: Json, at place: String) throws {",
            f"        {found} = try Fields(json, at: place, known: [{known}], required: [{required}])",
            *(f"        self.{names[f.name]} = {self._field(f)}" for f in type_.fields),
            "    }",
        ]

    def _field(self, field: Field) -> str:
        kind = "required" if field.required else "optional"
        flat = " ?? nil" if field.type.nullable and not field.required else ""
        return f"try fields.{kind}({literal(field.name)}, {self.reader(field.type)}){flat}"

    def _json(self, type_: Type, names: dict[str, str]) -> list[str]:
        if not type_.fields:
            return ["    public var json: Json { .object([]) }"]
        lines = ["    public var json: Json {", "        Json(fields: ["]
        for field in type_.fields:
            value, key = names[field.name], literal(field.name)
            if not field.may_miss:
                lines.append(f"            JsonField({key}, {self.written(field.type, value)}),")
            elif field.required:
                lines.append(
                    f"            JsonField({key}, {value}.map {{ {self.written(field.type, '$0')} }} ?? .null),"
                )
            else:
                lines.append(f"            {value}.map {{ JsonField({key}, {self.written(field.type, '$0')}) }},")
        return [*lines, "        ])", "    }"]

    def written(self, type_: Type, value: str) -> str:
        """The expression of a value as JSON."""
        if type_.kind == "json":
            return value
        if not type_.item:
            return f"{value}.json"
        item = self.written(type_.item, "$0")
        return f".array({value}.map {{ {f'$0.map {{ {item} }} ?? .null' if type_.item.nullable else item} }})"

    def shown(self, type_: Type) -> str:
        """The type as it is written, without its null."""
        if type_.kind in ("choice", "record"):
            return self.of(type_)
        if type_.item:
            return f"[{self.shown(type_.item)}{'?' * type_.item.nullable}]"
        return BASIC[type_.kind]

    def reader(self, type_: Type) -> str:
        """The expression that reads a value of this type."""
        values = [literal_of(value, type_.kind) for value in type_.values]
        bounds = [
            f"{name}: {literal_of(value, 'integer')}"
            for name, value in (("minimum", type_.minimum), ("maximum", type_.maximum))
            if value is not None
        ]
        if type_.kind in ("choice", "record"):
            made = f"{self.of(type_)}.init(reading:at:)"
        elif type_.item:
            made = f"Read.list({self.reader(type_.item)})"
        elif type_.kind == "string":
            made = "Read.string"
        elif type_.kind == "json":
            made = f"Read.anyOf({', '.join(f'Read.fits({self.reader(option)})' for option in type_.options)})"
        else:
            made = f"Read.{type_.kind}({', '.join([*values, *bounds])})"
        return f"Read.nullable({made})" if type_.nullable else made


def literal_of(value: object, kind: str) -> str:
    """A number or a boolean."""
    return repr(float(value)) if kind == "number" else str(value).lower()  # type: ignore[arg-type]
