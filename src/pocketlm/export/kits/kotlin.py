"""The Kotlin kit: a Gradle module that needs the standard library and nothing else.

Its tests need `kotlinc`: a release of the Kotlin compiler, or the npm package `kotlin-compiler`, which holds all of it
(`npm install kotlin-compiler`, then node_modules/kotlin-compiler/bin/kotlinc, made executable; Java 17 runs it). It is
looked for on PATH and in POCKETLM_KOTLINC.
"""

from __future__ import annotations

from pathlib import Path

from pocketlm.core.files import write_text
from pocketlm.evaluate.calibrate import SURE, Calibration
from pocketlm.export.kits.functions import Field, Function, Type, words
from pocketlm.export.kits.source import Kit, TypeNames, camel, fill, joined, quote, snake, unique, wrapped

KEYWORDS = words(
    "as break class continue do else false for fun if in interface is null object package return super this throw true try"
    " typealias typeof val var when while field it functionName toJson name ordinal entries"
)
TAKEN = words(
    "Any Array Boolean Call CallErrorKind CallException Comparable Decision Double Exception FeedException Fields Int Json"
    " JsonReader JsonWritable GemmaReader List Long Map Message Model Nothing Number Pair Read Regex Release Role Set String Triple"
    " Unit Update Version Companion Char StringBuilder"
)
BASIC = {"string": "String", "integer": "Long", "number": "Double", "boolean": "Boolean", "json": "Json"}

ISOTONIC = """\
if (signal <= knots.first().first) return knots.first().second
for ((left, right) in knots.zipWithNext()) {
    if (signal > right.first) continue
    return left.second + (right.second - left.second) * (signal - left.first) / (right.first - left.first)
}
return knots.last().second"""


def write(kit: Kit, out: Path, vectors: str) -> list[Path]:
    """A Gradle module; `vectors` is the text of vectors.json."""
    package = package_of(kit)
    main, tests = f"src/main/kotlin/{package}", "src/test"
    values = {"package": package, **_values(kit)}
    files = {
        "build.gradle.kts": fill("build.gradle.kts.in", values),
        "settings.gradle.kts": f"rootProject.name = {literal(snake(kit.module).replace('_', '-'))}\n",
        f"{main}/Functions.kt": fill("Functions.kt.in", values),
        f"{main}/Json.kt": fill("Json.kt.in", values),
        f"{main}/Reading.kt": fill("Reading.kt.in", values),
        f"{main}/Answer.kt": fill("Gemma.kt.in" if kit.is_gemma else "Compact.kt.in", values),
        f"{main}/Prompt.kt": fill("Prompt.kt.in", values),
        f"{main}/Decision.kt": fill("Decision.kt.in", values),
        f"{tests}/kotlin/{package}/VectorTest.kt": fill("VectorTest.kt.in", values),
        f"{tests}/resources/vectors.json": vectors,
    }
    for name, text in files.items():
        write_text(out / name, text)
    return [out / name for name in files]


def package_of(kit: Kit) -> str:
    """The name to import."""
    return snake(kit.module).replace("_", "")


def literal(text: str) -> str:
    """A string literal."""
    return quote(text, lambda letter: "\\$" if letter == "$" else _units(letter), "$")


def _units(letter: str) -> str:
    encoded = letter.encode("utf-16-be")
    return "".join(f"\\u{encoded[i : i + 2].hex()}" for i in range(0, len(encoded), 2))


def _values(kit: Kit) -> dict[str, str]:
    names = Names(kit)
    return {
        "title": " ".join(wrapped(f"{kit.name} {kit.version}")),
        "version": literal(kit.version),
        "stop": literal(kit.template.stop),
        "max_tokens": str(kit.max_tokens),
        "feed": literal(kit.feed) if kit.feed else "null",
        "functions": "".join(names.record(f.arguments, f) + "\n\n" for f in kit.functions).removesuffix("\n"),
        "types": "".join(names.define(t) + "\n\n" for t in kit.named_types()).removesuffix("\n"),
        "registry": "\n".join(f"{literal(f.name)} to {names.reader(f.arguments)}," for f in kit.functions),
        "confirm": ", ".join(literal(f.name) for f in kit.functions if f.confirm),
        "around": "\n".join(
            f"Role.{role.upper()} -> {joined('content', kit.template.around(role), literal)}"
            for role in ("system", "user", "assistant")
        ),
        "opening": "\n".join(literal(line) + "," for line in kit.opening.splitlines(keepends=True)),
        "answer": literal(kit.template.answer),
        "signal": kit.signal,
        "imports": "import kotlin.math.exp\nimport kotlin.math.min\n" if kit.calibration.method == "temperature" else "",
        "curve": _curve(kit.calibration),
        "threshold": repr(kit.threshold) if kit.threshold is not None else "null",
        "ask_threshold": repr(kit.ask_threshold) if kit.ask_threshold is not None else "null",
    }  # fmt: skip


def _curve(calibration: Calibration) -> str:
    if calibration.method == "temperature":
        return f"return min(exp(min(signal, 0.0) / {calibration.temperature!r}), {SURE!r})"
    knots = "".join(f"    {x!r} to {y!r},\n" for x, y in calibration.knots)
    return f"val knots = listOf( // signal and chance\n{knots})\n{ISOTONIC}"


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
        names = unique(values, lambda value: snake(value).upper())
        pairs = zip(names, values, strict=True)
        return "\n".join([
            f"enum class {self.of(type_)}(val value: String) : JsonWritable {{",
            *(f"    {name}({literal(value)})," for name, value in pairs),
            "    ;",
            "",
            "    override fun toJson(): Json = Json.Text(value)",
            "",
            "    companion object {",
            f"        internal fun read(json: Json, place: String): {self.of(type_)} =",
            "            choice(json, place, entries.associateBy { it.value })",
            "    }",
            "}",
        ])  # fmt: skip

    def record(self, type_: Type, function: Function | None = None) -> str:
        """A data class; of a function's arguments where `function` is given."""
        fields = sorted(type_.fields, key=lambda field: field.may_miss)  # those without a default first
        names = dict(zip((f.name for f in fields), unique((f.name for f in fields), camel, KEYWORDS), strict=True))
        about = comment(function.about if function else "") or comment(".".join(type_.path))
        above = "Call" if function else "JsonWritable"
        named = [f"    override val functionName: String get() = {literal(function.name)}", ""] if function else []
        if not fields:
            return self._empty(type_, about, above, named)
        lines = [*about, f"data class {self.of(type_)}("]
        for field in fields:
            lines += [f"    {line}" for line in comment(field.about)]
            null = "? = null" if field.may_miss else ""
            lines.append(f"    val {names[field.name]}: {self.shown(field.type)}{null},")
        lines += [f") : {above} {{", *named, *self._to_json(type_, names), "", "    companion object {"]
        return "\n".join([*lines, *self._read(type_, names), "    }", "}"])

    def _empty(self, type_: Type, about: list[str], above: str, named: list[str]) -> str:
        name = self.of(type_)
        return "\n".join([
            *about,
            f"data object {name} : {above} {{",
            *named,
            "    override fun toJson(): Json = jsonObject()",
            "",
            f"    internal fun read(json: Json, place: String): {name} {{",
            "        Fields(json, place, known = listOf(), required = listOf())",
            "        return this",
            "    }",
            "}",
        ])  # fmt: skip

    def _to_json(self, type_: Type, names: dict[str, str]) -> list[str]:
        lines = ["    override fun toJson(): Json = jsonObject("]
        lines += [f"        {literal(f.name)} to {names[f.name]}," for f in type_.fields]
        optional = [literal(f.name) for f in type_.fields if not f.required]
        return [*lines, *([f"        optional = setOf({', '.join(optional)}),"] if optional else []), "    )"]

    def _read(self, type_: Type, names: dict[str, str]) -> list[str]:
        known = ", ".join(literal(f.name) for f in type_.fields)
        required = ", ".join(literal(f.name) for f in type_.fields if f.required)
        return [
            f"        internal fun read(json: Json, place: String): {self.of(type_)} {{",
            f"            val fields = Fields(json, place, known = listOf({known}), required = listOf({required}))",
            f"            return {self.of(type_)}(",
            *(f"                {names[f.name]} = {self._field(f)}," for f in type_.fields),
            "            )",
            "        }",
        ]

    def _field(self, field: Field) -> str:
        kind = "required" if field.required else "optional"
        return f"fields.{kind}({literal(field.name)}, {self.reader(field.type)})"

    def shown(self, type_: Type) -> str:
        """The type as it is written, without its null."""
        if type_.kind in ("choice", "record"):
            return self.of(type_)
        if type_.item:
            return f"List<{self.shown(type_.item)}{'?' * type_.item.nullable}>"
        return BASIC[type_.kind]

    def reader(self, type_: Type) -> str:
        """The expression that reads a value of this type."""
        values = [literal_of(value, type_.kind) for value in type_.values]
        bounds = [
            f"{name} = {literal_of(value, 'integer')}"
            for name, value in (("minimum", type_.minimum), ("maximum", type_.maximum))
            if value is not None
        ]
        if type_.kind in ("choice", "record"):
            made = f"{self.of(type_)}{'.Companion' if type_.kind == 'choice' or type_.fields else ''}::read"
        elif type_.item:
            made = f"list({self.reader(type_.item)})"
        elif type_.kind == "string":
            made = "::string"
        elif type_.kind == "json":
            made = f"anyOf({', '.join(map(self.reader, type_.options))})"
        else:
            made = f"{type_.kind}({', '.join([*values, *bounds])})"
        return f"nullable({made})" if type_.nullable else made


def literal_of(value: object, kind: str) -> str:
    """A number or a boolean."""
    if kind == "number":
        return repr(float(value))  # type: ignore[arg-type]
    limits = {-(2**63): "Long.MIN_VALUE", 2**63 - 1: "Long.MAX_VALUE"}
    return limits.get(value, str(value).lower()) if kind == "integer" else str(value).lower()  # type: ignore[call-overload]


def comment(text: str) -> list[str]:
    """A documentation comment; nothing for no text."""
    lines = wrapped(text)
    if len(lines) < 2:
        return [f"/** {line} */" for line in lines]
    return ["/**", *(f" * {line}" for line in lines), " */"]
