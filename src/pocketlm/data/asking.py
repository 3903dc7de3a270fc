"""Ask teachers many things at once: bounded, rate-limited, retried, inside a budget, nothing asked twice.

Knows nothing of what is asked or what the answers mean.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pocketlm.core.files import sha256_value
from pocketlm.core.interrupt import interrupts_wait
from pocketlm.core.progress import progress
from pocketlm.data.budget import Budget, Price
from pocketlm.data.ledger import Ledger
from pocketlm.engines.teacher import Busy, Lost, Reply, Teacher
from pocketlm.tasks.template import Message

TRIES = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0


@dataclass(frozen=True)
class Ask:
    """One request to one teacher. `about`: the version of its prompt and which of several like it, for the key."""

    teacher: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    seed: int
    about: str

    @property
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


class _Pace:
    """At most so many starts a minute, over all threads, and none before a server says it may be asked again."""

    def __init__(self, per_minute: int | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._gap
        stop.wait(max(0.0, start - now))

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def ask_all(
    asks: Sequence[Ask],
    teachers: dict[str, Teacher],
    prices: dict[str, Price],
    ledger: Ledger,
    budget: Budget,
    *,
    concurrency: int = 4,
    per_minute: int | None = None,
    first_wait_s: float = FIRST_WAIT_S,
) -> Asked:
    """Ask what the ledger has no answer to; answers are in the ledger afterwards.

    Stops where the budget leaves no room for the next request's worst case. Ctrl-C waits for the answers that are paid for.

    Raises:
        InputError: a teacher will never answer. KeyboardInterrupt: after Ctrl-C.
    """
    done = Asked()
    waiting: deque[Ask] = deque()
    for ask in {ask.key: ask for ask in asks}.values():
        if ask.key in ledger.answers:
            done.reused += 1
        else:
            waiting.append(ask)
    if not waiting:
        return done
    work = _Work(waiting, teachers, prices, ledger, budget, _Pace(per_minute), done, first_wait_s)
    with progress("Asking", len(waiting)) as update, interrupts_wait() as interrupted:
        work.tick = lambda: update(note=f"{budget.spent:.4f} spent" if budget.spent else "")
        with ThreadPoolExecutor(concurrency) as pool:
            threads = [pool.submit(work.run) for _ in range(min(concurrency, len(waiting)))]
            while not all(thread.done() for thread in threads):
                if interrupted():
                    work.stop.set()
                time.sleep(0.02)
        for thread in threads:
            thread.result()
        done.unasked += len(waiting)
    return done


class _Work:
    """What the threads share."""

    def __init__(
        self,
        waiting: deque[Ask],
        teachers: dict[str, Teacher],
        prices: dict[str, Price],
        ledger: Ledger,
        budget: Budget,
        pace: _Pace,
        done: Asked,
        first_wait_s: float,
    ) -> None:
        self.waiting, self.teachers, self.prices = waiting, teachers, prices
        self.ledger, self.budget, self.pace, self.done = ledger, budget, pace, done
        self.first_wait_s = first_wait_s
        self.stop = threading.Event()
        self.tick: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def run(self) -> None:
        """One thread: requests until there are none, the money is spent, or it is stopped."""
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
        why = ""
        for number in range(TRIES):
            self.pace.wait(self.stop)
            if self.stop.is_set() or not self._afford(worst):
                with self._lock:
                    self.done.unasked += 1
                return
            try:
                reply = self._ask(ask, worst)
            except Busy as error:
                self._fail(ask, worst, 0.0, why := str(error))
                wait = error.after if error.after is not None else self._backoff(number)
                if error.after is not None:
                    self.pace.hold(wait)
                self.stop.wait(wait)
            except Lost as error:
                self._fail(ask, worst, worst, why := str(error))
                self.stop.wait(self._backoff(number))
            except BaseException as error:  # it will never be answered: the others are stopped, nothing was charged
                self._fail(ask, worst, 0.0, str(error))
                raise
            else:
                self._keep(ask, worst, reply)
                return
        with self._lock:
            self.done.failed[why] += 1

    def _afford(self, worst: float) -> bool:
        if self.budget.set_aside(worst):
            return True
        self.done.out_of_budget = True
        self.stop.set()
        return False

    def _ask(self, ask: Ask, worst: float) -> Reply:
        self.ledger.asked(ask.key, worst)
        settings = {"max_tokens": ask.max_tokens, "temperature": ask.temperature, "seed": ask.seed, "key": ask.key}
        return self.teachers[ask.teacher].chat(ask.messages, **settings)  # type: ignore[arg-type]

    def _keep(self, ask: Ask, worst: float, reply: Reply) -> None:
        price = self.prices[ask.teacher].of(reply.input_tokens, reply.output_tokens)
        record = {"teacher": ask.teacher, "text": reply.text, "in": reply.input_tokens, "out": reply.output_tokens}
        self.ledger.answered(ask.key, {**record, "stopped": reply.stopped, "price": price})
        self.budget.settle(worst, price)
        with self._lock:
            self.done.answered += 1
            self.tick()

    def _fail(self, ask: Ask, worst: float, price: float, why: str) -> None:
        self.ledger.failed(ask.key, why, price)
        self.budget.settle(worst, price)

    def _backoff(self, number: int) -> float:
        """Twice as long each time, and by chance up to as much again, so that threads do not ask in step."""
        wait: float = min(LONGEST_WAIT_S, self.first_wait_s * 2**number)
        return wait * (1 + random.random())
