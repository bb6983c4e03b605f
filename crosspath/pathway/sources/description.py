"""What a file states about the blocks of its model, beside the weights: its own metadata, or a config beside it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.files import read_json
from crosspath.layouts import NORMS, Norm
from crosspath.layouts.attributes import KEY_VALUE_HEADS, NORM_FIRST, PARTS, QUERY_HEADS, WIDTH
from crosspath.layouts.placements import PLACEMENTS
from crosspath.layouts.timm_names import heads_of_architecture, norm_of_architecture
from crosspath.pathway.sources.heads import Heads, count

BLOCKS = "blocks"
"""The entry in a safetensors file's metadata that states heads and norms, block by block, as JSON."""
NORM = "norm_placement"
OPEN_CLIP = "open_clip_config.json"
CONFIG_OF = {
    "model.safetensors": ("config.json", OPEN_CLIP),
    "model.safetensors.index.json": ("config.json", OPEN_CLIP),
    "open_clip_model.safetensors": (OPEN_CLIP,),  # beside which a `config.json` is another library's
}
"""{a file of weights: the configs beside it, the first of which describes it}; a file of another name is a guest."""
TODO = "correct it, or take the weights out of its folder"


@dataclass(frozen=True)
class Description:
    """Heads and norms of blocks, by their paths."""

    file: Path
    """Where it stands."""
    config: Mapping[str, Any] = field(default_factory=dict)
    blocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """{path of a block with its final dot: its numbers}; these come before the config."""

    def attribute(self, path: str) -> object:
        """The value of a module's attribute, where the description states it."""
        name = path.rpartition(".")[2]
        if name in QUERY_HEADS or name in KEY_VALUE_HEADS:
            heads = self.heads(path)
            return None if heads is None else heads.query if name in QUERY_HEADS else heads.key_value
        return self._part(path).get(name) if name in NORM_FIRST else None

    def heads(self, path: str) -> Heads | None:
        """The heads of the block at a path, or of the block that holds it. Raises `PathwayError` for what cannot be."""
        block = self._block(path)
        if block is not None and "heads" in block:
            return self._check(Heads(*block["heads"]))
        part = self._part(path)
        query = self._count(part, (*_side_setting(part, path), *QUERY_HEADS), path)
        if query is None:
            return None
        attention = part.get("attn_config")
        key_value = self._count(part, KEY_VALUE_HEADS, path)
        if key_value is None and isinstance(attention, Mapping):
            key_value = self._count(attention, KEY_VALUE_HEADS, path)
        if part.get("multi_query") is True and not part.get("new_decoder_architecture"):
            key_value = 1
        if part.get("multi_query") is False and not part.get("new_decoder_architecture"):
            key_value = query
        if part.get("multi_query_attention") is False:
            key_value = query
        return self._check(Heads(query, key_value or query))

    def norm(self, path: str) -> Norm | None:
        """Where the block at a path normalises."""
        block = self._block(path)
        if block is not None and block.get("norm") in NORMS:
            norm: Norm = block["norm"]
            return norm
        part = self._part(path)
        for name in NORM_FIRST:
            if isinstance(part.get(name), bool):
                return "pre" if part[name] else "post"
        return part[NORM] if part.get(NORM) else PLACEMENTS.get(str(part.get("model_type")))

    def width(self, path: str) -> int | None:
        """The width that is stated for the block at a path; None for blocks in stages, whose widths differ."""
        if len(_numbers(path)) > 1:
            return None
        part = self._part(path)
        return next((number for name in WIDTH if (number := count(part.get(name))) is not None), None)

    def setting(self, names: Iterable[str], path: str) -> object:
        """The first of these settings that the config has for the block at a path."""
        part = self._part(path)
        return next((part[name] for name in names if name in part), None)

    def _block(self, path: str) -> Mapping[str, Any] | None:
        return next((numbers for prefix, numbers in self.blocks.items() if f"{path}.".startswith(prefix)), None)

    def _part(self, path: str) -> Mapping[str, Any]:
        """The settings of the part of the model that a path lies in."""
        part: Mapping[str, Any] = self.config
        for component in path.split("."):
            part = max(_parts(part, component), key=lambda entry: entry[0], default=((0, 0), part))[1]
        return part

    def _count(self, part: Mapping[str, Any], names: tuple[str, ...], path: str) -> int | None:
        """The first of these settings: one number, or one for each stage or block."""
        for name in names:
            value = part.get(name)
            if isinstance(value, list | tuple):
                index = next(iter(_numbers(path)), 0)
                value = value[index] if index < len(value) else None
            if value is None:
                continue
            if count(value) is None:
                raise PathwayError(self.file, f"a number above 0 as `{name}`", repr(value), TODO)
            return count(value)
        return None

    def _check(self, heads: Heads) -> Heads:
        if heads.query % heads.key_value:
            expected = f"key and value heads that divide the {heads.query} query heads"
            raise PathwayError(self.file, expected, str(heads.key_value), TODO)
        return heads


def weight_file_of(folder: Path) -> Path | None:
    """The file of weights, or the index of several, that a folder has; None for any other path."""
    return next((folder / name for name in CONFIG_OF if (folder / name).is_file()), None)


def read_description(file: Path, metadata: Mapping[str, str]) -> Description | None:
    """What a safetensors file states itself, or else the config beside it, if the file is one of `CONFIG_OF`.

    Raises
    ------
    PathwayError
        Where either is damaged.
    """
    if BLOCKS in metadata:
        try:
            return Description(file, blocks=_blocks(json.loads(metadata[BLOCKS])))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            todo = "write the file again"
            raise PathwayError(file, f"heads and norms as `{BLOCKS}` of its metadata", "damage", todo) from None
    return describe_neighbour(file) if file.name in CONFIG_OF else None


def describe_neighbour(file: Path) -> Description | None:
    """What the config beside a file of weights states; None without one. Raises `PathwayError` for a damaged one."""
    names = CONFIG_OF.get(file.name, ("config.json",))
    config = next((path for name in names if (path := file.parent / name).is_file()), None)
    if config is None:
        return None
    with raise_as_pathway_error():
        settings = read_json(config)
    if "model_cfg" not in settings:
        return Description(config, _of_timm(settings))
    model = settings["model_cfg"]
    if not isinstance(model, Mapping):
        raise PathwayError(config, "an object as `model_cfg`", repr(model), TODO)
    return Description(config, _of_open_clip(model, config))


def _of_timm(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config of timm with the heads that its architecture's name states; any other as it is."""
    name = config.get("architecture")
    if not isinstance(name, str):
        return config
    name, arguments = name.partition(".")[0], config.get("model_args")
    arguments = arguments if isinstance(arguments, Mapping) else {}
    heads = None if "embed_dim" in arguments else heads_of_architecture(name)
    norm = None if arguments.keys() & {"use_post_norm", "block_fn"} else norm_of_architecture(name)
    return {"num_heads": heads, NORM: norm, **arguments}


def _of_open_clip(config: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    """A config of open_clip: the text tower has no name of its own in the weights' names."""
    vision, text = config.get("vision_cfg"), config.get("text_cfg")
    vision, text = (part if isinstance(part, Mapping) else {} for part in (vision, text))
    width = count(vision.get("width"))
    own = width is not None and not vision.get("timm_model_name") and isinstance(vision.get("layers"), int)
    head_width = count(vision.get("head_width", 64))
    if head_width is None:
        raise PathwayError(file, "a number above 0 as `head_width`", repr(vision["head_width"]), TODO)
    heads = width // head_width if width is not None and own else None
    return {**text, NORM: "pre", "vision_config": {"num_heads": heads, "width": width, NORM: "pre" if own else None}}


def _blocks(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    for entry in entries.values():
        if "heads" in entry and [count(number) for number in entry["heads"]] != entry["heads"]:
            raise ValueError("heads")
    return dict(entries)


def _parts(part: Mapping[str, Any], component: str) -> Iterator[tuple[tuple[int, int], Mapping[str, Any]]]:
    """(how well it fits, settings) of every part that this component of a weight's name may stand for: more words in
    common fit better, then earlier ones.
    """
    words = re.split(r"[_\d]+", component.lower())
    for name, inner in part.items():
        if not isinstance(inner, Mapping) or name == "attn_config":
            continue
        stem = re.sub(r"_(config|cfg)$", "", name)
        matches = [set(words) & set(PARTS.get(word, (word,))) for word in stem.split("_")]
        if component == inner.get("model_type"):
            yield (len(words), 0), inner
        elif all(matches) and (stem != name or stem in ("encoder", "decoder")):
            yield (len(matches), -min(words.index(word) for match in matches for word in match)), inner


def _side_setting(part: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The setting as an encoder or a decoder has it: by the path, or where both have the same."""
    names = {side: f"{side}_attention_heads" for side in ("encoder", "decoder")}
    sides = [component for component in path.split(".") if component in names]
    if sides:
        return (names[sides[0]],)
    return (names["encoder"],) if part.get(names["encoder"]) == part.get(names["decoder"]) else ()


def _numbers(path: str) -> list[int]:
    return [int(part) for part in path.split(".") if part.isdigit()]
