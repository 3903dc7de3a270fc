from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from pocketlm.core.errors import InputError
from pocketlm.data.budget import Budget, Price, Prices, most_tokens
from pocketlm.tasks.template import Message


def test_the_cap_holds_whatever_the_threads_do() -> None:
    budget = Budget(1.0)
    taken: list[bool] = []

    def work() -> None:
        for _ in range(200):
            if budget.set_aside(0.01):
                taken.append(True)
                budget.settle(0.01, 0.004)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.spent == pytest.approx(0.004 * len(taken)) and 0.98 < budget.spent <= 1.0
    assert not budget.set_aside(0.02) and Budget(None).set_aside(1e9)


def test_it_waits_for_those_under_way_where_only_they_are_in_the_way() -> None:
    budget = Budget(1.0)
    assert budget.set_aside(0.9)
    later = threading.Timer(0.1, lambda: budget.settle(0.9, 0.05))
    later.start()
    assert budget.set_aside(0.9)  # 0.05 of the first came true, so there is room
    budget.settle(0.9, 0.9)
    assert not budget.set_aside(0.9) and budget.spent == pytest.approx(0.95)


@pytest.mark.parametrize("cap", [float("nan"), float("inf"), -1.0])
def test_no_cap(cap: float) -> None:
    with pytest.raises(InputError, match="give a number of at least zero"):
        Budget(cap)


def test_worst_case_covers_any_tokenizer() -> None:
    messages = [Message("user", "ünïcödé 🎉" * 50)]
    assert most_tokens(messages) >= len(messages[0].content.encode())
    assert Price(1.0, 10.0).worst(messages, 100) == pytest.approx((most_tokens(messages) + 1000) / 1e6)


def test_table(tmp_path: Path) -> None:
    prices = Prices()
    assert prices.of("openai:gpt-4o-mini", free=False) == prices.of("openai:gpt-4o-mini-2024-07-18", free=False)
    assert "days old" in prices.age_note()  # the packaged table is dated, and says so when it is old
    assert prices.of("runs/mine", free=True) == Price(0, 0)
    with pytest.raises(
        InputError, match=r"openai:new: its price is not in prices.json; give a table with --prices FILE"
    ):
        prices.of("openai:new", free=False)
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"date": "2999-01-01", "per_million_tokens": {"openai:new": {"in": 2, "out": 3}}}))
    assert Prices(own).of("openai:new", free=False).of(1_000_000, 1_000_000) == 5 and Prices(own).age_note() == ""


@pytest.mark.parametrize("text", ["[]", '{"date": "soon", "per_million_tokens": {}}', '{"date": "2026-01-01", "per_million_tokens": {"m": {"in": "x", "out": 1}}}',
                                  '{"date": "2026-01-01", "per_million_tokens": {"m": {"in": -1, "out": 1}}}',
                                  '{"date": "2026-01-01", "per_million_tokens": {"m": {"in": NaN, "out": 1}}}'])  # fmt: skip
def test_bad_table(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(InputError, match=r"p.json: (no price table; write|the price of m is not a number)"):
        Prices(tmp_path / "p.json")
