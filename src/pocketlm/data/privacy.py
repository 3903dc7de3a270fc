"""Personal data and secrets in a text: found by their form and their checksums, masked and put back.

Knows nothing of rows. What has no form, such as a name, is not found.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pocketlm.core.extras import need

SECRETS = {"secret", "private key"}
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?![\w-])")
CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
PHONE = re.compile(r"(?<![\w.,-])(?:\+|\()?\d(?:[ ()./-]{0,2}\d){7,14}(?![\w-])")
ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
SECRET = re.compile(
    r"(?<![\w-])(?:sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}"
    r"|xox[abprs]-[0-9A-Za-z-]{10,}|hf_[A-Za-z0-9]{30,}|glpat-[\w-]{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})(?![\w-])"
)
KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
KINDS = ("email", "phone", "card", "account", "address", "secret", "private key")
MARK = re.compile(rf"\[(?:{'|'.join(kind.upper().replace(' ', '_') for kind in KINDS)})_\d+\]")
BROKEN = re.compile(MARK.pattern.replace(r"\[", r"(?<!\w)").replace(r"\]", r"(?!\w)"), re.IGNORECASE)
DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|\d{4}-\d{4}")
MAYBE = re.compile(r"@|\d[\d ().+/-]{6}|-----BEGIN|sk-|gh[pousr]_|github_pat|AKIA|AIza|xox|hf_|glpat|eyJ|[A-Z]{2}\d{2}")


@dataclass(frozen=True)
class Personal:
    """One find: what it is and where it stands."""

    kind: str
    start: int
    end: int


def find_personal(text: str, wide: bool = False) -> list[Personal]:
    """Emails, phone, card and account numbers, network addresses and secrets of a text, in order, none inside another.

    Args:
        wide: also numbers that could be called in some country, such as 030 1234567.

    Raises:
        EnvironmentLacks: phonenumbers is not installed.
    """
    if not MAYBE.search(text):
        return []
    found: list[Personal] = []
    for one in _candidates(text, wide):
        if all(one.end <= other.start or one.start >= other.end for other in found):
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def redact(text: str, known: dict[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The text with marks such as `[EMAIL_1]` in place of what is personal, and mark -> what stood there.

    Args:
        known: the marks of texts redacted before, which are gone on with, so that one value has one mark.
    """
    marks = dict(known or {})
    by_value = {value: mark for mark, value in marks.items()}
    out, at = [], 0
    for one in find_personal(text, wide=True):
        value = text[one.start : one.end]
        if value not in by_value:
            by_value[value] = _mark(one.kind, lambda mark: mark in marks or mark in text)
            marks[by_value[value]] = value
        out += [text[at : one.start], by_value[value]]
        at = one.end
    return "".join([*out, text[at:]]), marks


def restore(text: str, marks: dict[str, str]) -> str:
    """Put back what `redact` took out."""
    return MARK.sub(lambda mark: marks.get(mark[0], mark[0]), text)


def holds_mark(text: str, source: str) -> bool:
    """Whether a text holds a mark, whole or broken, that its source does not."""
    return any(found not in source for found in BROKEN.findall(text))


def _mark(kind: str, is_taken: Callable[[str], bool]) -> str:
    """The first free mark of a kind."""
    marks = (f"[{kind.upper().replace(' ', '_')}_{number}]" for number in itertools.count(1))
    return next(mark for mark in marks if not is_taken(mark))


def _candidates(text: str, wide: bool) -> Iterator[Personal]:
    """The surest kinds first: what one of them covers is not looked at again."""
    for kind, pattern in (("private key", KEY_BLOCK), ("secret", SECRET), ("email", EMAIL)):
        for match in pattern.finditer(text):
            yield Personal(kind, *match.span())
    for match in IBAN.finditer(text):
        if _iban_adds_up(match[0]):
            yield Personal("account", *match.span())
    for match in CARD.finditer(text):
        if _luhn(re.sub(r"\D", "", match[0])):
            yield Personal("card", *match.span())
    for match in ADDRESS.finditer(text):
        if _is_public_address(match[0]):
            yield Personal("address", *match.span())
    if PHONE.search(text):
        yield from _phones(text)
    for match in PHONE.finditer(text) if wide else ():
        starts_as_one, digits = match[0][0] in "+(0", sum(sign.isdigit() for sign in match[0])
        if not DATE.match(match[0]) and (starts_as_one or digits >= 9):
            yield Personal("phone", *match.span())


def _phones(text: str) -> Iterator[Personal]:
    """Numbers that a phone could call: international ones, and those valid where most of such data is from."""
    library = need("phonenumbers", "finding phone numbers", "data")
    for region in (None, "US", "GB"):
        for match in library.PhoneNumberMatcher(text, region, leniency=library.Leniency.VALID, max_tries=20):
            yield Personal("phone", match.start, match.end)


def _luhn(digits: str) -> bool:
    """The checksum of card numbers (ISO/IEC 7812-1); a row of one digit passes it too and is no card."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _iban_adds_up(text: str) -> bool:
    """The checksum of account numbers (ISO 13616): the letters as numbers, modulo 97."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def _is_public_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False
