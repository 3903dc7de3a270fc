"""The C kit: one header and one source in C99, without dependencies and without malloc, for anything that links C."""

from __future__ import annotations

import re
from pathlib import Path

from pocketlm.core.files import write_text
from pocketlm.evaluate.calibrate import SURE, Calibration
from pocketlm.export.kits.functions import Field, Function, Type, words
from pocketlm.export.kits.source import Kit, fill, quote, snake, unique, wrapped

KEYWORDS = words(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict"
    " return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false main errno"
    # of C++, which may include the header
    " alignas alignof and asm bitand bitor catch class compl concept consteval constexpr constinit decltype delete dynamic_cast"
    " explicit export false friend mutable namespace new noexcept not nullptr operator or private protected public requires"
    " reinterpret_cast static_assert static_cast template this thread_local throw true try typeid typename typeof using virtual"
    " wchar_t xor linux unix near far signal stdin stdout stderr assert null offsetof"
)
TAKEN = words(
    "text arena status error json json_kind read_json field function call function_name needs_confirmation role message"
    " render_prompt parse_calls render_call render_arguments decision decide confidence update release check_for_update"
)
CONSTANTS = words(
    "H VERSION STOP MAX_TOKENS FEED_URL TEXT OK SYNTAX UNKNOWN_FUNCTION MISSING_ARGUMENT UNKNOWN_ARGUMENT WRONG_TYPE NOT_ALLOWED"
    " NO_MEMORY JSON_NULL JSON_BOOLEAN JSON_INTEGER JSON_NUMBER JSON_STRING JSON_ARRAY JSON_OBJECT SYSTEM USER ASSISTANT"
    " ANSWER ASK_BACK FALLBACK THRESHOLD ASK_THRESHOLD UP_TO_DATE UPDATE_AVAILABLE UPDATE_REQUIRED FEED_UNREADABLE"
    " NO_FUNCTION"
)
GEMMA_NAME = """\
if (r->marked)
    return read_until(r, ':', "{}[],<", out);"""
GEMMA_STRING = """\
if (!w->json) {
    put_text(w, ESCAPE);
    put(w, text.data, text.size);
    put_text(w, ESCAPE);
    return;
}"""
GEMMA_WRITE_NAME = """\
if (!w->json) {
    put(w, name, size);
    put_text(w, ":");
    return;
}"""
GEMMA_CALL = """\
put_text(&w, OPEN "call:");
put_text(&w, {p}_function_name(call->function));
write_arguments(&w, call);
put_text(&w, CLOSE);"""
COMPACT_CALL = """\
const char *name = {p}_function_name(call->function);
put_open(&w, "{{");
write_name(&w, name, strlen(name));
write_arguments(&w, call);
put_close(&w, "}}");"""

ISOTONIC = """\
const size_t count = sizeof knots / sizeof *knots;
if (signal <= knots[0][0])
    return knots[0][1];
for (size_t i = 1; i < count; i++) {
    const double *left = knots[i - 1], *right = knots[i];
    if (signal <= right[0])
        return left[1] + (right[1] - left[1]) * (signal - left[0]) / (right[0] - left[0]);
}
return knots[count - 1][1];"""


def write(kit: Kit, out: Path, vectors: str) -> list[Path]:
    """NAME.h, NAME.c and test_vectors.c."""
    module, prefix = snake(kit.module), snake(kit.name)
    common = {"p": prefix, "P": prefix.upper(), "header": f"{module}.h", "source": f"{module}.c"}
    common["title"] = " ".join(wrapped(f"{kit.name} {kit.version}"))
    made = Writer(kit, prefix)
    files = {
        f"{module}.h": fill("kit.h.in", common | made.header()),
        f"{module}.c": fill("kit.c.in", common | made.source(common)),
        "test_vectors.c": fill("test_vectors.c.in", common),
    }
    for name, text in files.items():
        write_text(out / name, text)
    return [out / name for name in files]


def literal(text: str) -> str:
    """A string literal in ASCII: other letters as the octal digits of their bytes, which end after three."""
    shown = "".join(chr(byte) if 32 <= byte < 127 or byte in (9, 10, 13) else f"\0{byte:03o}" for byte in text.encode())
    return quote(shown, lambda letter: "\\", "\0").replace("??", "?\\?")


def text(text: str) -> str:
    """The initializer of a text."""
    return f"{{{literal(text)}, {len(text.encode())}}}"


def integer(value: int) -> str:
    """An integer constant."""
    limits = {-(2**63): "INT64_MIN", 2**63 - 1: "INT64_MAX"}
    return limits.get(value, f"INT64_C({value})")


def comment(lines: list[str], indent: str = "") -> list[str]:
    """A comment of one or several lines; none for none."""
    if not lines:
        return []
    first, *rest = lines
    return [f"{indent}/* {first}", *(f"{indent}   {line}" for line in rest[:-1]), *_last(rest, indent)] if rest else [
        f"{indent}/* {first} */"
    ]  # fmt: skip


def _last(rest: list[str], indent: str) -> list[str]:
    return [f"{indent}   {rest[-1]} */"]


def _curve(calibration: Calibration) -> str:
    if calibration.method == "temperature":
        return (
            f"double chance = exp((signal < 0 ? signal : 0) / {calibration.temperature!r});\n"
            f"return chance < {SURE!r} ? chance : {SURE!r};"
        )
    knots = "".join(f"    {{{x!r}, {y!r}}},\n" for x, y in calibration.knots)
    return f"static const double knots[][2] = {{ /* signal and chance */\n{knots}}};\n{ISOTONIC}"


class Writer:
    """Writes types and functions under legal names, one each."""

    def __init__(self, kit: Kit, prefix: str) -> None:
        self.kit, self.p, self.up = kit, prefix, prefix.upper()
        inner = [t for function in kit.functions for t in function.arguments.walk()]
        self.named = [t for t in inner if t.kind in ("choice", "record", "list") or t.options]
        keys = [(*t.path, t.kind) if t.kind in ("list", "json") else t.path for t in self.named]
        functions = [f.arguments for f in kit.functions]
        order = sorted(
            range(len(keys)), key=lambda i: self.named[i] not in functions
        )  # functions have the first choice
        legal = unique((" ".join(keys[i]) for i in order), snake, TAKEN)
        self._names = {self.key(self.named[i]): name for i, name in zip(order, legal, strict=True)}
        members = [(f.arguments, f.name) for f in kit.functions]
        members += [(t, f"{' '.join(t.path)} {value}") for t in self.named if t.kind == "choice" for value in t.values]
        constants = unique((name for _, name in members), lambda name: snake(name).upper(), CONSTANTS)
        self._constants: dict[tuple[str, ...], list[str]] = {}
        for (type_, _), constant in zip(members, constants, strict=True):
            self._constants.setdefault(self.key(type_), []).append(f"{self.up}_{constant}")
        tags = unique((f.name for f in kit.functions), snake, KEYWORDS)
        self.members = {f.name: member for f, member in zip(kit.functions, tags, strict=True)}

    @staticmethod
    def key(type_: Type) -> tuple[str, ...]:
        """What tells a type from all others."""
        return (*type_.path, f"({type_.kind})")

    def name(self, type_: Type) -> str:
        """The name of a type without the prefix."""
        return self._names[self.key(type_)]

    def tag(self, function: Function) -> str:
        """The constant of a function."""
        return self._constants[self.key(function.arguments)][0]

    def header(self) -> dict[str, str]:
        """What fills the header."""
        kit, functions = self.kit, [f for f in self.kit.functions if f.fields]
        outer = [f.arguments for f in kit.functions]
        inner = [self.define(t) for t in self.named if t.kind != "json" and t not in outer]
        union = [f"    {self.p}_{self.name(f.arguments)} {self.members[f.name]};" for f in functions]
        return {
            "version": literal(kit.version),
            "stop": literal(kit.template.stop),
            "max_tokens": str(kit.max_tokens),
            "feed": f"#define {self.up}_FEED_URL {literal(kit.feed)}" if kit.feed else "",
            "types": "".join(text + "\n\n" for text in inner).rstrip("\n") + "\n" * bool(inner),
            "functions": "".join(self.record(f.arguments, f) + "\n\n" for f in functions).rstrip("\n") + "\n" * bool(functions),
            "tags": ",\n".join([self.tag(f) for f in kit.functions] or [f"{self.up}_NO_FUNCTION"]),
            "union": "\n".join(["union {", *union, "} as;"]) if union else "",
            "signal": kit.signal,
            "thresholds": "\n".join(
                f"#define {self.up}_{name} {value!r} /* {why} */" if value is not None
                else f"#define {self.up}_{name} 2.0 /* no chance reaches it: none is known */"
                for name, value, why in (
                    ("THRESHOLD", kit.threshold, "calls at least this sure keep the calibrated promise"),
                    ("ASK_THRESHOLD", kit.ask_threshold, "calls whose function is at least this sure are worth asking about"),
                )
            ),
        }  # fmt: skip

    def source(self, common: dict[str, str]) -> dict[str, str]:
        """What fills the source; helpers that nothing calls are left out."""
        gemma = self.kit.is_gemma
        marked = {
            "marked_name": GEMMA_NAME if gemma else "",
            "marked_string": GEMMA_STRING if gemma else "",
            "marked_write_name": GEMMA_WRITE_NAME if gemma else "",
        }
        read_call, registry = self.read_call(), self.registry()
        readers = [self.reader(t) for t in self.named]
        writers = [*(self.writer(t) for t in self.named if t.kind != "json"), self.write_arguments()]
        call = (GEMMA_CALL if gemma else COMPACT_CALL).format(p=self.p)
        kept = common | marked
        around = [self.kit.template.around(role) for role in ("system", "user", "assistant")]
        return marked | {
            "reader_style": "bool marked; /* strings stand between marks, names have no quotes */" if gemma else "",
            "writer_style": "bool json; /* otherwise as the model writes */" if gemma else "",
            "as_json": "w.json = true;" if gemma else "",
            "names": fill("gemma_names.c.in", kept) * gemma + fill("json_names.c.in", kept),
            "read_plain": "read_plain_value" if gemma else "read_value",
            "read_value": fill("gemma_values.c.in", kept) if gemma else "",
            "readers": used(fill("readers.c.in", kept), readers, read_call),
            "typed_writing": used(fill("writers.c.in", kept), writers, call + "write_arguments"),
            "render_call": call,
            "registry": registry,
            "confirm": "\n".join(f"case {self.tag(f)}:" for f in self.kit.functions if f.confirm)
            + "\n    return true;" * any(f.confirm for f in self.kit.functions),
            "read_call": read_call,
            "answer_format": fill("gemma.c.in" if gemma else "compact.c.in", kept),
            "curve": _curve(self.kit.calibration),
            "around": "\n".join(f"{{{', '.join([*map(literal, parts), 'NULL'])}}}," for parts in around),
            "most_around": str(max(map(len, around)) + 1),
            "opening": "\n".join(map(literal, self.kit.opening.splitlines(keepends=True))) or '""',
            "answer": literal(self.kit.template.answer),
        }

    def define(self, type_: Type) -> str:
        """The type of a choice, a list or a record inside the arguments."""
        if type_.kind == "record":
            return self.record(type_)
        name = f"{self.p}_{self.name(type_)}"
        if type_.kind == "list":
            assert type_.item
            item = self.ctype(type_.item, in_list=True)
            const = "" if item.startswith("const ") else "const "
            return f"typedef struct {{\n    size_t count;\n    {const}{item}{'' if item.endswith('*') else ' '}*items;\n}} {name};"
        return f"typedef enum {{\n    {f',{chr(10)}    '.join(self._constants[self.key(type_)])}\n}} {name};"

    def record(self, type_: Type, function: Function | None = None) -> str:
        """A struct; of a function's arguments where `function` is given."""
        lines = [*comment(wrapped(function.about if function else "") or [".".join(type_.path)]), "typedef struct {"]
        for field, name, has in self.fields(type_):
            lines += comment(wrapped(field.about), "    ")
            if has:
                lines.append(f"    bool {has};")
            kind = self.ctype(field.type)
            lines.append(f"    {kind}{'' if kind.endswith('*') else ' '}{name};")
        if not type_.fields:
            lines.append("    char nothing; /* it has no fields */")
        return "\n".join([*lines, f"}} {self.p}_{self.name(type_)};"])

    def fields(self, type_: Type) -> list[tuple[Field, str, str]]:
        """Fields with their member and the member that says whether there is a value; empty where there always is."""
        names = unique((field.name for field in type_.fields), snake, KEYWORDS)
        has = iter(unique((f"has {name}" for name in names), snake, {*KEYWORDS, *names}))
        told = [next(has) for _ in names]
        return [
            (field, name, flag if field.may_miss else "")
            for field, name, flag in zip(type_.fields, names, told, strict=True)
        ]

    def ctype(self, type_: Type, in_list: bool = False) -> str:
        """The C type of a value."""
        if type_.kind == "json" or (in_list and type_.nullable):
            return f"const {self.p}_json *"
        basic = {"string": f"{self.p}_text", "integer": "int64_t", "number": "double", "boolean": "bool"}
        return basic.get(type_.kind) or f"{self.p}_{self.name(type_)}"

    def read(self, type_: Type, value: str, where: str, out: str) -> str:
        """The condition that reads a value of this type into `out`, a pointer."""
        if type_.kind == "integer":
            least, most = (
                integer(bound if bound is not None else limit)
                for bound, limit in ((type_.minimum, -(2**63)), (type_.maximum, 2**63 - 1))
            )
            made = f"read_integer(r, {value}, {where}, {least}, {most}, {out})"
        elif type_.kind == "json" and not type_.options:
            made = f"read_any(r, {value}, {where}, {out})"
        else:
            basic = type_.kind in ("string", "number", "boolean")
            made = f"read_{type_.kind if basic else self.own(type_)}(r, {value}, {where}, {out})"
        return f"{made}{self.allowed(type_, where, out)}"

    def read_any(self, value: str, out: str) -> str:
        """The condition that takes any value as it is."""
        return f"read_any(r, {value}, &at, {out})"

    def own(self, type_: Type) -> str:
        """The name of a type's own functions, apart from those of all kits."""
        return f"the_{self.name(type_)}"

    def allowed(self, type_: Type, where: str, out: str) -> str:
        """The condition that a number or boolean is one of those allowed."""
        found = out[1:] if out.startswith("&") else f"*{out}"
        if not type_.values or type_.kind == "choice":
            return ""
        if type_.kind == "boolean":
            single = len(set(type_.values)) == 1
            return f" && is_boolean_of(r, {where}, {found}, {str(type_.values[0]).lower()})" if single else ""
        kind, shown = ("int64_t", integer) if type_.kind == "integer" else ("double", lambda v: repr(float(v)))
        values = ", ".join(map(shown, type_.values))
        return f" && is_{type_.kind}_of(r, {where}, {found}, (const {kind}[]){{{values}}}, {len(type_.values)})"

    def reader(self, type_: Type) -> str:
        """The function that reads a named type."""
        made = {"choice": self.read_choice, "list": self.read_list, "record": self.read_record, "json": self.read_union}
        out = f"const {self.p}_json **out" if type_.kind == "json" else f"{self.p}_{self.name(type_)} *out"
        head = f"static bool read_{self.own(type_)}(reader *r, const {self.p}_json *value, const place *where, {out})"
        return "\n".join([head, "{", *(f"    {line}" for line in made[type_.kind](type_)), "}"])

    def read_choice(self, type_: Type) -> list[str]:
        """The body that reads a choice."""
        values = ", ".join(text(str(value)) for value in type_.values)
        return [
            f"static const {self.p}_text allowed[] = {{{values}}};",
            "size_t index;",
            f"if (!read_choice(r, value, where, allowed, {len(type_.values)}, &index))",
            "    return false;",
            f"*out = ({self.p}_{self.name(type_)})index;",
            "return true;",
        ]

    def read_list(self, type_: Type) -> list[str]:
        """The body that reads a list."""
        item = type_.item
        assert item
        kind = self.ctype(item, in_list=True)
        space = "" if kind.endswith("*") else " "
        is_null = f"item->kind == {self.up}_JSON_NULL"
        target = "&items[at.index]"
        body = []
        if item.nullable and item.kind != "json":  # kept as JSON once it is checked
            body = [f"{self.ctype(item)} ignored;"]
            reads = f"({is_null} || ({self.read(item, 'item', '&at', '&ignored')})) && {self.read_any('item', target)}"
        elif item.nullable:
            reads = f"{is_null} ? {self.read_any('item', target)} : {self.read(item, 'item', '&at', target)}"
        else:
            reads = self.read(item, "item", "&at", target)
        body += [f"if (!({reads}))", "    return false;", "at.index++;"]
        return [
            f"if (value->kind != {self.up}_JSON_ARRAY)",
            f'    return fail(r, {self.up}_WRONG_TYPE, "expected a list", where);',
            f"{kind}{space}*items = allocate(r, value->count, sizeof *items);",
            "place at = {where, NULL, 0, 0};",
            "if (!items)",
            "    return false;",
            f"for (const {self.p}_json *item = value->first; item; item = item->next) {{",
            *(f"    {line}" for line in body),
            "}",
            "out->count = value->count;",
            "out->items = items;",
            "return true;",
        ]

    def read_record(self, type_: Type) -> list[str]:
        """The body that reads a record."""
        if not type_.fields:
            return ["out->nothing = 0;", "return check_fields(r, value, where, NULL, 0);"]
        known = [f"    {{{literal(f.name)}, {len(f.name.encode())}, {str(f.required).lower()}}}," for f in type_.fields]
        lines = [
            "static const known_field known[] = {", *known, "};",
            f"if (!check_fields(r, value, where, known, {len(known)}))", "    return false;",
            f"const {self.p}_json *found;",
        ]  # fmt: skip
        for i, (field, name, has) in enumerate(self.fields(type_)):
            lines.append(
                f"if ((found = {self.p}_field(value, known[{i}].name, known[{i}].size)) != NULL{self._not_null(field)}) {{"
            )
            lines.append(f"    place at = {{where, known[{i}].name, known[{i}].size, 0}};")
            reads = self.read(field.type, "found", "&at", f"&out->{name}")
            lines += [f"    if (!({reads}))", "        return false;"]
            lines += [f"    out->{has} = true;"] * bool(has) + ["}"]
        return [*lines, "return true;"]

    def _not_null(self, field: Field) -> str:
        return f" && found->kind != {self.up}_JSON_NULL" if field.type.nullable else ""

    def read_union(self, type_: Type) -> list[str]:
        """The body that checks a value of several types."""
        lines = ["*out = value;"]
        for option in type_.options:
            reads = self.read(option, "value", "where", "&read")
            lines += ["{", f"    {self.ctype(option)} read;", f"    if ({reads})", "        return true;"]
            lines += ["    if (!try_next(r))", "        return false;", "}"]
        return [*lines, f'return fail(r, {self.up}_WRONG_TYPE, "fits none of the types it may have", where);']

    def put(self, type_: Type, value: str, in_list: bool = False) -> str:
        """The statement that writes a value."""
        if type_.kind == "json" or (in_list and type_.nullable):
            return f"write_json(w, {value});"
        basic = type_.kind in ("string", "integer", "number", "boolean")
        return f"write_{type_.kind}(w, {value});" if basic else f"write_{self.own(type_)}(w, &{value});"

    def writer(self, type_: Type) -> str:
        """The function that writes a named type."""
        made = {"choice": self.write_choice, "list": self.write_list, "record": self.write_record}[type_.kind]
        head = f"static void write_{self.own(type_)}(writer *w, const {self.p}_{self.name(type_)} *value)"
        return "\n".join([head, "{", *(f"    {line}" for line in made(type_)), "}"])

    def write_choice(self, type_: Type) -> list[str]:
        """The body that writes a choice."""
        values = ", ".join(text(str(value)) for value in type_.values)
        return [f"static const {self.p}_text values[] = {{{values}}};", "write_string(w, values[*value]);"]

    def write_list(self, type_: Type) -> list[str]:
        """The body that writes a list."""
        assert type_.item
        return [
            'put_open(w, "[");',
            "for (size_t i = 0; i < value->count; i++) {",
            "    put_comma(w);",
            f"    {self.put(type_.item, 'value->items[i]', in_list=True)}",
            "}",
            'put_close(w, "]");',
        ]

    def write_record(self, type_: Type) -> list[str]:
        """The body that writes a record; in Gemma's format by the names' order."""
        lines = ['put_open(w, "{");'] if type_.fields else ["(void)value;", 'put_open(w, "{");']
        fields = self.fields(type_)
        for field, name, has in sorted(fields, key=lambda one: one[0].name) if self.kit.is_gemma else fields:
            named = f"write_name(w, {literal(field.name)}, {len(field.name.encode())});"
            put = self.put(field.type, f"value->{name}")
            if not has:
                lines += [named, put]
            elif field.required:
                lines += [named, f"if (value->{has})", f"    {put}", "else", '    put_text(w, "null");']
            else:
                lines += [f"if (value->{has}) {{", f"    {named}", f"    {put}", "}"]
        return [*lines, 'put_close(w, "}");']

    def write_arguments(self) -> str:
        """The function that writes the arguments of any call."""
        lines = [f"static void write_arguments(writer *w, const {self.p}_call *call)", "{"]
        cases: list[str] = []
        for function in self.kit.functions:
            member = f"&call->as.{self.members[function.name]}"
            put = f"write_{self.own(function.arguments)}(w, {member});"
            if not function.fields:
                put = 'put_open(w, "{");\n        put_close(w, "}");'
            cases += [f"    case {self.tag(function)}:", f"        {put}", "        break;"]
        if not cases:
            return "\n".join([*lines, "    (void)call;", '    put_text(w, "{}");', "}"])
        return "\n".join([*lines, "    switch (call->function) {", *cases, "    }", "}"])

    def registry(self) -> str:
        """The functions' names in the model's tools."""
        cases = [f"    case {self.tag(f)}:\n        return {literal(f.name)};" for f in self.kit.functions]
        head = f"const char *{self.p}_function_name({self.p}_function function)\n{{"
        return "\n".join(
            [head, "    switch (function) {", *cases, "    default:", '        return "";', "    }", "}", ""]
        )

    def read_call(self) -> str:
        """The statements that read the arguments of the function named."""
        lines = []
        for function in self.kit.functions:
            lines.append(f"if (same(name, {literal(function.name)}, {len(function.name.encode())})) {{")
            lines.append(f"    call->function = {self.tag(function)};")
            if function.fields:
                out = f"&call->as.{self.members[function.name]}"
                lines.append(f"    return read_{self.own(function.arguments)}(r, arguments, &where, {out});")
            else:
                lines.append("    return check_fields(r, arguments, &where, NULL, 0);")
            lines.append("}")
        return "\n".join(lines or ["(void)arguments;"])


def used(helpers: str, made: list[str], caller: str) -> str:
    """Those functions that the caller needs, or another of them does; each stands behind what it calls."""
    found: list[str] = []
    for block in reversed([*helpers.strip("\n").split("\n\n"), *made]):
        name = re.search(r"^static .*?(\w+)\(|^} (\w+);", block, re.MULTILINE)
        if name and re.search(rf"\b{name[1] or name[2]}\b", "\n".join([caller, *found])):
            found.insert(0, block)
    return "".join(f"{block}\n\n" for block in found).rstrip("\n") + "\n" * bool(found)
