from __future__ import annotations

import pytest

from pocketlm.data.privacy import find_personal, holds_mark, redact, restore

pytest.importorskip("phonenumbers")

FOUND = [
    ("write to a.b+c@mail.example.org today", [("email", "a.b+c@mail.example.org")]),
    ("call +44 20 7946 0958 now", [("phone", "+44 20 7946 0958")]),
    ("call 07911 123456", [("phone", "07911 123456")]),
    ("ring (212) 555-2368.", [("phone", "(212) 555-2368")]),
    ("card 4111 1111 1111 1111, valid", [("card", "4111 1111 1111 1111")]),
    ("pay to DE89 3704 0044 0532 0130 00 please", [("account", "DE89 3704 0044 0532 0130 00")]),
    ("from 8.8.8.8", [("address", "8.8.8.8")]),
    ("key sk-abcdefghijklmnopqrstuvwx1234", [("secret", "sk-abcdefghijklmnopqrstuvwx1234")]),
    ("AKIAIOSFODNN7EXAMPLE", [("secret", "AKIAIOSFODNN7EXAMPLE")]),
    ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", [("private key", "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----")]),
    ("a@b.de and c@d.de", [("email", "a@b.de"), ("email", "c@d.de")]),
]  # fmt: skip
NOTHING = [
    "wake me at 7:30 on 2026-11-25",
    "card 4111 1111 1111 1112",  # the checksum is wrong
    "0000 0000 0000 0000",
    "DE88 3704 0044 0532 0130 00",
    "127.0.0.1 and 192.168.0.1 and 999.1.1.1",
    "version 1.2.3.4.5",
    "mention @someone, 5 @ 3",
    "pi is 3.14159265358979",
    "in 1939-1945 there were 12345678 of them",
    "",
]


@pytest.mark.parametrize(("text", "found"), FOUND)
def test_found(text: str, found: list[tuple[str, str]]) -> None:
    assert [(one.kind, text[one.start : one.end]) for one in find_personal(text)] == found


@pytest.mark.parametrize("text", NOTHING)
def test_not_found(text: str) -> None:
    assert find_personal(text) == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ruf 030 1234567 an", "ruf [PHONE_1] an"),
        ("06 12 34 56 78", "[PHONE_1]"),
        ("98765 43210", "[PHONE_1]"),
        ("on 2026-11-25 at 10:30, 12.11.2026, 1939-1945, 12345678 of them", "on 2026-11-25 at 10:30, 12.11.2026, 1939-1945, 12345678 of them"),
        ("[EMAIL_1] is not a@b.de", "[EMAIL_1] is not [EMAIL_2]"),
    ],
)  # fmt: skip
def test_on_the_way_out_more_is_masked(text: str, masked: str) -> None:
    found, marks = redact(text)
    assert found == masked and restore(found, marks) == text


def test_marks_that_were_broken() -> None:
    assert (
        holds_mark("write to [email_1]", "") and holds_mark("EMAIL_2", "[EMAIL_1]") and holds_mark("Private_Key_1", "")
    )
    assert not holds_mark("[EMAIL_1]", "as [EMAIL_1] says") and not holds_mark("my_email_1x, [NOTE_1]", "")


def test_masked_and_put_back() -> None:
    text = "a@b.de asked c@d.de, then a@b.de called +44 20 7946 0958"
    masked, marks = redact(text)
    assert masked == "[EMAIL_1] asked [EMAIL_2], then [EMAIL_1] called [PHONE_1]"
    assert restore(masked, marks) == text
    again, marks = redact("c@d.de and e@f.de", marks)
    assert again == "[EMAIL_2] and [EMAIL_3]"
    assert restore("[EMAIL_9] stays, [EMAIL_3]", marks) == "[EMAIL_9] stays, e@f.de"
