"""Training rows from teachers: seeds and prompt sets -> requests -> answers in a ledger -> rows that hold.

The plan is a pure function of seeds and settings, so a run that was cut goes on where it was, and `replay` needs no teacher.

    OUT/ledger.jsonl              all that was asked and answered
    OUT/TASK/SET.jsonl            the rows, each with its provenance
    OUT/rejected/SET.jsonl        what was refused, with the reason
    OUT/manifest.json             counts, money, versions
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact, write_json, write_jsonl
from pocketlm.core.manifest import write_manifest
from pocketlm.data.asking import FIRST_WAIT_S, Ask, Asked, ask_all
from pocketlm.data.budget import Budget, Price, Prices
from pocketlm.data.choose import CHOICES, Answer, choose, judge_prompt
from pocketlm.data.formats import BadRow
from pocketlm.data.importing import open_source
from pocketlm.data.ledger import Ledger
from pocketlm.data.near import NearIndex
from pocketlm.data.parse import Made, Rejected, Seed, copied_values, parse_answer, task_of
from pocketlm.data.privacy import redact, restore
from pocketlm.data.prompts import PromptSet, load_prompts
from pocketlm.data.shapes import view
from pocketlm.data.sources import sources
from pocketlm.engines.remote import is_loopback
from pocketlm.engines.teacher import Teacher
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet

KIND = "generated"
PASSAGE = 4000  # characters of a seed; longer ones are cut between paragraphs
NEAR = 0.8
MASK = re.compile(r"\[[A-Z_]+_\d+\]")


@dataclass(frozen=True)
class Order:
    """What is wanted. `count`: rows asked for at once, of prompt sets that give several; `limit`: seeds at most."""

    make: tuple[str, ...]
    teachers: tuple[str, ...]
    count: int = 5
    rounds: int = 1
    limit: int | None = None
    instructions: str = ""
    labels: tuple[str, ...] = ()
    choose: str = "first"
    judge: str = ""
    redact: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Question:
    """One thing asked of every teacher. `marks`: what was masked in it."""

    prompts: PromptSet
    seed: Seed
    asks: tuple[Ask, ...]
    marks: dict[str, str]


@dataclass(frozen=True)
class Estimate:
    """What asking will take: requests still to ask, tokens and money about and at most, and to which hosts texts go."""

    requests: int
    input_tokens: int
    output_tokens: int
    about: float
    most: float
    hosts: dict[str, int]
    first_text: str
    note: str


@dataclass
class Generated:
    """What came of it. `rejected`: reason -> how many."""

    out: Path
    rows: dict[str, int] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    asked: Asked = field(default_factory=Asked)
    spent: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        asked = {**self.asked.__dict__, "failed": dict(self.asked.failed)}
        return {
            "out": str(self.out),
            "rows": self.rows,
            "rejected": dict(self.rejected),
            "asked": asked,
            "spent": self.spent,
        }


class Generation:
    """An order with its seeds, its plan and its ledger."""

    def __init__(
        self, order: Order, out: Path, *, seeds: Path | None, tools: Path | None, prices: Path | None = None
    ) -> None:
        """Raises InputError: seeds, tools, prompt sets or settings do not fit together."""
        self.order = order
        self.out = Path(out)
        self.tools = ToolSet.load(tools) if tools else None
        self.sets = load_prompts(order.make)
        self.prices = Prices(prices)
        self.ledger = Ledger(self.out / "ledger.jsonl")
        if order.choose not in CHOICES:
            raise InputError(f"--choose {order.choose}: choose one of {', '.join(CHOICES)}")
        self.judge = (order.judge or order.teachers[0]) if order.choose == "judge" and len(order.teachers) > 1 else ""
        self.questions = list(self._plan(seeds))

    def price_of(self, uri: str) -> Price:
        """The price of a teacher by its name."""
        return self.prices.of(uri, free=_host_of(uri) is None or is_loopback(_host_of(uri) or ""))

    def estimate(self) -> Estimate:
        """What is still to be asked, before anything is."""
        asks = [ask for q in self.questions for ask in q.asks if ask.key not in self.ledger.answers]
        about = most = 0.0
        read = written = 0
        hosts: Counter[str] = Counter()
        for ask in asks:
            price = self.price_of(ask.teacher)
            tokens = sum(len(message.content) for message in ask.messages) // 4 + 20
            read, written = read + tokens, written + ask.max_tokens // 2
            about += price.of(tokens, ask.max_tokens // 2)
            most += price.worst(ask.messages, ask.max_tokens)
            if (host := _host_of(ask.teacher)) and not is_loopback(host):
                hosts[host] += 1
        if self.judge and (host := _host_of(self.judge)) and not is_loopback(host) and asks:
            hosts[host] += len(self.questions)
        first = next(
            (ask for ask in asks if (h := _host_of(ask.teacher)) and not is_loopback(h)), asks[0] if asks else None
        )
        text = "\n".join(message.content for message in first.messages) if first else ""
        return Estimate(
            len(asks), read, written, about, most, dict(hosts), text, self.prices.age_note() if most else ""
        )

    def ask(
        self,
        open_teacher: Callable[[str], Teacher],
        budget: float | None,
        *,
        concurrency: int = 4,
        per_minute: int | None = None,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> tuple[Asked, float]:
        """Ask what the ledger lacks; returns how it went and what is spent in all."""
        uris = dict.fromkeys([*self.order.teachers, *([self.judge] if self.judge else [])])
        prices = {uri: self.price_of(uri) for uri in uris}
        money = Budget(budget, self.ledger.spent)
        opened: dict[str, Teacher] = {}
        try:
            for uri in uris:
                opened[uri] = open_teacher(uri)
            at_once = concurrency if any(teacher.host for teacher in opened.values()) else 1
            rules: dict[str, Any] = {"concurrency": at_once, "per_minute": per_minute, "first_wait_s": first_wait_s}
            first = [ask for question in self.questions for ask in question.asks]
            done = ask_all(first, opened, prices, self.ledger, money, **rules)
            if self.judge and not done.unasked:
                second = [ask for question in self.questions if (ask := self._judging(question))]
                judged = ask_all(second, opened, prices, self.ledger, money, **rules)
                done.answered, done.unasked = done.answered + judged.answered, done.unasked + judged.unasked
                done.out_of_budget = done.out_of_budget or judged.out_of_budget
        finally:
            for teacher in opened.values():
                teacher.close()
            self.ledger.close()
        return done, money.spent

    def write(self, asked: Asked, spent: float) -> Generated:
        """Rows of all answers that are there: parsed, held to their seeds, chosen, near twins left out."""
        found = Generated(self.out, asked=asked, spent=round(spent, 6))
        rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        refused: dict[str, list[dict[str, Any]]] = defaultdict(list)
        seen: dict[str, NearIndex] = {}
        exact: set[str] = set()
        for question in self.questions:
            prompts, task = question.prompts, task_of(question.prompts.gives, question.seed.task)
            index = seen.setdefault(task, self._index(task, prompts))
            for answer, one in self._settled(question):
                why = str(one) if isinstance(one, Rejected) else _twin(one, index, exact)
                if why or isinstance(one, Rejected):
                    found.rejected[re.sub(r'[:,] .*|".*', "", why)] += 1
                    value = one.row if isinstance(one, Made) else answer.text
                    refused[prompts.name].append({"why": why, "where": question.seed.where, "value": value})
                else:
                    rows[task, prompts.name].append({**one.row, "provenance": answer.provenance(prompts.version)})
        for (task, name), some in rows.items():
            write_jsonl(self.out / task / f"{name}.jsonl", some)
            found.rows[f"{task}/{name}.jsonl"] = len(some)
        for name, some in refused.items():
            write_jsonl(self.out / "rejected" / f"{name}.jsonl", some)
        if self.tools and any(task == "call" for task, _ in rows):
            write_json(self.out / "call" / "tools.json", self.tools.to_openai())
        self._write_manifest(found)
        return found

    def _settled(self, question: Question) -> Iterator[tuple[Answer, Made | Rejected]]:
        """Of all teachers' answers to one question those that are kept, and what was refused."""
        answers = [answer for ask in question.asks if (answer := self._answer(question, ask))]
        good = [answer for answer in answers if any(isinstance(one, Made) for one in answer.found)]
        for answer in answers:
            yield from ((answer, one) for one in answer.found if isinstance(one, Rejected))
        verdict = ""
        if self.judge and (ask := self._judging(question)):
            verdict = str(self.ledger.answers.get(ask.key, {}).get("text", ""))
        yield from choose(self.order.choose, good, len(self.order.teachers), verdict)

    def _answer(self, question: Question, ask: Ask) -> Answer | None:
        record = self.ledger.answers.get(ask.key)
        if record is None:
            return None
        text = restore(record["text"], question.marks)
        found: list[Made | Rejected] = parse_answer(question.prompts.gives, text, question.seed)
        if not record.get("stopped", True) and not any(isinstance(one, Made) for one in found):
            found = [Rejected("cut by its limit of tokens")]
        return Answer(ask.teacher, text, found, question.prompts.name, float(record["price"]), float(record["time"]))

    def _judging(self, question: Question) -> Ask | None:
        """The request for a judgement, once several good answers are there."""
        answers = [answer for ask in question.asks if (answer := self._answer(question, ask))]
        good = [answer for answer in answers if any(isinstance(one, Made) for one in answer.found)]
        if len(good) < 2:
            return None
        asked = question.asks[0].messages[-1].content
        texts = [redact(answer.text, question.marks)[0] if question.marks else answer.text for answer in good]
        message = Message("user", judge_prompt(asked, texts))
        return Ask(self.judge, (message,), 16, 0.0, self.order.seed, "judge 1")

    def _plan(self, seeds: Path | None) -> Iterator[Question]:
        read = list(_seeds(seeds, self.order)) if seeds else []
        for prompts in self.sets:
            yield from self._plan_set(prompts, read)

    def _plan_set(self, prompts: PromptSet, read: Sequence[Seed]) -> Iterator[Question]:
        if prompts.of in ("functions", "rounds") or prompts.gives in ("calls", "no_calls"):
            if self.tools is None:
                raise InputError(f"--make {prompts.name}: needs the app's functions; give them with --tools tools.json")
        elif not read:
            raise InputError(f"--make {prompts.name}: needs texts to start from; name a file or folder of them")
        names = self.tools.names if self.tools and prompts.of == "functions" else [""]
        seeds = (
            read
            if prompts.of in ("texts", "rows")
            else [Seed(name or "rounds", tools=self.tools, ask=name) for name in names]
        )
        number = 0
        for round_ in range(self.order.rounds):
            for seed in seeds:
                if prompts.of == "rows" and not seed.row:
                    raise InputError(
                        f"{seed.where}: --make {prompts.name} rewords rows of a task; this is a plain text"
                    )
                yield self._question(prompts, seed, prompts.variants[number % len(prompts.variants)], round_)
                number += 1

    def _question(self, prompts: PromptSet, seed: Seed, variant: str, round_: int) -> Question:
        text, marks = redact(seed.text) if self.order.redact else (seed.text, {})
        tools = self.tools or ToolSet([])
        function = dump_compact(tools[seed.ask].to_openai()["function"]) if seed.ask in tools else ""
        kept = ", ".join(map(str, dict.fromkeys(copied_values(seed)))) if seed.row else ""
        kept = redact(kept, marks)[0] if marks else kept
        labels = f" Choose among: {', '.join(self.order.labels)}." if self.order.labels else ""
        body = prompts.fill({
            "text": text,
            "count": str(self.order.count),
            "variant": variant,
            "function": function,
            "functions": "\n".join(f"- {tool.name}: {tool.description}" for tool in tools),
            "name": seed.ask,
            "labels": labels,
            "keep": f" Keep these as they are: {kept}." if kept else "",
        })  # fmt: skip
        messages = [Message("user", body)]
        if self.order.instructions:
            messages.insert(0, Message("system", self.order.instructions))
        about = f"{prompts.name} {prompts.version} {round_}"
        asks = tuple(
            Ask(uri, tuple(messages), prompts.max_tokens, prompts.temperature, self.order.seed + round_, about)
            for uri in self.order.teachers
        )
        asked = Seed(seed.where, seed.text, seed.task, seed.row, variant or seed.ask, self.order.labels, self.tools)
        return Question(prompts, asked, asks, marks)

    def _index(self, task: str, prompts: PromptSet) -> NearIndex:
        """What exists of a task: rows in its folder that this run does not write anew."""
        index = NearIndex(NEAR)
        written = {f"{one.name}.jsonl" for one in self.sets}
        for file in sorted((self.out / task).glob("*.jsonl")):
            if file.name not in written:
                for line in file.read_text(encoding="utf-8").splitlines():
                    index.add(view(json.loads(line), task, "", "").text)
        return index

    def _write_manifest(self, found: Generated) -> None:
        prompts = {one.name: one.version for one in self.sets}
        order = {**self.order.__dict__, "make": list(self.order.make), "teachers": list(self.order.teachers)}
        values = {**found.to_json(), "order": order, "prompts": prompts, "prices": self.prices.to_json()}
        write_manifest(self.out, {"kind": KIND, **values})


def _twin(made: Made, index: NearIndex, exact: set[str]) -> str:
    """Why a row is left out as a copy; one that is not is remembered."""
    key = dump_compact(made.row)
    if key in exact:
        return "the same row again"
    if made.fresh:
        if index.find(made.fresh) is not None:
            return "a near twin of another row"
        index.add(made.fresh)
    exact.add(key)
    return ""


def _host_of(uri: str) -> str | None:
    """Where a teacher's requests go by its name; None for one of this machine."""
    import os
    from urllib.parse import urlsplit

    scheme = uri.partition(":")[0]
    if scheme in ("http", "https"):
        return urlsplit(uri).netloc
    variable = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL", "google": "GOOGLE_GEMINI_BASE_URL"}.get(
        scheme
    )
    if variable is None:
        return None
    given = os.environ.get(variable)
    return urlsplit(given).netloc if given else f"the servers of {scheme}"


def _seeds(path: Path, order: Order) -> Iterator[Seed]:
    """Texts of notes and plain text, or rows of a task, a number of them by chance."""
    found: list[Seed] = []
    for source in sources(path):
        opened = open_source(source)
        if opened is None:
            continue
        for item, rows in opened.rows():
            if isinstance(rows, BadRow):
                raise InputError(f"{item.where}: {rows}")
            for row in rows:
                found += _seeds_of(row, opened.shape.task, item.where)
    if not found:
        raise InputError(f"{path}: holds no text to start from")
    if order.limit is not None and order.limit < len(found):
        chosen = sorted(random.Random(order.seed).sample(range(len(found)), order.limit))
        found = [found[at] for at in chosen]
    yield from found


def _seeds_of(row: dict[str, Any], task: str, where: str) -> Iterator[Seed]:
    if task != "complete":
        if "text" not in row:
            raise InputError(f"{where}: only rows with one text can be seeds; this is a dialogue")
        plain = {key: value for key, value in row.items() if key != "provenance"}
        yield Seed(where, row["text"], task, plain)
        return
    for number, text in enumerate(_passages(row["text"])):
        yield Seed(f"{where}#{number}" if number else where, text, task)


def _passages(text: str) -> Iterator[str]:
    """A text in pieces of whole paragraphs, or of whole sentences where one is too long."""
    pieces = [text] if len(text) <= PASSAGE else re.split(r"(?<=\n)\n+|(?<=[.!?]) +(?=[A-Z])", text)
    passage = ""
    for piece in pieces:
        if passage and len(passage) + len(piece) > PASSAGE:
            yield passage.strip()
            passage = ""
        passage += (" " if passage and not passage.endswith("\n") else "") + piece
    if passage.strip():
        yield passage.strip()
