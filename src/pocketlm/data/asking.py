"""Ask teachers many things at once: bounded, rate-limited, retried, inside a budget, nothing asked twice.

Knows nothing of what is asked or what the answers mean.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.files import sha256_value
from pocketlm.core.interrupt import interrupts_wait
from pocketlm.core.progress import progress
from pocketlm.data.budget import Budget, Price
from pocketlm.data.ledger import Ledger
from pocketlm.engines.teacher import Busy, Lost, Refused, Reply, Teacher
from pocketlm.tasks.template import Message

TRIES, TRIES_LOST = 6, 3  # of one request; each lost answer may have been paid for
GIVE_UP = 3  # requests in a row that all tries failed for, or refusals by a teacher that never answered
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
LONGEST_AFTER_S = 600.0  # a server that wants us back later than this is not waited for


@dataclass(frozen=True)
class Ask:
    """One request to one teacher. `about`: the version of its prompt and which of several like it, for the key."""

    teacher: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    seed: int
    about: str

    @cached_property
    def key(self) -> str:
        """The same request has the same key in every run."""
        messages = [[message.role, message.content] for message in self.messages]
        return sha256_value([self.teacher, messages, self.max_tokens, self.temperature, self.seed, self.about])[:32]


@dataclass
class Asked:
    """How the asking went. `unasked`: for want of budget or because it was stopped; `failed`: why -> how many."""

    answered: int = 0
    reused: int = 0
    unasked: int = 0
    out_of_budget: bool = False
    failed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Rules:
    """How fast to ask: requests at once, requests a minute of each host, and the wait after a first failure."""

    concurrency: int = 4
    per_minute: int | None = None
    first_wait_s: float = FIRST_WAIT_S


def ask_all(
    asks: Sequence[Ask],
    teachers: Mapping[str, Teacher],
    prices: Mapping[str, Price],
    ledger: Ledger,
    budget: Budget,
    rules: Rules,
    done: Asked,
) -> None:
    """Ask what the ledger has no answer to; answers are in the ledger afterwards, and `done` tells how it went.

    What the budget leaves no room for is not asked. Ctrl-C waits for the answers that are paid for.

    Raises:
        InputError: a teacher will never answer. EnvironmentLacks: it does not answer now. KeyboardInterrupt: after Ctrl-C.
    """
    wanted = {ask.key: ask for ask in asks}
    waiting = deque(ask for ask in wanted.values() if ask.key not in ledger.answers)
    done.reused += len(wanted) - len(waiting)
    if not waiting:
        return
    work = _Work(waiting, teachers, prices, ledger, budget, rules, done)
    with progress("Asking", len(waiting)) as update, interrupts_wait() as interrupted:
        work.tick = lambda: update(note=f"{budget.spent:.4f} spent" if budget.spent else "")
        with ThreadPoolExecutor(rules.concurrency) as pool:
            threads = [pool.submit(work.run) for _ in range(min(rules.concurrency, len(waiting)))]
            while not all(thread.done() for thread in threads):
                if interrupted():
                    work.stop.set()
                time.sleep(0.02)
        done.unasked += len(waiting)
        for thread in threads:
            thread.result()


class _Pace:
    """At most so many starts a minute, over all threads, and none before a server says it may be asked again."""

    def __init__(self, per_minute: int | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._held = 0.0
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        with self._lock:
            start = max(time.monotonic(), self._next)
            self._next = start + self._gap
        while (left := max(start, self._held) - time.monotonic()) > 0 and not stop.wait(left):
            pass  # somebody may have been told to wait longer meanwhile

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._held = max(self._held, time.monotonic() + seconds)


class _Work:
    """What the threads share."""

    def __init__(
        self,
        waiting: deque[Ask],
        teachers: Mapping[str, Teacher],
        prices: Mapping[str, Price],
        ledger: Ledger,
        budget: Budget,
        rules: Rules,
        done: Asked,
    ) -> None:
        self.waiting, self.teachers, self.prices = waiting, teachers, prices
        self.ledger, self.budget, self.rules, self.done = ledger, budget, rules, done
        hosts = {uri: teacher.host or uri for uri, teacher in teachers.items()}
        paces = {host: _Pace(rules.per_minute) for host in hosts.values()}
        self.paces = {uri: paces[host] for uri, host in hosts.items()}
        self.stop = threading.Event()
        self.tick: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._ever = {record.get("teacher") for record in ledger.answers.values()}  # teachers that have answered
        self._in_a_row: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()

    def run(self) -> None:
        """One thread: requests until there are none, or it is stopped."""
        while not self.stop.is_set():
            try:
                ask = self.waiting.popleft()
            except IndexError:
                return
            try:
                self._answer(ask)
            except BaseException:
                self.stop.set()
                raise

    def _answer(self, ask: Ask) -> None:
        worst = self.prices[ask.teacher].worst(ask.messages, ask.max_tokens)
        why, lost = "", 0
        for number in range(TRIES):
            if not self._may_ask(ask, worst):
                with self._lock:
                    self.done.unasked += 1
                return
            try:
                reply = self._ask(ask, worst)
            except Lost as error:
                self._fail(ask, worst, worst, why := str(error))
                lost += 1
                self._wait(ask, number, error)
            except Busy as error:
                self._fail(ask, worst, 0.0, why := str(error))
                self._wait(ask, number, error)
            except Refused as error:
                self._fail(ask, worst, 0.0, str(error))
                self._refused(ask, str(error))
                return
            except BaseException as error:  # no request will be answered; this one was not charged
                self._fail(ask, worst, 0.0, str(error))
                raise
            else:
                self._keep(ask, worst, reply)
                return
            if lost == TRIES_LOST:
                break
        self._gave_up(ask, why)

    def _may_ask(self, ask: Ask, worst: float) -> bool:
        """The money is set aside and it is our turn; False where there is none, or the run is stopped."""
        if self.stop.is_set():
            return False
        if not self.budget.set_aside(worst):
            self.done.out_of_budget = True
            return False
        self.paces[ask.teacher].wait(self.stop)
        if self.stop.is_set():
            self.budget.settle(worst, 0.0)
        return not self.stop.is_set()

    def _ask(self, ask: Ask, worst: float) -> Reply:
        self.ledger.asked(ask.key, worst)
        settings = {"max_tokens": ask.max_tokens, "temperature": ask.temperature, "seed": ask.seed, "key": ask.key}
        return self.teachers[ask.teacher].chat(ask.messages, **settings)  # type: ignore[arg-type]

    def _keep(self, ask: Ask, worst: float, reply: Reply) -> None:
        price = worst  # where the teacher does not say what it read and wrote
        if reply.input_tokens is not None and reply.output_tokens is not None:
            price = self.prices[ask.teacher].of(reply.input_tokens, reply.output_tokens)
        record = {"teacher": ask.teacher, "text": reply.text, "in": reply.input_tokens, "out": reply.output_tokens}
        try:
            self.ledger.answered(ask.key, {**record, "stopped": reply.stopped, "price": price})
        finally:
            self.budget.settle(worst, price)
        with self._lock:
            self._ever.add(ask.teacher)
            self._in_a_row[ask.teacher] = 0
            self.done.answered += 1
            self.tick()

    def _fail(self, ask: Ask, worst: float, price: float, why: str) -> None:
        try:
            self.ledger.failed(ask.key, why, price)
        finally:
            self.budget.settle(worst, price)

    def _refused(self, ask: Ask, why: str) -> None:
        """One text may be refused for what it says; where nothing was ever answered, all are refused for the same reason."""
        with self._lock:
            self.done.failed[why] += 1
            self._refusals[ask.teacher] += 1
            if self._refusals[ask.teacher] >= GIVE_UP and ask.teacher not in self._ever:
                raise InputError(why)

    def _gave_up(self, ask: Ask, why: str) -> None:
        with self._lock:
            self.done.failed[why] += 1
            self._in_a_row[ask.teacher] += 1
            if self._in_a_row[ask.teacher] >= GIVE_UP:
                raise EnvironmentLacks(f"{why}; run the same command later, what was answered is kept")

    def _wait(self, ask: Ask, number: int, error: Busy) -> None:
        """As long as the server says; else twice as long each time, and by chance up to as much again, so that threads do
        not ask in step."""
        if not error.after:
            wait = min(LONGEST_WAIT_S, self.rules.first_wait_s * 2**number)
            self.stop.wait(wait * (1 + random.random()))
            return
        if error.after > LONGEST_AFTER_S:
            minutes = error.after / 60
            raise EnvironmentLacks(
                f"{error}; it may be asked again in {minutes:.0f} minutes: run the same command then"
            )
        self.paces[ask.teacher].hold(error.after)
