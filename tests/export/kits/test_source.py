from __future__ import annotations

import pytest

from pocketlm.export.kits import c, kotlin, python, swift
from pocketlm.export.kits.source import camel, fill, pascal, quote, snake, unique, words_of, wrapped


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("set_alarm", ["set", "alarm"]), ("setHTTPAlarm", ["set", "HTTP", "Alarm"]), ("note id", ["note", "id"]),
        ("größe", ["gro", "udf", "e"]), ("é", ["e"]), ("名", ["u540d"]), ("🙂", ["u1f642"]), ("", ["empty"]), ("$", ["u24"]),
    ],
)  # fmt: skip
def test_words_of_names(name: str, words: list[str]) -> None:
    assert words_of(name) == words


def test_styles_are_legal_names() -> None:
    assert [style("set-alarm 2") for style in (snake, camel, pascal)] == ["set_alarm_2", "setAlarm2", "SetAlarm2"]
    assert [style("1st") for style in (snake, camel, pascal)] == ["n1st", "n1st", "N1st"]
    assert all(style("名前 🙂").isidentifier() for style in (snake, camel, pascal))


def test_no_name_is_given_twice() -> None:
    assert unique(["a b", "a-b", "class", "class_", "aB"], snake, {"class"}) == [
        "a_b",
        "a_b2",
        "class_",
        "class_2",
        "a_b3",
    ]


def test_placeholders_take_lines_and_indents() -> None:
    with pytest.raises(KeyError, match="version"):
        fill("build.gradle.kts.in", {"package": "x"})
    filled = fill("json_names.c.in", {"p": "x", "P": "X", "marked_name": "one;\n\n    two;"})
    assert "x_text *out)\n{\n    one;\n\n        two;\n    if (" in filled
    assert "{\n    if (" in fill("json_names.c.in", {"p": "x", "P": "X", "marked_name": ""})


TEXT = 'a"b\\c\n\t\u0001\u202e$x${y}é🙂??/ \\(z) #{w}'


def test_literals_hide_what_does_not_print() -> None:
    assert eval(python.literal(TEXT)) == TEXT
    assert swift.literal(TEXT) == '"a\\"b\\\\c\\n\\t\\u{1}\\u{202e}$x${y}é🙂??/ \\\\(z) #{w}"'
    assert kotlin.literal(TEXT) == '"a\\"b\\\\c\\n\\t\\u0001\\u202e\\$x\\${y}é🙂??/ \\\\(z) #{w}"'
    assert c.literal(TEXT) == (
        '"a\\"b\\\\c\\n\\t\\001\\342\\200\\256$x${y}\\303\\251\\360\\237\\231\\202?\\?/ \\\\(z) #{w}"'
    )
    assert quote("x", str, "") == '"x"'


def test_comments_cannot_end_early() -> None:
    assert wrapped("a */ b /* c\nd") == ["a * / b / * c d"]
    assert wrapped("") == []
