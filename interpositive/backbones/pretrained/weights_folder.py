"""Weights that somebody else trained: where they are on this machine, their digest and their licence."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpositive.backbones.pretrained.remembered_digests import sha256_of_weights
from interpositive.errors import MissingWeightsError
from interpositive.records.digests import sha256_of_value

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE")
_LONGEST_README = 1 << 20
_CONFIG = "config.json"
# Of the parts that have no weights.
_CONFIGS = {
    "scheduler": "scheduler_config.json",
    "tokenizer": "tokenizer_config.json",
    "feature_extractor": "preprocessor_config.json",
    "image_processor": "preprocessor_config.json",
}
_INDEX = "model_index.json"
_SUFFIXES = (".json", ".safetensors", ".model", ".txt")


@dataclass(frozen=True)
class WeightsFolder:
    """A folder as diffusers saves pipelines: a subfolder for each part, each with ``config.json`` and safetensors.

    ``origin`` is what was asked for, ``parts`` the subfolders that are used, ``digests`` those of their files,
    and ``licence`` the name that the folder gives itself, or None. An outline lacks weights: what is built from it has
    shapes and no values.
    """

    path: Path
    origin: str
    parts: tuple[str, ...]
    digests: Mapping[str, str]
    licence: str | None
    is_outline: bool = False

    @property
    def sha256(self) -> str:
        """One digest over all files of the parts."""
        return sha256_of_value(self.digests)

    def sha256_of(self, *parts: str) -> str:
        """One digest over the files of some parts; of those that are not here, none."""
        return sha256_of_value({name: value for name, value in self.digests.items() if name.split("/")[0] in parts})

    @property
    def index(self) -> dict[str, Any]:
        """What the folder says of the pipeline as a whole; nothing, if it says nothing."""
        return _index(self.path)


_outlines_suffice: ContextVar[bool] = ContextVar("outlines_suffice", default=False)


@contextmanager
def outlines_suffice() -> Iterator[None]:
    """Inside, a folder whose parts have their configurations but no weights is found too, to plan with."""
    token = _outlines_suffice.set(True)
    try:
        yield
    finally:
        _outlines_suffice.reset(token)


def find_weights(asked: str, parts: Sequence[str], perhaps: Sequence[str] = ()) -> WeightsFolder:
    """The folder of a path or of a hub id that is in the hub's cache on this machine; nothing is fetched.

    ``parts`` are the subfolders that are needed, and so are those of ``perhaps`` that the folder's index names (or that
    are there, if it has no index). ``MissingWeightsError`` names the folder that was looked in, and what belongs there.
    """
    path = _place(asked)
    needed = (*parts, *(part for part in perhaps if _has(path, part)))
    lacking = [part for part in needed if not _is_whole(path / part)]
    is_outline = _outlines_suffice.get() and all(_has_config(path / part) for part in needed)
    if lacking and not is_outline:
        there = _listed(path) if path.is_dir() else "no such folder"
        raise MissingWeightsError(
            f"the weights of {asked} are not on this machine",
            found=f"{path}: {there}",
            expected=" and ".join(_described(part) for part in lacking),
            remedy=f"put there what `huggingface-cli download {asked}` fetches, or name another folder"
            if _HUB_ID.fullmatch(asked)
            else "put there what diffusers' save_pretrained writes, or name another folder",
        )
    everything = (file for part in needed for file in (path / part).iterdir())
    files = sorted(file for file in everything if file.suffix in _SUFFIXES)
    digests = {str(file.relative_to(path)): sha256_of_weights(file) for file in files}
    return WeightsFolder(path, asked, needed, digests, _licence(path), is_outline=bool(lacking))


def _index(path: Path) -> dict[str, Any]:
    index = path / _INDEX
    return dict(json.loads(index.read_text())) if index.is_file() else {}


def _has(path: Path, part: str) -> bool:
    index = _index(path)
    # A part that a pipeline is without is there as [null, null].
    return any(index.get(part) or []) if index else (path / part).is_dir()


def _place(asked: str) -> Path:
    path = Path(asked).expanduser()
    if path.is_dir() or not _HUB_ID.fullmatch(asked):
        return path
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    folder = cache / f"models--{asked.replace('/', '--')}"
    reference = folder / "refs" / "main"
    if not reference.is_file():
        return folder
    return folder / "snapshots" / reference.read_text().strip()


def _has_config(part: Path) -> bool:
    return (part / _CONFIGS.get(part.name, _CONFIG)).is_file()


def _is_whole(part: Path) -> bool:
    """Whether a part is there: its configuration, and each file of weights that its index names."""
    if not _has_config(part):
        return False
    if part.name in _CONFIGS:
        return True
    indices = sorted(part.glob("*.safetensors.index.json"))
    named = {name for index in indices for name in json.loads(index.read_text())["weight_map"].values()}
    return all((part / name).is_file() for name in named) if named else any(part.glob("*.safetensors"))


def _listed(path: Path, most: int = 8) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "empty"


def _described(part: str) -> str:
    return f"{part}/ with {_CONFIGS[part]}" if part in _CONFIGS else f"{part}/ with {_CONFIG} and *.safetensors"


def _licence(path: Path) -> str | None:
    """What the model card's header or the first line of a licence file says."""
    card = path / "README.md"
    if card.is_file() and card.stat().st_size < _LONGEST_README:
        found = re.search(r"\A---\n(?:.*\n)*?license(?:_name)?: *([\w.-]+)", card.read_text(errors="replace"))
        if found:
            return found.group(1)
    for name in _LICENCE_FILES:
        if (path / name).is_file():
            lines = (line.strip() for line in (path / name).read_text(errors="replace").splitlines())
            return next((line for line in lines if line), None)
    return None
