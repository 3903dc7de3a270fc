"""Looking inside one answer: its tokens, what else might have stood at each place, and where each argument came from.

All of it but attention is asked of an engine as odds, so it is the same for torch and for llama.cpp. Odds are the model's
own, also where a grammar held the answer: that is how one sees where it did.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.progress import progress
from pocketlm.engines.base import Engine, Generation, Ids, Odds, ends_of
from pocketlm.engines.stepwise import common
from pocketlm.evaluate.attention import Attention, look
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.template import TEMPLATES, Message, Template
from pocketlm.tasks.tools import ValueSpan

NO_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"  # kana and Han: each character counts as a word
WORD = re.compile(rf"[{NO_SPACES}]|[^\s{NO_SPACES}]+")
MOST_WORDS = 32  # left out one by one; of a longer text, stretches of words


@dataclass(frozen=True)
class Choice:
    """A token that could stand at a place, with its natural-log probability there."""

    id: int
    text: str
    logprob: float

    @property
    def p(self) -> float:
        """Its probability, 0..1."""
        return math.exp(self.logprob)


@dataclass(frozen=True)
class Token:
    """A token of the prompt or the answer.

    Attributes:
        start, end: its characters in the shown part of the prompt, or in the answer; a part of a character has none.
        logprob: natural-log probability; None for the very first token, which has nothing before it.
        top: the likeliest tokens at its place.
    """

    id: int
    text: str
    start: int
    end: int
    logprob: float | None
    top: tuple[Choice, ...] = ()

    @property
    def p(self) -> float | None:
        """Its probability, 0..1."""
        return None if self.logprob is None else math.exp(self.logprob)

    @property
    def is_likeliest(self) -> bool:
        """Whether no other token was likelier at its place."""
        return not self.top or self.top[0].id == self.id


@dataclass(frozen=True)
class Word:
    """A word of the request, or a stretch of several: request[start:end]."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Origin:
    """Where a value came from.

    Attributes:
        name: "function.argument"; "answer" where the whole answer is one value, without a task.
        tokens: indices of the value's tokens in the answer: from, up to but without.
        logprob: of its tokens, summed.
        drops: for each word of the request, by how much `logprob` falls when the word is left out (nats); empty for a lone word.
        shares: for each word, its part of the attention that went to the request while the value was written, together 1;
            empty where no attention is told.
    """

    name: str
    value: str
    tokens: tuple[int, int]
    logprob: float
    drops: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Contrast:
    """An answer against the expected one.

    Attributes:
        why: what differs, such as "set_alarm.time wrong"; nothing where the answer is right.
        given, logprob: summed natural-log probability of the answer and of the expected one, stop tokens included.
        place: index of the first token in which they differ; None where all are the same.
        wrote, instead: the tokens there, of the answer and of the expected one; None where that one has ended before.
    """

    expected: str
    why: tuple[str, ...]
    given: float
    logprob: float
    place: int | None = None
    wrote: Token | None = None
    instead: Token | None = None


@dataclass(frozen=True)
class Explanation:
    """All that was found about one answer.

    Attributes:
        hidden: tokens of the system block, in front of `prompt` and not among it.
        prompt, written: the tokens read and written, the stop token included.
        words, origins: of the request, and of the values in the answer.
        notes: sentences about what could not be done.
    """

    engine: str
    request: str
    answer: str
    constrained: bool
    hidden: int
    prompt: tuple[Token, ...]
    written: tuple[Token, ...]
    words: tuple[Word, ...]
    origins: tuple[Origin, ...]
    contrast: Contrast | None
    attention: Attention | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for scripts; of attention the average over heads, or the chosen head."""
        told = self.attention.to_json() if self.attention else None
        return {**asdict(replace(self, attention=None)), "attention": told}


@dataclass(frozen=True)
class Question:
    """What an engine is asked: the prompt is `system`, then `around` with the request in every gap; `stop` ends an answer."""

    system: str
    around: tuple[str, ...]
    request: str
    stop: str
    grammar: str | None = None

    @property
    def text(self) -> str:
        """The whole prompt."""
        return self.system + self.request.join(self.around)

    @property
    def places(self) -> list[int]:
        """Where the request begins, counted back from the prompt's end."""
        behind = [self.request.join(self.around[i:]) for i in range(1, len(self.around))]
        return [len(self.request) + len(text) for text in behind]

    def without(self, word: Word) -> str:
        """The prompt with a word of the request left out, and the space that stood beside it."""
        left, right = self.request[: word.start], self.request[word.end :]
        if not left or left[-1].isspace():
            right = right.lstrip()
        return self.system + (left + right).strip().join(self.around)


def ask(text: str, template: Template, task: CallTask | None, *, raw: bool = False, constrain: bool = True) -> Question:
    """A text as a prompt: in the template, with the task's system block and grammar where there is a task.

    Raises:
        InputError: the text is empty.
    """
    if not text.strip():
        raise InputError('the text is empty; write it in quotes, such as pocketlm explain ENGINE "wake me at 7"')
    if raw:
        return Question("", ("", ""), text, "")
    row = CallRow((Message("user", text),), ())
    prompt = task.prompt(row, template) if task else template.render(row.messages)
    first, *more = template.around("user")
    around = (first, *more[:-1], more[-1] + template.answer)
    system = prompt.removesuffix(text.join(around))
    if system == template.opening:  # a mark of the template, not a block of text
        system, around = "", (system + first, *around[1:])
    grammar = task.grammar(template, row) if task and constrain else None
    return Question(system, around, text, template.stop, grammar)


def explain(
    engine: Engine,
    text: str,
    *,
    task: CallTask | None = None,
    raw: bool = False,
    constrain: bool = True,
    expected: Sequence[Call] | str | None = None,
    max_tokens: int = 60,
    top: int = 5,
    whole: bool = False,
    head: tuple[int, int] | None = None,
) -> Explanation:
    """Let an engine answer and look at how the answer came about.

    Args:
        raw: the text is the prompt as it is, without template and task.
        constrain: allow only answers that fit the task's schemas.
        expected: the right calls, or without a task the right text.
        top: how many of the likeliest tokens to tell at each place.
        whole: tell of the system block's tokens too.
        head: the attention head to show, (layer, head) from 0; the average of many by default.

    Raises:
        InputError: an empty text, or a head that is not there.
    """
    task = None if raw else task
    question = ask(text, TEMPLATES[engine.template], task, raw=raw, constrain=constrain)
    case = _answer(engine, question, max_tokens, top, whole)
    attention, untold = look(engine, [*case.ids, *case.answer.ids], case.hidden, head)
    spans, unread = _spans(case, task)
    words = split_words(text)
    return Explanation(
        engine=engine.uri, request=text, answer=case.answer.text, constrained=question.grammar is not None,
        hidden=case.hidden, prompt=case.prompt, written=case.written,
        words=words, origins=_origins(case, words, spans, attention), attention=attention,
        contrast=None if expected is None else _contrast(case, *_compare(case, task, expected), top),
        notes=tuple(sentence for sentence in (_cut(case.answer), unread, untold) if sentence),
    )  # fmt: skip


def split_words(request: str) -> tuple[Word, ...]:
    """The words of a request; of a long one, stretches of several."""
    places = [match.span() for match in WORD.finditer(request)]
    step = max(1, math.ceil(len(places) / MOST_WORDS))
    stretches = [(places[i][0], places[min(i + step, len(places)) - 1][1]) for i in range(0, len(places), step)]
    return tuple(Word(request[start:end], start, end) for start, end in stretches)


# ---------------------------------------------------------------------------------------------------------- tokens


@dataclass(frozen=True)
class _Case:
    """An answered question: `ids` of the prompt, of which the first `hidden` are not told of, and the others as tokens."""

    engine: Engine
    question: Question
    answer: Generation
    ids: list[int]
    hidden: int
    prompt: tuple[Token, ...]
    written: tuple[Token, ...]


def _answer(engine: Engine, question: Question, max_tokens: int, top: int, whole: bool) -> _Case:
    """Let the engine answer, and ask for the odds of all that was read and written."""
    answer = engine.generate([question.text], max_tokens=max_tokens, grammar=question.grammar)[0]
    ids = engine.tokenize(question.text)
    hidden = 0 if whole else common(ids, engine.tokenize(question.system))
    front = max(1, hidden)
    (found,) = engine.odds([(ids[:front], [*ids[front:], *answer.ids])], top=top)
    odds: list[Odds | None] = [*([] if hidden else [None]), *found]
    shown = ids[hidden:]
    prompt = _tokens(engine, shown, ends_of(shown, engine.decode), odds[: len(shown)])
    written = _tokens(engine, answer.ids, answer.ends, odds[len(shown) :])
    return _Case(engine, question, answer, ids, hidden, prompt, written)


def _tokens(engine: Engine, ids: Ids, ends: Sequence[int], odds: Sequence[Odds | None]) -> tuple[Token, ...]:
    name = cache(lambda token: engine.decode([token]))
    found = []
    for token, start, end, one in zip(ids, [0, *ends], ends, odds, strict=False):
        top = tuple(Choice(other, name(other), logprob) for other, logprob in one.top) if one else ()
        found.append(Token(token, name(token), start, end, one.logprob if one else None, top))
    return tuple(found)


def _covering(tokens: Sequence[Token], start: int, end: int) -> list[int]:
    """Indices of the tokens with characters between start and end, and of parts of such a character."""
    return [i for i, one in enumerate(tokens) if one.start < end and (one.start >= start or one.end > start)]


def _sum(tokens: Sequence[Token]) -> float:
    return sum(token.logprob or 0.0 for token in tokens)


def _cut(answer: Generation) -> str:
    return "" if answer.stopped else f"The answer was cut after {answer.tokens} tokens; --max-tokens gives it more."


# ------------------------------------------------------------------------------------------------------- where from


def _spans(case: _Case, task: CallTask | None) -> tuple[list[ValueSpan], str]:
    """The values of an answer, and a sentence where they cannot be found."""
    text = case.answer.text
    if task is None:
        return [ValueSpan("", "answer", 0, len(text))], ""
    template = TEMPLATES[case.engine.template]
    try:
        return task.value_spans(text, template), ""
    except (ValueError, RecursionError) as error:
        problem = f"The answer cannot be read as calls to its end ({error})."
    try:  # of an answer that was cut in its second call, the first is traced
        return task.value_spans(text.rpartition("\n")[0], template), problem
    except (ValueError, RecursionError):
        return [], problem


def _origins(
    case: _Case, words: Sequence[Word], spans: Sequence[ValueSpan], attention: Attention | None
) -> tuple[Origin, ...]:
    """Where each value came from: by leaving words out, and by attention."""
    values = [(span, tokens) for span in spans if (tokens := _covering(case.written, span.start, span.end))]
    without = _leave_out(case, words, [tokens for _, tokens in values]) if values and len(words) > 1 else []
    starts = [case.prompt[-1].end - back for back in case.question.places]
    read = [[_covering(case.prompt, at + word.start, at + word.end) for at in starts] for word in words]
    places = [[case.hidden + i for tokens in every for i in tokens] for every in read]
    found = []
    for at, (span, tokens) in enumerate(values):
        logprob = _sum([case.written[i] for i in tokens])
        found.append(
            Origin(
                name=".".join(part for part in (span.function, span.argument) if part),
                value=case.answer.text[span.start : span.end],
                tokens=(tokens[0], tokens[-1] + 1),
                logprob=logprob,
                drops=tuple(logprob - left[at] for left in without),
                shares=attention.shares([len(case.ids) + i for i in tokens], places) if attention else (),
            )
        )
    return tuple(found)


def _leave_out(case: _Case, words: Sequence[Word], values: Sequence[Sequence[int]]) -> list[list[float]]:
    """For each word left out, the log-probability of each value (occlusion, Zeiler and Fergus 2014)."""
    ids = case.answer.ids[: max(tokens[-1] for tokens in values) + 1]
    pairs = [(case.engine.tokenize(case.question.without(word)), ids) for word in words]
    with progress("Leaving words out", len(pairs)) as tick:
        scored = case.engine.odds(pairs, tick=tick)
    return [[sum(odds[i].logprob for i in tokens) for tokens in values] for odds in scored]


# --------------------------------------------------------------------------------------------------------- expected


def _compare(case: _Case, task: CallTask | None, expected: Sequence[Call] | str) -> tuple[str, tuple[str, ...]]:
    """The expected answer as the model would have to write it, and what differs."""
    if task is None or isinstance(expected, str):
        completion = f"{expected}{case.question.stop}"
        return completion, () if case.answer.text == expected else ("the text is another",)
    template = TEMPLATES[case.engine.template]
    row = CallRow((Message("user", case.question.request),), tuple(expected))
    return task.completion(row, template), tuple(task.score(row, case.answer.text, template).why)


def _contrast(case: _Case, completion: str, why: tuple[str, ...], top: int) -> Contrast:
    """How likely the expected answer was, and where the model left its way."""
    expected = completion.removesuffix(case.question.stop)
    place, rest = _parting(case, completion, len(expected))
    wanted = [*case.answer.ids[:place], *rest]
    (odds,) = case.engine.odds([(case.ids, wanted)], top=top)
    given, logprob = _sum(case.written), sum(one.logprob for one in odds)
    if place == len(wanted) == len(case.written):
        return Contrast(expected, why, given, logprob)
    wrote = case.written[place] if place < len(case.written) else None
    instead = _tokens(case.engine, wanted[place : place + 1], [0], odds[place:]) if rest else (None,)
    return Contrast(expected, why, given, logprob, place, wrote, instead[0])


def _parting(case: _Case, completion: str, length: int) -> tuple[int, list[int]]:
    """How many tokens of the answer the expected one can share, and its other tokens.

    A model may cut the same text into other tokens than its tokenizer does, as where a grammar held it: `{` `"` for `{"`.
    So the expected answer goes the way of the given one as far as both write the same and break it at the same letter.
    """
    wanted, answer = case.engine.tokenize(completion), case.answer
    given = {end: i for i, end in reversed(list(enumerate(answer.ends, 1)))}
    i = j = last = 0
    for at, end in enumerate(ends_of(wanted, case.engine.decode), 1):
        if last < end <= length and end in given and answer.text[:end] == completion[:end]:
            i, j, last = given[end], at, end
    more = common(answer.ids[i:], wanted[j:])  # parts of a letter, and the stop token
    return i + more, wanted[j + more :]
