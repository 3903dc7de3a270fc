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


def init(
    folder: Annotated[Path, typer.Argument(help="The new project's folder.")],
    task: Annotated[str, typer.Option(help="What a row is; `call` is function calling.")] = "call",
    as_json: Json = False,
) -> None:
    """Make a project: pocketlm.yaml, tools.json to edit, data/raw for your examples."""
    be_quiet(as_json)
    if task != "call":
        raise InputError(f'--task {task}: not known; the task is "call"')
    if (folder / "pocketlm.yaml").exists():
        raise InputError(f"{folder}: there is a project here already; choose another folder")
    name = folder.resolve().name
    files = {
        "pocketlm.yaml": YAML,
        "tools.json": TOOLS,
        "README.md": README.format(name=name),
        ".gitignore": "runs/\n",
        "data/raw/.gitkeep": "",
    }
    for path, text in files.items():
        if not (folder / path).exists():
            write_text(folder / path, text)
    output(
        as_json,
        {"folder": str(folder)},
        f"{folder} is ready: edit tools.json, add rows to data/raw, then `cd {folder} && pocketlm train`",
    )
