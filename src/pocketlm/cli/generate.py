"""`pocketlm data generate`: training rows from stronger models, inside a budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.core.errors import InputError, PocketError
from pocketlm.core.progress import say

if TYPE_CHECKING:
    from pocketlm.data.asking import Asked, Rules
    from pocketlm.data.generate import Estimate, Generated, Generation

SHOWN = 30  # lines of the first request


def generate(
    seeds: Annotated[Path | None, typer.Argument(help="Notes, texts or rows to start from: a file or a folder.")] = None,
    make: Annotated[str, typer.Option(help="Prompt sets: summary, questions, tags, extraction (together: notes), calls, hard_negatives, no_calls, paraphrases, or your own .md file.")] = "notes",
    teacher: Annotated[list[str], typer.Option(help="anthropic:MODEL, openai:MODEL, google:MODEL, http://HOST/v1#MODEL, or an engine of this machine; repeat for several.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Folder for rows and ledger.")] = Path("data/generated"),
    tools: Annotated[Path | None, typer.Option(help="tools.json, for the sets about functions.")] = None,
    budget: Annotated[float | None, typer.Option(help="Never spend more than this in this folder, in the price table's currency; by default what is shown at the start.")] = None,
    prices: Annotated[Path | None, typer.Option(help="Your own price table.")] = None,
    count: Annotated[int, typer.Option(help="Rows asked for at once, of sets that give several.", min=1, max=50)] = 5,
    rounds: Annotated[int, typer.Option(help="How often each seed is asked.", min=1)] = 1,
    limit: Annotated[int | None, typer.Option(help="At most so many seeds, by chance.", min=1)] = None,
    instructions: Annotated[str, typer.Option(help="What every teacher is told first.")] = "",
    labels: Annotated[str, typer.Option(help="The tags to choose among, separated by commas.")] = "",
    choose: Annotated[str, typer.Option(help="Of several teachers' answers: first, consensus, judge or agreement.")] = "first",
    judge: Annotated[str, typer.Option(help="The judge; by default the first teacher.")] = "",
    redact: Annotated[bool, typer.Option(help="Mask emails, numbers and secrets before they are sent (names stay); rows keep your own values.")] = False,
    concurrency: Annotated[int, typer.Option(help="Requests at once.", min=1, max=64)] = 4,
    per_minute: Annotated[int | None, typer.Option(help="Requests a minute at most, of each host.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what it would take, ask nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking first.")] = False,
    replay: Annotated[bool, typer.Option(help="Make rows anew from the answers that are there; ask nothing.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed asks anew.", min=0)] = 0,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Make training rows with teachers: every answer is kept at once, checked against its source, and never paid for twice.

    Nothing leaves this machine before it was shown and agreed to.
    """
    be_quiet(as_json)
    if not teacher:
        raise InputError("name a teacher, such as --teacher starter:smollm2-135m or --teacher openai:gpt-4.1-mini")
    from pocketlm.data.asking import Rules
    from pocketlm.data.budget import check_cap
    from pocketlm.data.generate import Generation, Order

    check_cap(budget)
    sets, tags = (tuple(one.strip() for one in text.split(",") if one.strip()) for text in (make, labels))
    teachers = tuple(dict.fromkeys(teacher))
    order = Order(sets, teachers, count, rounds, limit, instructions, tags, choose, judge, redact, seed)
    work = Generation(order, out, seeds=seeds, tools=tools, prices=prices)
    asked, spent = work.asked_before(), work.ledger.spent
    if not replay:
        estimate = work.estimate()
        cap = spent + estimate.most if budget is None else budget
        if dry_run:
            output(as_json, estimate.__dict__, _told(estimate, spent, cap))
            return
        if estimate.hosts:
            _ask_leave(estimate, spent, cap, yes)
        if estimate.requests:
            asked, spent = _ask(work, cap, Rules(concurrency, per_minute))
    found = work.write(asked, spent)
    output(as_json, found.to_json(), _summary(found, work.prices.currency))


def _ask(work: Generation, cap: float, rules: Rules) -> tuple[Asked, float]:
    """Ask; where that is cut short, rows are made of what was answered."""
    from pocketlm.engines.open import open_teacher

    try:
        return work.ask(open_teacher, cap, rules)
    except (KeyboardInterrupt, PocketError):
        if work.ledger.answers:
            say(_summary(work.write(work.asked_before(), work.ledger.spent), work.prices.currency))
        raise


def _told(estimate: Estimate, spent: float, cap: float) -> str:
    lines = [
        f"{estimate.requests:,} requests, about {estimate.input_tokens:,} tokens to read and {estimate.output_tokens:,} to write",
        f"about {estimate.about:.2f}, at most {estimate.most:.2f}; {spent:.2f} spent before, stops before {cap:.2f} in all",
    ]
    if estimate.note:
        lines.append(f"note: {estimate.note}")
    lines += [f"{count:,} texts would leave this machine for {host}" for host, count in estimate.hosts.items()]
    if estimate.personal:
        lines.append(f"{estimate.personal:,} of them hold emails, numbers or secrets; --redact masks these")
    if not estimate.hosts:
        lines.append("nothing leaves this machine")
    first = estimate.first_text.splitlines()
    more = [f"  ... and {len(first) - SHOWN} lines more"] if len(first) > SHOWN else []
    return "\n".join([*lines, "", "The first request:", *(f"  {line}" for line in first[:SHOWN]), *more])


def _ask_leave(estimate: Estimate, spent: float, cap: float, yes: bool) -> None:
    """Show what leaves the machine, and have it agreed to."""
    typer.echo(_told(estimate, spent, cap), err=True)  # even with --json: it is what is agreed to
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            f"{sum(estimate.hosts.values())} texts would leave this machine for {', '.join(estimate.hosts)}; "
            "add --yes to agree to that, or look first with --dry-run"
        )
    if not typer.confirm("Send?", err=True):
        raise typer.Abort


def _summary(found: Generated, currency: str) -> str:
    lines = [f"{count:,} rows in {found.out / name}" for name, count in found.rows.items()] or ["no row came of it"]
    if found.rejected:
        told = "; ".join(f"{why} ({count})" for why, count in found.rejected.most_common(6))
        lines.append(f"{found.rejected.total():,} refused, see {found.out / 'rejected'}: {told}")
    asked = found.asked
    lines.append(
        f"{asked.answered:,} answers, {asked.reused:,} were there before; {found.spent:.4f} {currency} spent in all"
    )
    if asked.unasked and not asked.out_of_budget:
        lines.append(f"{asked.unasked:,} are not asked yet; run the same command to go on")
    if asked.out_of_budget:
        lines.append(
            f"{asked.unasked:,} were not asked: the budget leaves no room for their worst case; raise --budget to go on"
        )
    for why, count in asked.failed.most_common(3):
        lines.append(f"{count:,} failed: {why}; run the same command again to ask them anew")
    return "\n".join(lines)
