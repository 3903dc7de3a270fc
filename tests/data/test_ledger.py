from __future__ import annotations

from pathlib import Path

import pytest

from pocketlm.core.errors import InputError
from pocketlm.data.ledger import Ledger


def test_what_was_answered_is_there_again_and_what_was_not_counts_as_paid(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.jsonl")
    for key, worst in (("a", 0.5), ("b", 0.7), ("c", 0.9)):
        ledger.asked(key, worst)
    ledger.answered("a", {"text": "é\u2028", "price": 0.1})
    ledger.failed("b", "busy", 0.0)
    assert ledger.spent == pytest.approx(0.1)  # c is under way
    ledger.close()
    again = Ledger(tmp_path / "l.jsonl")
    assert again.answers["a"]["text"] == "é\u2028" and "b" not in again.answers
    assert again.spent == pytest.approx(0.1 + 0.9)  # c may have been charged
    again.asked("c", 0.9)
    again.answered("c", {"text": "", "price": 0.2})
    again.close()
    assert Ledger(tmp_path / "l.jsonl").spent == pytest.approx(0.1 + 0.9 + 0.2)


def test_a_torn_line_is_cut_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    ledger = Ledger(path)
    ledger.asked("a", 1.0)
    ledger.answered("a", {"text": "x", "price": 0.1})
    ledger.close()
    whole = path.read_bytes()
    for cut in range(1, 25):
        path.write_bytes(whole + whole[:cut])
        torn = Ledger(path)
        assert torn.answers.keys() == {"a"}
        torn.asked("b", 0.0)
        torn.close()
        assert path.read_bytes().startswith(whole) and path.read_bytes().count(b"\n") == 3


def test_one_writes_at_a_time_and_all_may_read(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    one, other, late = Ledger(path), Ledger(path), Ledger(path)
    one.asked("a", 1.0)
    with pytest.raises(InputError, match="another run is asking"):
        other.asked("a", 1.0)
    path.write_bytes(path.read_bytes() + b'{"answe')  # under way: who looks on must not cut it
    assert Ledger(path).spent == 1.0 and path.read_bytes().endswith(b'{"answe')
    one.close()
    with pytest.raises(InputError, match="another run has asked meanwhile"):
        late.asked("b", 1.0)
    again = Ledger(path)
    again.asked("b", 1.0)
    again.close()
    assert path.read_bytes().count(b"\n") == 2


def test_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('{"hello": 1}\n')
    with pytest.raises(InputError, match=r"l.jsonl:1: not a line of a ledger"):
        Ledger(tmp_path / "l.jsonl")
