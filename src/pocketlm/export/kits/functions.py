"""The types of a tool set's arguments, as every language's kit writes them.

A JSON Schema says one thing in many ways (`const`, an `enum` of one, `anyOf` with null); here each has one form, and a
kit needs to know nine kinds and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pocketlm.core.errors import InputError
from pocketlm.tasks.tools import TYPES, Schema, Tool, ToolSet, json_type

Kind = Literal["string", "integer", "number", "boolean", "choice", "list", "record", "json"]


def words(text: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(text.split())


# What an app should not do on a model's word alone: it destroys, leaves the phone, costs money or reaches a person.
DANGEROUS = words(
    "delete remove erase clear wipe reset cancel uninstall format overwrite send post publish share forward reply email text "
    "sms message call dial pay buy purchase order book subscribe transfer withdraw donate unlock disable shutdown reboot"
    " install grant revoke block sign submit"
)


@dataclass(frozen=True)
class Type:
    """The type of one value.

    Attributes:
        path: where it stands, from the function's name down; it gives choices and records their names.
        nullable: null is a value too.
        values: the only ones allowed; the strings of a "choice".
        minimum, maximum: of an "integer".
        item: of a "list". fields: of a "record".
        options: a "json" value fits at least one of these; with none, any value fits.
    """

    kind: Kind
    path: tuple[str, ...]
    nullable: bool = False
    values: tuple[Any, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    item: Type | None = None
    fields: tuple[Field, ...] = ()
    options: tuple[Type, ...] = ()

    def walk(self) -> Iterator[Type]:
        """This type and all inside it, the inner ones first."""
        inner = [*(field.type for field in self.fields), *self.options, *([self.item] if self.item else [])]
        for type_ in inner:
            yield from type_.walk()
        yield self


@dataclass(frozen=True)
class Field:
    """One argument, or one property of a nested object."""

    name: str
    type: Type
    required: bool
    about: str = ""

    @property
    def may_miss(self) -> bool:
        """Whether a program may have no value here."""
        return self.type.nullable or not self.required


@dataclass(frozen=True)
class Function:
    """One function of the app. `confirm`: a call of it is to be confirmed by the user."""

    name: str
    about: str
    arguments: Type
    confirm: bool

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its arguments in the schema's order."""
        return self.arguments.fields


READING = words(
    "get list read find search show check count view fetch look query describe"
)  # what such verbs do harms nothing


def read_functions(tools: ToolSet, confirm: Mapping[str, bool] | None = None) -> list[Function]:
    """The functions of a tool set.

    Args:
        confirm: function -> whether its calls need the user's word; over what the tools say of themselves.

    Raises:
        InputError: `confirm` names no function, or an argument allows only certain lists or objects.
    """
    confirm = confirm or {}
    for name in confirm:
        if name not in tools:
            raise InputError(f'"{name}" is to be confirmed, but the tools have no such function')
    return [
        Function(
            tool.name,
            tool.description,
            read_type(tool.parameters, (tool.name,)),
            confirm.get(tool.name, is_dangerous(tool)),
        )
        for tool in tools
    ]


def is_dangerous(tool: Tool) -> bool:
    """What the tool says of itself ("x-confirm"), else whether a word of its name is among DANGEROUS.

    A name that begins with one of READING is harmless: get_message. The words of a name are those between capitals,
    digits and punctuation: deleteNote, delete_note, call-2.
    """
    if tool.confirm is not None:
        return tool.confirm
    found = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", tool.name)]
    return READING.isdisjoint(found[:1]) and not DANGEROUS.isdisjoint(found)


def read_type(schema: Schema, path: tuple[str, ...]) -> Type:
    """The type of a checked schema.

    Raises:
        InputError: only certain lists or objects are allowed, or only null, which no kit can express.
    """
    if "anyOf" in schema:
        options = [read_type(option, (*path, f"option {i + 1}")) for i, option in enumerate(schema["anyOf"])]
        return _union(options, path)
    if "enum" in schema or "const" in schema:
        return _fixed(schema, path)
    told = schema.get("type", "object" if "properties" in schema else [])
    names = [told] if isinstance(told, str) else list(told)
    if "number" in names:  # an integer is a number
        names = [name for name in names if name != "integer"]
    several = len([name for name in names if name != "null"]) > 1
    options = [_plain(name, schema, (*path, name) if several else path) for name in names]
    return _union(options, path)


def _plain(name: str, schema: Schema, path: tuple[str, ...]) -> Type:
    if name == "null":
        return Type("json", path, nullable=True)
    if name == "object":
        required = set(schema.get("required", ()))
        fields = [
            Field(key, _valued(read_type(inner, (*path, key))), key in required, str(inner.get("description", "")))
            for key, inner in schema.get("properties", {}).items()
        ]
        return Type("record", path, fields=tuple(fields))
    if name == "array":
        inside = (*path, "item")
        item = _valued(read_type(schema["items"], inside)) if "items" in schema else Type("json", inside)
        return Type("list", path, item=item)
    kind: Kind = name  # type: ignore[assignment]  # string, integer, number, boolean
    return Type(kind, path, minimum=schema.get("minimum"), maximum=schema.get("maximum"))


def _union(options: Sequence[Type], path: tuple[str, ...]) -> Type:
    """One type for several; null is no type of its own but makes another one nullable."""
    nullable = any(option.nullable for option in options)
    left = [replace(option, nullable=False) for option in options if not _is_null(option)]
    if len(left) == 1:
        return replace(left[0], nullable=nullable)
    if any(option.kind == "json" and not option.options for option in left):
        return Type("json", path)  # anything fits, null too
    return Type("json", path, nullable=nullable, options=tuple(left))


def _is_null(type_: Type) -> bool:
    return type_.kind == "json" and type_.nullable and not type_.options


def _valued(type_: Type) -> Type:
    if _is_null(type_):
        raise InputError(f"{'.'.join(type_.path)}: can only be null, which tells an app nothing; leave it out")
    return type_


def _fixed(schema: Schema, path: tuple[str, ...]) -> Type:
    """The type of `enum` and `const`, whose values fit the schema's other keywords too."""
    told = schema.get("type", list(TYPES))
    allowed = {told} if isinstance(told, str) else set(told)
    values = list(schema["enum"]) if "enum" in schema else [schema["const"]]
    kinds: dict[Kind, list[Any]] = {}
    for value in values:
        kind = json_type(value)
        if kind in ("array", "object"):
            raise InputError(f"{'.'.join(path)}: an app kit cannot hold a fixed {kind}; list its parts as arguments")
        fits = kind in allowed or (kind == "integer" and "number" in allowed)
        if fits and value not in kinds.setdefault(_kind_of(kind, allowed), []):
            kinds[_kind_of(kind, allowed)].append(value)
    options = [
        Type("json", path, nullable=True)
        if kind == "json"
        else Type(kind, (*path, kind) if len(kinds) - ("json" in kinds) > 1 else path, values=tuple(found))
        for kind, found in kinds.items()
    ]
    return _union(options, path)


def _kind_of(name: str, allowed: set[str]) -> Kind:
    if name == "integer" and "number" in allowed and "integer" not in allowed:
        return "number"
    kinds: dict[str, Kind] = {"string": "choice", "integer": "integer", "number": "number", "boolean": "boolean"}
    return kinds.get(name, "json")
