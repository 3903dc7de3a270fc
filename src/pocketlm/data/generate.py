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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact, sha256_value, write_json, write_jsonl
from pocketlm.core.manifest import hash_inputs, write_manifest
from pocketlm.data.asking import Ask, Asked, Rules, ask_all
from pocketlm.data.budget import Budget, Price, Prices, most_tokens
from pocketlm.data.choose import CHOICES, Answer, choose, judge_prompt
from pocketlm.data.formats import BadRow
from pocketlm.data.importing import open_source
from pocketlm.data.ledger import Ledger
from pocketlm.data.near import NearIndex
from pocketlm.data.parse import AS_JSON, Made, Rejected, Seed, copied_values, fresh_of, parse_answer, task_of
from pocketlm.data.privacy import find_personal, holds_mark, redact, restore
from pocketlm.data.prompts import PromptSet, load_prompts
from pocketlm.data.sources import sources
from pocketlm.engines.remote import host_of, is_loopback
from pocketlm.engines.teacher import Teacher
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet

KIND = "generated"
PASSAGE = 4000  # characters of a seed; longer ones are cut between paragraphs
NEAR = 0.8
TOKEN = 4  # characters of one, about
JUDGE_TOKENS = 16  # a letter, and what models like to say around it


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


@dataclass
class Estimate:
    """What asking will take, before anything is asked.

    Attributes:
        requests: still to ask, judgements among them.
        about: money, where answers are half as long as they may be; `most`: without retries of lost answers.
        hosts: other machine -> how many texts go there; `personal`: how many of these hold personal data unmasked.
        first_text: the first of them, or the first request of all, as it would be sent.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    about: float = 0.0
    most: float = 0.0
    hosts: dict[str, int] = field(default_factory=dict)
    personal: int = 0
    first_text: str = ""
    note: str = ""

    def add(self, price: Price, read: int, most_read: int, max_tokens: int, host: str) -> None:
        """One more request; `host`: other than this machine, or empty."""
        self.requests += 1
        self.input_tokens += read
        self.output_tokens += max_tokens // 2
        self.about += price.of(read, max_tokens // 2)
        self.most += price.of(most_read, max_tokens)
        if host:
            self.hosts[host] = self.hosts.get(host, 0) + 1


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
        self.inputs = [path for path in (seeds, tools, prices) if path and path.is_file()]
        self.questions = list(self._plan(seeds))

    def price_of(self, uri: str) -> Price:
        """The price of a teacher by its name."""
        return self.prices.of(uri, free=not _elsewhere(uri))

    def estimate(self) -> Estimate:
        """What is still to be asked, before anything is.

        Raises:
            InputError: the price of a teacher is not known.
        """
        found = Estimate()
        for question in self.questions:
            asks = [ask for ask in question.asks if ask.key not in self.ledger.answers]
            for ask in asks:
                read = sum(len(message.content) for message in ask.messages) // TOKEN + 20
                host = _elsewhere(ask.teacher)
                found.add(self.price_of(ask.teacher), read, most_tokens(ask.messages), ask.max_tokens, host)
                text = "\n".join(message.content for message in ask.messages)
                found.personal += bool(host and not self.order.redact and find_personal(text))
                if not found.first_text or (host and sum(found.hosts.values()) == 1):
                    found.first_text = text
            self._add_judging(found, question, asks)
        found.note = self.prices.age_note() if found.most else ""
        return found

    def _add_judging(self, found: Estimate, question: Question, asks: Sequence[Ask]) -> None:
        if not self.judge:
            return
        ask = self._judging(question)
        if not asks and (ask is None or ask.key in self.ledger.answers):
            return
        first, teachers = question.asks[0], len(question.asks)
        read = sum(len(message.content) for message in first.messages) // TOKEN + teachers * first.max_tokens // 2
        most = most_tokens(first.messages) + 2 * TOKEN * teachers * first.max_tokens
        found.add(self.price_of(self.judge), read, most, JUDGE_TOKENS, _elsewhere(self.judge))

    def asked_before(self) -> Asked:
        """How much of the plan the ledger holds."""
        keys = {ask.key for question in self.questions for ask in question.asks}
        there = sum(key in self.ledger.answers for key in keys)
        return Asked(reused=there, unasked=len(keys) - there)

    def ask(
        self, open_teacher: Callable[[str], Teacher], budget: float | None, rules: Rules | None = None
    ) -> tuple[Asked, float]:
        """Ask what the ledger lacks; returns how it went and what is spent in all.

        Raises:
            InputError, EnvironmentLacks: a teacher does not answer; what it had answered is kept.
        """
        uris = dict.fromkeys([*self.order.teachers, *([self.judge] if self.judge else [])])
        prices = {uri: self.price_of(uri) for uri in uris}
        money = Budget(budget, self.ledger.spent)
        opened: dict[str, Teacher] = {}
        done, rules = Asked(), rules or Rules()
        try:
            for uri in uris:
                opened[uri] = open_teacher(uri)
            if not any(teacher.host for teacher in opened.values()):
                rules = replace(rules, concurrency=1)
            first = [ask for question in self.questions for ask in question.asks]
            ask_all(first, opened, prices, self.ledger, money, rules, done)
            if self.judge and not done.unasked:
                second = [ask for question in self.questions if (ask := self._judging(question))]
                ask_all(second, opened, prices, self.ledger, money, rules, done)
        finally:
            for teacher in opened.values():
                teacher.close()
            self.ledger.close()
        return done, money.spent

    def write(self, asked: Asked, spent: float) -> Generated:
        """Rows of all answers that are there: parsed, held to their seeds, chosen, near twins left out."""
        found = Generated(self.out, asked=asked, spent=round(spent, 6))
        rows: dict[tuple[str, str], list[dict[str, Any]]]
        rows = {(self._task(question), question.prompts.name): [] for question in self.questions}
        refused: dict[str, list[dict[str, Any]]] = {one.name: [] for one in self.sets}
        indexes = self._existing(rows)
        exact = {_content(row) for some in rows.values() for row in some}
        for question in self.questions:
            task = self._task(question)
            for answer, one in self._settled(question):
                why = str(one) if isinstance(one, Rejected) else _twin(one, indexes[task], exact)
                if why or isinstance(one, Rejected):
                    found.rejected[re.sub(r'[:,] .*|".*', "", why)] += 1
                    value = one.row if isinstance(one, Made) else answer.text
                    refused[question.prompts.name].append({"why": why, "where": question.seed.where, "value": value})
                else:
                    made = {**answer.provenance(question.prompts.version), "seed": _name_of(question.seed)}
                    rows[task, question.prompts.name].append({**one.row, "provenance": made})
        for (task, name), some in rows.items():
            if _write_or_remove(self.out / task / f"{name}.jsonl", some):
                found.rows[f"{task}/{name}.jsonl"] = len(some)
        for name, some in refused.items():
            _write_or_remove(self.out / "rejected" / f"{name}.jsonl", some)
        if self.tools and any(task == "call" and some for (task, _), some in rows.items()):
            write_json(self.out / "call" / "tools.json", self.tools.to_openai())
        self._write_manifest(found)
        return found

    def _task(self, question: Question) -> str:
        return task_of(question.prompts.gives, question.seed.task)

    def _existing(self, rows: dict[tuple[str, str], list[dict[str, Any]]]) -> dict[str, NearIndex]:
        """What there is of each task, for near twins. Rows made from seeds that are not among today's stay in their file."""
        planned: dict[str, set[str]] = defaultdict(set)
        for question in self.questions:
            planned[question.prompts.name].add(_name_of(question.seed))
        anew = {one.name for one in self.sets if one.of in ("functions", "rounds")}
        indexes = {task: NearIndex(NEAR) for task, _ in rows}
        for task, index in indexes.items():
            for file in sorted((self.out / task).glob("*.jsonl")):
                name = file.stem
                for row in rows_of(file):
                    if (task, name) in rows:
                        if name in anew or row.get("provenance", {}).get("seed") in planned[name]:
                            continue
                        rows[task, name].append(row)
                    index.add(fresh_of(row))
        return indexes

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
        marks = question.marks
        if question.prompts.gives in AS_JSON:
            marks = {mark: json.dumps(value, ensure_ascii=False)[1:-1] for mark, value in marks.items()}
        text = restore(record["text"], marks)
        found = [_unmasked(one, question) for one in parse_answer(question.prompts.gives, text, question.seed)]
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
        return Ask(self.judge, (message,), JUDGE_TOKENS, 0.0, self.order.seed, "judge 1")

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
        for round_ in range(self.order.rounds):
            for number, seed in enumerate(seeds, round_):
                if prompts.of == "rows" and not seed.row:
                    raise InputError(
                        f"{seed.where}: --make {prompts.name} rewords rows of a task; this is a plain text"
                    )
                yield self._question(prompts, seed, prompts.variants[number % len(prompts.variants)], round_)

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
            told, marks = redact(self.order.instructions, marks) if self.order.redact else (self.order.instructions, {})
            messages.insert(0, Message("system", told))
        about = f"{prompts.name} {prompts.version} {round_}"
        asks = tuple(
            Ask(uri, tuple(messages), prompts.max_tokens, prompts.temperature, self.order.seed + round_, about)
            for uri in self.order.teachers
        )
        asked = Seed(seed.where, seed.text, seed.task, seed.row, variant or seed.ask, self.order.labels, self.tools)
        return Question(prompts, asked, asks, marks)

    def _write_manifest(self, found: Generated) -> None:
        prompts = {one.name: one.version for one in self.sets}
        order = {**self.order.__dict__, "make": list(self.order.make), "teachers": list(self.order.teachers)}
        values = {**found.to_json(), "order": order, "prompts": prompts, "prices": self.prices.to_json()}
        write_manifest(self.out, {"kind": KIND, **values, "inputs": hash_inputs(self.inputs)})


def _unmasked(one: Made | Rejected, question: Question) -> Made | Rejected:
    """A row in which a teacher wrote a mask of its own, or changed one, would teach masks."""
    if question.marks and isinstance(one, Made) and holds_mark(dump_compact(one.row), question.seed.text):
        return Rejected("a mask that cannot be put back")
    return one


def _twin(made: Made, index: NearIndex, exact: set[str]) -> str:
    """Why a row is left out as a copy; one that is not is remembered."""
    key = _content(made.row)
    if key in exact:
        return "the same row again"
    if made.fresh:
        if index.find(made.fresh) is not None:
            return "a near twin of another row"
        index.add(made.fresh)
    exact.add(key)
    return ""


def _elsewhere(uri: str) -> str:
    """The other machine that a teacher's requests go to; empty for one of this machine."""
    host = host_of(uri)
    return "" if not host or is_loopback(host) else host


def _name_of(seed: Seed) -> str:
    """Names a seed by what it holds, wherever it stands."""
    return sha256_value([seed.text, seed.row])[:12]


def _content(row: dict[str, Any]) -> str:
    return dump_compact({key: value for key, value in row.items() if key != "provenance"})


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that was written here; raises InputError where a line is no JSON."""
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        try:
            row = json.loads(line) if line.strip() else None
        except ValueError:
            raise InputError(f"{file}:{number}: not JSON; mend the line, or move the file away") from None
        if isinstance(row, dict):
            yield row


def _write_or_remove(file: Path, rows: Sequence[dict[str, Any]]) -> bool:
    if rows:
        write_jsonl(file, rows)
    else:
        file.unlink(missing_ok=True)  # of an earlier run, whose rows do not hold any more
    return bool(rows)


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
