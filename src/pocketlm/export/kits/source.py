"""What the writers of source code share: legal names, comments, and templates that are files of their own.

A template is the source file itself, with «placeholders». One that stands alone on its line takes as many lines as its
text has, indented as it is; nothing at all where its text is empty.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from importlib.resources import files

from pocketlm.evaluate.calibrate import Calibration
from pocketlm.export.kits.functions import Function, Type
from pocketlm.tasks.template import Template

PLACEHOLDER = re.compile(r"^([ \t]*)«(\w+)»[ \t]*\n|«(\w+)»", re.MULTILINE)

UNCALIBRATED = Calibration("answer", "temperature")
SIGNALS = {
    "answer": "the answer's tokens, all together",
    "weakest": "the tokens of the least certain argument",
    "token": "the least certain token",
    "name": "the tokens of the functions' names",
}


@dataclass(frozen=True)
class Kit:
    """What every language's kit is made from.

    Attributes:
        name, version: of the model, as the app's developer reads them.
        system: the system message of every prompt, empty where there is none.
        max_tokens: the longest answer that makes sense.
        threshold: calls at least this sure are answered; None: none is.
        calibration: what makes a chance of a signal, and from when on a call is worth asking back about.
        feed: the address of the release feed, for the app.
    """

    name: str
    version: str
    functions: tuple[Function, ...]
    template: Template
    system: str
    max_tokens: int
    threshold: float | None = None
    calibration: Calibration = UNCALIBRATED
    feed: str | None = None

    @property
    def module(self) -> str:
        """What the kits' modules are called after: the name and "kit", so that no keyword or system module is hit."""
        return self.name if words_of(self.name)[-1].lower() == "kit" else f"{self.name} kit"

    @property
    def is_gemma(self) -> bool:
        """Whether answers are in Gemma's function format; otherwise they are compact JSON."""
        return self.template.name == "gemma"

    def named_types(self) -> list[Type]:
        """Choices and records inside the arguments, each before the type that needs it."""
        inner = [t for function in self.functions for t in function.arguments.walk() if t is not function.arguments]
        return [t for t in inner if t.kind in ("choice", "record")]

    @property
    def ask_threshold(self) -> float | None:
        """Calls whose function is at least this sure are worth asking back about; None: none is."""
        return self.calibration.name_threshold

    @property
    def signal(self) -> str:
        """What the confidence is made of, for people."""
        return SIGNALS[self.calibration.signal]

    @property
    def opening(self) -> str:
        """All that stands in front of the first message: the template's opening and the system message."""
        return self.template.opening + (self.system.join(self.template.around("system")) if self.system else "")


def fill(file: str, values: dict[str, str]) -> str:
    """A template with its placeholders filled; `file` is its name in templates/.

    Raises:
        KeyError: the template has a placeholder that `values` lacks.
    """

    def put(match: re.Match[str]) -> str:
        if match[3]:
            return values[match[3]]
        lines = values[match[2]].split("\n") if values[match[2]] else []
        return "".join(f"{match[1]}{line}\n" if line.strip() else "\n" for line in lines)

    text = PLACEHOLDER.sub(put, files(__package__).joinpath("templates", file).read_text(encoding="utf-8"))
    blank = 3 if file.endswith(".py.in") else 2  # line ends between two parts
    return re.sub(rf"\n{{{blank + 1},}}", "\n" * blank, text).rstrip("\n") + "\n"


def words_of(name: str) -> list[str]:
    """The words of a name in ASCII letters and digits, at least one.

    Letters that have no ASCII form are written as their code; so are the signs of a name that has no letters.
    """
    plain = "".join(_ascii(letter) for letter in unicodedata.normalize("NFKD", name))
    found = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])", plain)
    return found or [f"u{ord(letter):x}" for letter in name] or ["empty"]


def _ascii(letter: str) -> str:
    if letter.isascii() or unicodedata.combining(letter):
        return letter if letter.isascii() else ""
    return f" u{ord(letter):x} " if letter.isalnum() else " "


def snake(name: str) -> str:
    """set_alarm."""
    return _not_a_digit("_".join(word.lower() for word in words_of(name)))


def camel(name: str) -> str:
    """setAlarm."""
    first, *rest = words_of(name)
    return _not_a_digit(first.lower() + "".join(word.capitalize() for word in rest))


def pascal(name: str) -> str:
    """SetAlarm."""
    return _not_a_digit("".join(word.capitalize() for word in words_of(name)), "N")


def _not_a_digit(name: str, front: str = "n") -> str:
    return name if name[:1].isalpha() else front + name


def unique(names: Iterable[str], style: Callable[[str], str], taken: Container[str] = ()) -> list[str]:
    """Legal names, one each: those that are `taken` get an underscore, later ones of the same name a number."""
    found: list[str] = []
    for name in names:
        legal = style(name)
        legal = f"{legal}_" if legal in taken else legal
        number, made = 2, legal
        while made in found or made in taken:
            number, made = number + 1, f"{legal}{number}"
        found.append(made)
    return found


def quote(text: str, escape: Callable[[str], str], special: str) -> str:
    """A string literal in double quotes; what does not print, and `special` letters, are left to `escape`."""
    common = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    shown = (
        common.get(letter) or (escape(letter) if letter in special or not letter.isprintable() else letter)
        for letter in text
    )
    return f'"{"".join(shown)}"'


def joined(text: str, around: Iterable[str], literal: Callable[[str], str]) -> str:
    """An expression: what stands around a text, with the variable `text` in every gap. Empty parts are left out."""
    parts = (part for literally in around for part in (text, literal(literally) if literally else ""))
    return " + ".join(part for part in list(parts)[1:] if part)


def wrapped(text: str, width: int = 100) -> list[str]:
    """Lines of a comment, without what could end or open one."""
    import textwrap

    text = text.replace("*/", "* /").replace("/*", "/ *")
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.wrap(text, width) or []


class TypeNames:
    """Names of a kit's classes, legal in its language, one each.

    Args:
        taken: names that the kit uses itself, or the language has.
    """

    def __init__(self, kit: Kit, taken: Container[str]) -> None:
        named = [*(function.arguments for function in kit.functions), *kit.named_types()]
        legal = unique((" ".join(t.path) for t in named), pascal, taken)
        self._names = {t.path: name for t, name in zip(named, legal, strict=True)}

    def of(self, type_: Type) -> str:
        """The class of a choice or a record."""
        return self._names[type_.path]
