"""What lies in a .litertlm container and in the .tflite model inside it, read without running anything.

The container is a header (a FlatBuffer that lists sections with their places) and the sections: the model, the tokenizer
and the metadata of a language model (a protocol buffer). The schema is that of LiteRT-LM, read with litert-lm-builder.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.tasks.template import TEMPLATES

EXTRA = "litert"
MODEL_TYPE = "tf_lite_prefill_decode"
BEGIN = "pocketlm.begin_token"  # our key in the container's own metadata: the token that stands before a text
ROPE = "pocketlm.rope"  # the rope's settings, as JSON, for whoever reads the file

# LiteRT-LM 0.18 hands the Jinja template a message's content as a list of parts, [{"type": "text", "text": ...}], while
# templates written for transformers join it to a string: `'<|im_start|>' + message['content']`. Then every message fails
# ("tried to use + operator on unsupported types string and sequence"; litert-lm run says "failed to send message"). So
# the exported template first turns parts back into text. Plain strings pass unchanged.
PARTS_TO_TEXT = (
    "{% set turns = namespace(all=[]) %}{% for message in messages %}{% set content = message['content'] %}"
    "{% set text = content if content is string else content | map(attribute='text') | join %}"
    "{% set turns.all = turns.all + [dict(message, content=text)] %}{% endfor %}{% set messages = turns.all %}"
)


def portable_template(jinja: str) -> str:
    """A Jinja template in the words that LiteRT-LM's engine (MiniJinja) knows: no `.get` of maps, no training marks."""
    jinja = re.sub(r"{%-?\s*(end)?generation\s*-?%}", "", jinja)
    jinja = re.sub(r"\.get\(([^(),]+), *([^(),]+)\)", r"[\1] | default(\2)", jinja)
    return re.sub(r"\.get\(([^(),]+)\)", r"[\1]", jinja)


def exported_template(jinja: str, special: dict[str, str]) -> str:
    """The template as it travels in a .litertlm file.

    Args:
        special: tokens that templates name, such as bos_token. They are written into the template: the runtime leaves
            these names empty and would put its own start token in front, a second time where the template writes it out.
    """
    named = {name: token for name, token in special.items() if name in jinja}
    quoted = {name: token.replace("'", "\\'") for name, token in named.items()}
    front = "".join(f"{{% set {name} = '{token}' %}}" for name, token in quoted.items())
    return front + PARTS_TO_TEXT + portable_template(jinja)


def original_template(jinja: str) -> str | None:
    """The template of training that an exported one was made from; None where it is none of ours."""
    return next(
        (t.jinja for t in TEMPLATES.values() if jinja.endswith(PARTS_TO_TEXT + portable_template(t.jinja))), None
    )


@dataclass(frozen=True)
class Container:
    """A .litertlm file.

    Attributes:
        path: the file.
        notes: the container's own metadata.
        tokenizer: tokenizer.json's text.
        stops: token ids that end an answer.
        start: token ids that the runtime puts in front of every text by itself, often none.
        jinja: the chat template.
        context: tokens of prompt and answer together.
        model: place of the .tflite model in the file, begin and end.
    """

    path: Path
    notes: dict[str, str]
    tokenizer: str
    stops: tuple[int, ...]
    start: tuple[int, ...]
    jinja: str
    context: int
    model: tuple[int, int]

    def model_bytes(self) -> bytes:
        """The .tflite model."""
        with self.path.open("rb") as file:
            file.seek(self.model[0])
            return file.read(self.model[1] - self.model[0])


def read_container(path: Path) -> Container:
    """Read a .litertlm file.

    Raises:
        InputError: no such file, damaged, or a kind that is not known here. EnvironmentLacks: a package is missing.
    """
    need("litert_lm_builder", "a .litertlm file", EXTRA, "litert-lm-builder")
    from litert_lm_builder import litertlm_header_schema_py_generated as schema

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    header = _header(path)
    sections = {}
    for i in range(header.SectionMetadata().ObjectsLength()):
        section = header.SectionMetadata().Objects(i)
        if section.EndOffset() > path.stat().st_size:
            raise InputError(f"{path}: truncated; export or download it again")
        kind = (section.DataType(), _pairs(section.ItemsLength(), section.Items).get("model_type", ""))
        sections[kind] = sections[kind[0], ""] = (section.BeginOffset(), section.EndOffset())
    kinds = schema.AnySectionDataType
    wanted = [(kinds.TFLiteModel, MODEL_TYPE), (kinds.LlmMetadataProto, "")]
    if not all(kind in sections for kind in wanted):
        raise InputError(f"{path}: holds no language model with its metadata")
    system = header.SystemMetadata()
    notes = _pairs(system.EntriesLength(), system.Entries) if system else {}
    return _container(path, notes, sections, wanted, _tokenizer(path, sections))


def _container(path: Path, notes: dict[str, str], sections: Any, wanted: Any, tokenizer: str) -> Container:
    from litert_lm_builder.runtime.proto import llm_metadata_pb2

    metadata = llm_metadata_pb2.LlmMetadata.FromString(_read(path, sections[wanted[1]]))
    made = _ids_maker(tokenizer)
    stops = [token for union in metadata.stop_tokens if len(made(union)) == 1 for token in made(union)]
    return Container(
        path=path,
        notes=notes,
        tokenizer=tokenizer,
        stops=tuple(dict.fromkeys(stops)),
        start=tuple(made(metadata.start_token)) if metadata.HasField("start_token") else (),
        jinja=metadata.jinja_prompt_template,
        context=metadata.max_num_tokens,
        model=sections[wanted[0]],
    )


def _ids_maker(tokenizer: str) -> Any:
    """A function from a TokenUnion of the metadata, ids or text, to token ids."""
    from tokenizers import Tokenizer

    known = Tokenizer.from_str(tokenizer)

    def made(union: Any) -> list[int]:
        if union.HasField("token_ids"):
            return list(union.token_ids.ids)
        return list(known.encode(union.token_str, add_special_tokens=False).ids)

    return made


def _header(path: Path) -> Any:
    from litert_lm_builder import litertlm_peek

    try:
        return litertlm_peek.read_litertlm_header(str(path), io.StringIO())
    except Exception as error:  # whatever the readers of bytes raise at damage
        raise InputError(f"{path}: not a .litertlm file, or damaged; export or download it again") from error


def _pairs(count: int, entry: Any) -> dict[str, str]:
    """Key-value pairs of a section or of the file, those whose values are text."""
    from litert_lm_builder import litertlm_peek

    told = [litertlm_peek.kvp_to_dict(entry(i)) for i in range(count)]
    return {str(pair["key"]): str(pair["value"]) for pair in told}


def _tokenizer(path: Path, sections: Any) -> str:
    import zlib

    from litert_lm_builder import litertlm_header_schema_py_generated as schema

    kind = schema.AnySectionDataType.HF_Tokenizer_Zlib
    if (kind, "") not in sections:
        raise InputError(f"{path}: its tokenizer is no tokenizer.json; only such files are opened here")
    content = _read(path, sections[kind, ""])
    return zlib.decompress(content[8:]).decode("utf-8")  # eight bytes of length come first


def _read(path: Path, place: tuple[int, int]) -> bytes:
    with path.open("rb") as file:
        file.seek(place[0])
        return file.read(place[1] - place[0])
