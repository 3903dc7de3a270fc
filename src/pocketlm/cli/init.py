"""`pocketlm init`: a new project folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.core.errors import InputError
from pocketlm.core.files import write_text

YAML = """\
# All keys, their meaning and defaults: pocketlm train --help-config
task: call
base: starter:smollm2-135m   # or hf:NAME, or a model folder
tools: tools.json            # your functions, in the OpenAI tools format; null: read them from the rows
tools_in_prompt: none        # a model tuned for fixed functions needs no list of them
data:
  raw: data/raw              # your examples, .jsonl or .json
train:
  epochs: 3
"""
README = """\
# {name}

1. Put your functions into `tools.json` (OpenAI tools format) and your examples into `data/raw/*.jsonl`. A row is one of
   - `{{"text": "wake me at 7", "calls": [{{"name": "set_alarm", "arguments": {{"time": "7"}}}}]}}` (no call: `[]`)
   - `{{"messages": [...], "tools": [...]}}` as OpenAI writes them
   - `{{"conversations": [{{"from": "human", "value": ...}}, {{"from": "function_call", "value": ...}}]}}`
   - `{{"text": ..., "intent": ..., "slots": [{{"name": ..., "value": ...}}]}}`
   - `{{"prompt": ..., "completion": ...}}`
2. `pocketlm train`
3. `pocketlm eval runs/{name}`
4. `pocketlm export runs/{name} --to gguf`
5. `pocketlm run runs/{name} "wake me at seven"`
"""
TOOLS = """\
[
  {"type": "function", "function": {
    "name": "set_alarm",
    "description": "Set an alarm.",
    "parameters": {
      "type": "object",
      "properties": {"time": {"type": "string", "description": "as said, e.g. 7 am"}},
      "required": ["time"]
    }
  }}
]
"""


CLASSIFY_YAML = """\
# All keys, their meaning and defaults: pocketlm train --help-config
task: classify
base: starter:minilm-l6      # the encoder of the larger rungs; or hf:NAME, or a model folder
data:
  raw: data/raw              # your examples, .jsonl, .json or .csv
train:
  method: ladder             # from the cheapest up; or one of them: tfidf, embedding, setfit, full, lora, ...
"""
CLASSIFY_README = """\
# {name}

1. Put your examples into `data/raw`. A row is one of
   - `{{"text": "where is my parcel", "label": "delivery"}}`
   - `{{"text": "it came late and broken", "labels": ["delivery", "damage"]}}` (none: `[]`)
   - a line of a CSV file with the columns `text` and `label`; several labels stand in a column `labels`, as `delivery|damage`
   Files named train, valid and test are taken as these. What fits no label is labelled `none` (or `other`, `oos`).
   Labels may stand under each other: `food/recipes`, `food/shops`.
2. `pocketlm train`
3. `pocketlm eval runs/{name}`
4. `pocketlm run runs/{name} "where is my parcel"`
5. `pocketlm export runs/{name} --to onnx`, where the recommended rung has an encoder
"""
INSTRUCT_YAML = """\
# All keys, their meaning and defaults: pocketlm train --help-config
task: instruct
base: starter:smollm2-135m   # or hf:NAME, or a model folder
data:
  raw: data/raw              # your examples, .jsonl, .json or .csv
train:
  epochs: 2
"""
INSTRUCT_README = """\
# {name}

1. Put your examples into `data/raw`. A row is one of
   - `{{"messages": [{{"role": "user", "content": ...}}, {{"role": "assistant", "content": ...}}]}}`
   - `{{"instruction": ..., "input": ..., "output": ...}}`, `{{"prompt": ..., "completion": ...}}`, `{{"document": ..., "summary": ...}}`
   Files named train, valid and test are taken as these.
2. `pocketlm train`
3. `pocketlm eval runs/{name}`
4. `pocketlm run runs/{name} "Summarize: ..."`
5. `pocketlm export runs/{name} --to gguf`
"""
EMBED_YAML = """\
# All keys, their meaning and defaults: pocketlm train --help-config
task: embed
base: starter:minilm-l6      # or hf:NAME, or a model folder
data:
  raw: data/raw              # your examples, .jsonl, .json, .csv, or a BEIR folder; of texts alone also .txt and .md
train:
  method: full               # or lora; of texts without questions: adapt, or static for a table of token vectors
"""
EMBED_README = """\
# {name}

1. Put your examples into `data/raw`. A row is one of
   - `{{"anchor": "when do you open", "positive": "We open at nine."}}`, with a `"negative"` where you know one
   - `{{"a": "when do you open", "b": "opening hours?", "score": 0.9}}`
   - `{{"text": "We open at nine."}}`, for `train.method: adapt` or `static`
   Files named train, valid and test are taken as these.
2. `pocketlm train`
3. `pocketlm eval runs/{name}`
4. `pocketlm export runs/{name} --to onnx`; of the method `static` the folder `runs/{name}/model` is all there is
"""
FILES = {
    "call": {"pocketlm.yaml": YAML, "tools.json": TOOLS, "README.md": README},
    "instruct": {"pocketlm.yaml": INSTRUCT_YAML, "README.md": INSTRUCT_README},
    "classify": {"pocketlm.yaml": CLASSIFY_YAML, "README.md": CLASSIFY_README},
    "embed": {"pocketlm.yaml": EMBED_YAML, "README.md": EMBED_README},
}


def init(
    folder: Annotated[Path, typer.Argument(help="The new project's folder.")],
    task: Annotated[
        str,
        typer.Option(
            help="What a row is: call, function calling; instruct, free text; classify, labels of texts; embed, texts alike."
        ),
    ] = "call",
    as_json: Json = False,
) -> None:
    """Make a project: pocketlm.yaml, for function calling tools.json to edit, data/raw for your examples."""
    be_quiet(as_json)
    if task not in FILES:
        raise InputError(f"--task {task}: not known; there are {', '.join(FILES)}")
    if (folder / "pocketlm.yaml").exists():
        raise InputError(f"{folder}: there is a project here already; choose another folder")
    name = folder.resolve().name
    files = {**FILES[task], ".gitignore": "runs/\n", "data/raw/.gitkeep": ""}
    files["README.md"] = files["README.md"].format(name=name)
    for path, text in files.items():
        if not (folder / path).exists():
            write_text(folder / path, text)
    first = "edit tools.json, add rows to data/raw" if task == "call" else "add rows to data/raw"
    output(as_json, {"folder": str(folder)}, f"{folder} is ready: {first}, then `cd {folder} && pocketlm train`")
