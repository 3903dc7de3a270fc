"""How fast does a training step run, beside TRL's SFTTrainer with PEFT, on the same rows?

SmolLM2-135M, LoRA r16 on attention, Snips as function calls. Two kinds of rows: "plain" (ChatML, no tools in the prompt) and
"shared" (four functions in every prompt, about 525 tokens that all rows share). TRL runs at its defaults (gradient
checkpointing, bf16, 8 rows a micro-batch) and at the best of a few settings for CPUs, both with the same rows per update as
ours. Every side runs in a process of its own, so that peaks of memory are its own; starting up and the first micro-batch are
left out of every rate. On plain rows all sides see the same 480 rows once at the same learning rate, and one scorer measures
their adapters.

python benchmarks/train_speed.py --json results/train_speed.json [--data FOLDER] [--quick]     (needs: pip install trl)
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[1]
BASE = "starter:smollm2-135m"
RANK, RATE = 16, 1e-3
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
ROWS_A_STEP = {"plain": 16, "shared": 48}
MICRO_BATCHES = {"plain": (4, 8, 16), "shared": (2, 4, 8)}  # that TRL is tried with
PREFIX = 525  # tokens of the tools block in "shared"


def main() -> None:
    """Run every side, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="where the metrics go")
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data", help="folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="fewer rows: shows that it runs")
    parser.add_argument("--side", nargs="+", help=argparse.SUPPRESS)  # SIDE FILE: one side, in this process
    arguments = parser.parse_args()
    if arguments.side:
        side, file, *more = arguments.side
        print("\n" + json.dumps(SIDES[side](json.loads(Path(file).read_text()), *more)))
        return
    with tempfile.TemporaryDirectory() as aside:
        found = measure(arguments.data / "function_calling" / "snips", Path(aside), arguments.quick)
    report(found, arguments.json)


def measure(source: Path, aside: Path, quick: bool) -> dict[str, Any]:
    """All sides, one process after another."""
    if not source.is_dir():
        sys.exit(f"{source}: no such folder; name the data with --data")
    files = {}
    for kind, rows in make_rows(source, aside, 96 if quick else 480).items():
        files[kind] = aside / f"{kind}.json"
        files[kind].write_text(json.dumps(rows))

    def side(name: str, kind: str, *more: Any) -> dict[str, Any]:
        command = [sys.executable, __file__, "--json", "-", "--side", name, str(files[kind]), *map(str, more)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        print(f"  {name:<12} {kind:<7} {' '.join(map(str, more)):<28} {json.dumps(result)}", flush=True)
        return result

    found: dict[str, Any] = {"ceiling": side("ceiling", "plain")}
    for kind in ("plain", "shared"):
        step, every = ROWS_A_STEP[kind], 96 if quick else 480
        found[f"ours {kind}"] = side("ours", kind, step, every, aside / f"ours-{kind}")
        found[f"default {kind}"] = side("trl", kind, 8, step, 1, 2 * step if kind == "plain" else step)
        tries = {size: side("trl", kind, size, step, 0, max(step, 48)) for size in MICRO_BATCHES[kind]}
        size = max(tries, key=lambda size: tries[size]["rows_per_s"])
        best = side("trl", kind, size, step, 0, every, aside / "trl-plain") if kind == "plain" else tries[size]
        found[f"best {kind}"] = {**best, "micro_batch": size}
    for name in ("ours", "trl"):
        found[f"loss {name}"] = side("loss", "plain", aside / f"{name}-plain")
    found["full"] = side("ours_full", "plain", 16, 48 if quick else 160)
    found["tiny"], found["tiny, transformers"] = side("tiny", "plain"), side("tiny_plain", "plain")
    return found


def report(found: dict[str, Any], file: Path) -> None:
    """The table, and the metrics as JSON."""
    from kept import about

    from pocketlm.core.files import write_json
    from pocketlm.core.machine import describe

    metrics: dict[str, float] = {}
    print(f"\n{'':<28}{'plain rows/s':>14}{'tok/s':>8}{'GB':>6}{'shared rows/s':>15}{'GB':>6}")
    names = {"ours": "ours", "default": "TRL, its defaults", "best": "TRL, its best"}
    for side, name in names.items():
        plain, shared = found[f"{side} plain"], found[f"{side} shared"]
        print(
            f"{name:<28}{plain['rows_per_s']:>14.2f}{plain['tokens_per_s']:>8.0f}{plain['gb']:>6.1f}"
            f"{shared['rows_per_s']:>15.2f}{shared['gb']:>6.1f}"
        )
    for kind, side in itertools.product(("plain", "shared"), ("default", "best")):
        ratio = found[f"ours {kind}"]["rows_per_s"] / found[f"{side} {kind}"]["rows_per_s"]
        metrics[f"{kind}_vs_trl_{side}"] = round(ratio, 2)
        metrics[f"memory_{kind}_vs_trl_{side}"] = round(found[f"ours {kind}"]["gb"] / found[f"{side} {kind}"]["gb"], 3)
    ceiling = found["ceiling"]
    for kind in ("plain", "shared"):
        metrics[f"ceiling_fraction_{kind}"] = round(found[f"ours {kind}"]["gflops"] / ceiling["gflops"], 3)
    metrics["memory_vs_trl"] = max(metrics[f"memory_{kind}_vs_trl_default"] for kind in ("plain", "shared"))
    metrics["valid_loss_ours"], metrics["valid_loss_trl"] = found["loss ours"]["loss"], found["loss trl"]["loss"]
    metrics["valid_loss_ratio"] = round(metrics["valid_loss_ours"] / metrics["valid_loss_trl"], 4)
    metrics["full_tok_s"] = found["full"]["tokens_per_s"]
    metrics["tiny_scratch_tok_s"] = found["tiny"]["tokens_per_s"]
    metrics["tiny_scratch_vs_transformers"] = round(
        found["tiny"]["tokens_per_s"] / found["tiny, transformers"]["tokens_per_s"], 2
    )
    write_json(file, {"metrics": metrics, "measured": found, **about()})
    print("\n".join(f"{name:<32}{value:>10}" for name, value in metrics.items()))
    print(f"ceiling: {ceiling['gflops']:.0f} GFLOP/s in {ceiling['type']}; {describe()}")


def make_rows(source: Path, aside: Path, count: int) -> dict[str, Any]:
    """Rows of both kinds as (prompt ids, completion ids), and validation rows for the plain kind."""
    from pocketlm.data.dataset import prepare
    from pocketlm.models.load import load_tokenizer, resolve_base
    from pocketlm.tasks.call import CallTask
    from pocketlm.tasks.template import CHATML
    from pocketlm.tasks.tools import ToolSet
    from pocketlm.train.run import encode

    data = prepare(source, aside / "data", valid_share=0.015)
    tokenizer = load_tokenizer(resolve_base(BASE))
    train = data.rows("train")
    random.Random(0).shuffle(train)

    def ids(task: CallTask, rows: Any) -> list[Any]:
        return [(example.prompt, example.completion) for example in encode(task, rows, tokenizer, CHATML, 2048)]

    plain = CallTask(data.tools, "none")
    subsets = [ToolSet(tools) for tools in itertools.combinations(data.tools, 4)]
    few = min(subsets, key=lambda tools: abs(len(ids(CallTask(tools, "full"), train[:1])[0][0]) - PREFIX - 20))
    shared = [row for row in train if all(call.name in few for call in row.calls)]
    return {
        "plain": {"train": ids(plain, train[:count]), "valid": ids(plain, data.rows("valid"))},
        "shared": {"train": ids(CallTask(few, "full"), shared[:count]), "valid": []},
    }


def ours(rows: Any, step: str, count: str, folder: str = "", method: str = "lora") -> dict[str, float]:
    """Our loop; tokens a step as many as `step` rows have on average."""
    import torch

    from pocketlm.core.config import TrainConfig
    from pocketlm.models.load import resolve_base
    from pocketlm.train.batches import Example, shared_prefix
    from pocketlm.train.checkpoint import Checkpoints
    from pocketlm.train.compute import choose_micro, choose_threads
    from pocketlm.train.loop import fit
    from pocketlm.train.lora import save_adapter
    from pocketlm.train.method import choose, load_objective

    examples = [Example(*pair) for pair in rows["train"][: int(count)]]
    prefix = shared_prefix(examples)
    own = sum(len(example) - prefix for example in examples)
    settings = TrainConfig.model_validate(
        {
            "method": method, "rank": RANK, "alpha": RANK, "targets": ["attention"], "lr": RATE if method == "lora" else 1e-4,
            "schedule": "linear", "warmup": 0.0, "epochs": 1, "batch_tokens": math.ceil(own / len(examples) * int(step)),
            "save_seconds": 1e9,
        }
    )  # fmt: skip
    torch.set_flush_denormal(True)
    torch.set_num_threads(choose_threads(None))
    compute = choose(settings)
    torch.manual_seed(0)
    objective = load_objective(resolve_base(BASE), settings, compute)
    model = objective.model
    micro = choose_micro(objective, examples, settings, f"{method} r{RANK} of {BASE}, {compute}")
    settings = settings.model_copy(update={"micro_tokens": micro})
    with tempfile.TemporaryDirectory() as aside:
        history = fit(
            objective,
            [examples],
            [],
            settings,
            seed=0,
            checkpoints=Checkpoints(Path(aside), "none"),
            log=lambda _: None,
        )
    if folder:
        save_adapter(model, Path(folder), base=BASE, rank=RANK, alpha=RANK)
    steps = history.steps
    seconds = steps[-1]["seconds"] - steps[0]["seconds"]
    share = (len(steps) - 1) / len(steps)
    done = share * len(examples)
    flops = share * sum(_flops(model, example, prefix) for example in examples) + (
        len(steps) - 1
    ) * prefix * 4 * _linear(model)
    return {
        "rows_per_s": round(done / seconds, 3), "tokens_per_s": round(share * own / seconds, 1),
        "gflops": round(flops / seconds / 1e9, 1), "gb": _peak_gb(), "steps": len(steps), "prefix": prefix,
        "rows_a_step": round(len(examples) / len(steps), 1), "compute": str(compute),
    }  # fmt: skip


def ours_full(rows: Any, step: str, count: str) -> dict[str, float]:
    """Our loop, all weights trained."""
    return ours(rows, step, count, "", "full")


def _linear(model: Any) -> int:
    """Weights of the blocks' frozen products."""
    return sum(
        m.in_features * m.out_features
        for m in model.model.layers.modules()
        if hasattr(m, "in_features") and hasattr(m, "weight")
    )


def _flops(model: Any, example: Any, prefix: int) -> float:
    """Operations one row needs: forward and for the gradients, nothing computed twice counted twice.

    A frozen product costs 2 operations a weight forward and 2 for its input's gradient, a trained one 2 more; attention 4
    forward and 8 for gradients per pair of tokens and width; the vocabulary only where a label is.
    """
    config = model.config
    own = len(example) - prefix
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    products = own * (4 * _linear(model) + 6 * trained)
    pairs = own * prefix + own * own / 2
    attention = 12 * pairs * config.num_attention_heads * config.head_dim * config.num_hidden_layers
    return products + attention + 4 * config.vocab_size * config.hidden_size * len(example.completion)


def trl(rows: Any, micro: str, step: str, defaults: str, count: str, folder: str = "") -> dict[str, float]:
    """TRL's SFTTrainer with PEFT on rows that are tokens already, loss on completions only."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from pocketlm.models.load import load_tokenizer, resolve_base

    times: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_substep_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

        on_step_end = on_substep_end

    base = resolve_base(BASE)
    used = rows["train"][: int(count)]
    data = Dataset.from_list(
        [{"input_ids": prompt + done, "labels": [-100] * len(prompt) + done} for prompt, done in used]
    )
    best = {} if int(defaults) else {"gradient_checkpointing": False}
    with tempfile.TemporaryDirectory() as aside:
        config = SFTConfig(
            output_dir=aside, per_device_train_batch_size=int(micro), gradient_accumulation_steps=int(step) // int(micro),
            num_train_epochs=1, learning_rate=RATE, lr_scheduler_type="linear", adam_beta2=0.99, max_grad_norm=1.0,
            max_length=2048, report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True, seed=0, **best,
        )  # fmt: skip
        # its best: bf16 weights too, casts of fp32 weights cost more than they give
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if not int(defaults) else torch.float32)
        peft = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=ATTENTION, task_type="CAUSAL_LM")
        trainer = SFTTrainer(
            model,
            args=config,
            train_dataset=data,
            processing_class=load_tokenizer(base),
            peft_config=peft,
            callbacks=[Clock()],
        )
        trainer.train()
    if folder:
        trainer.model.save_pretrained(folder)
    seconds = times[-1] - times[0]
    done = (len(times) - 1) * int(micro)
    own = sum(len(prompt) + len(answer) for prompt, answer in used) / len(used)
    return {
        "rows_per_s": round(done / seconds, 3), "tokens_per_s": round(done * own / seconds, 1), "gb": _peak_gb(),
        "micro_batches": len(times),
    }  # fmt: skip


def loss(rows: Any, folder: str) -> dict[str, float]:
    """Validation loss of an adapter merged into the base, in fp32."""
    import torch

    from pocketlm.models.adapters import Adapter
    from pocketlm.models.load import load_model, resolve_base
    from pocketlm.train.attention import use_packed_attention
    from pocketlm.train.batches import Example
    from pocketlm.train.loop import mean_loss
    from pocketlm.train.objective import NextToken

    model = load_model(resolve_base(BASE), torch.float32)
    Adapter.open(Path(folder)).merge_into(model)
    use_packed_attention(model)
    return {"loss": round(mean_loss(NextToken(model), [Example(*pair) for pair in rows["valid"]], 0, 1024), 5)}


def ceiling(_: Any) -> dict[str, Any]:
    """The best rate of a large product of floats."""
    import torch

    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
        times = []
        for _ in range(12):
            start = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - start)
        rates[name] = 2 * 2048**3 / min(times) / 1e9
    name = max(rates, key=lambda key: rates[key])
    return {"type": name, "gflops": round(rates[name], 1), **{key: round(rate, 1) for key, rate in rates.items()}}


TINY = {
    "vocab_size": 1024, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 4, "tie_word_embeddings": True, "max_position_embeddings": 512,
}  # fmt: skip  # 1.0 M parameters
TINY_ROWS, TINY_LENGTH, TINY_STEPS = 16, 128, 60


def _tiny_rows() -> list[list[int]]:
    rng = random.Random(0)
    return [[rng.randrange(1024) for _ in range(TINY_LENGTH)] for _ in range(TINY_ROWS)]


def tiny(_: Any) -> dict[str, float]:
    """A model of a million parameters from scratch, in our loop: every token is learnt."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from pocketlm.core.config import TrainConfig
    from pocketlm.train.batches import Example
    from pocketlm.train.checkpoint import Checkpoints
    from pocketlm.train.loop import fit
    from pocketlm.train.method import choose, load_objective

    with tempfile.TemporaryDirectory() as aside:
        LlamaForCausalLM(LlamaConfig(**TINY)).save_pretrained(aside)
        settings = TrainConfig(method="full", batch_tokens=TINY_ROWS * TINY_LENGTH, epochs=1, warmup=0.0)
        epochs = [[Example(row[:1], row[1:]) for row in _tiny_rows() * TINY_STEPS]]
        history = fit(
            load_objective(Path(aside), settings, choose(settings)),
            epochs,
            [],
            settings,
            seed=0,
            checkpoints=Checkpoints(Path(aside), "none"),
            log=lambda _: None,
        )
    return _tiny_rate([entry["seconds"] for entry in history.steps])


def tiny_plain(_: Any) -> dict[str, float]:
    """The same in a plain transformers loop, in fp32 and with products in bf16, whichever is faster."""
    return max((_tiny_plain(rounded) for rounded in (False, True)), key=lambda found: found["tokens_per_s"])


def _tiny_plain(rounded: bool) -> dict[str, float]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(LlamaConfig(**TINY)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.tensor(_tiny_rows())
    start, times = time.perf_counter(), []
    for _ in range(TINY_STEPS):
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    return _tiny_rate(times)


def _tiny_rate(times: list[float]) -> dict[str, float]:
    late = times[10:]
    return {"tokens_per_s": round((len(late) - 1) * TINY_ROWS * TINY_LENGTH / (late[-1] - late[0]), 1)}


def _peak_gb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


SIDES = {
    "ours": ours, "ours_full": ours_full, "trl": trl, "loss": loss, "ceiling": ceiling, "tiny": tiny, "tiny_plain": tiny_plain,
}  # fmt: skip

if __name__ == "__main__":
    main()
