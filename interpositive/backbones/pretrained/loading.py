"""Parts of a pretrained pipeline, read from its folder by diffusers: safetensors only, and no network."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from interpositive.backbones.pretrained.weights_folder import WeightsFolder
from interpositive.errors import ConfigError, MissingWeightsError

_LIBRARIES = ("diffusers", "peft", "transformers")


def need_libraries() -> None:
    """``ConfigError`` if the packages that pretrained networks are made of are not installed."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            "pretrained networks need packages that are not installed",
            found=f"no {', '.join(missing)}",
            remedy="pip install 'interpositive[generative]'",
        )


def load_part(kind: Any, folder: WeightsFolder, part: str, dtype: torch.dtype) -> Any:
    """A model of diffusers or transformers, by its class, from a subfolder.

    ``MissingWeightsError`` if what lies there is of another kind, damaged, or not whole.
    """
    _be_quiet(kind)
    config = json.loads((folder.path / part / "config.json").read_text())
    found = config.get("_class_name") or " ".join(config.get("architectures") or [])
    if found != kind.__name__:
        raise MissingWeightsError(
            f"{folder.path / part} is of another family",
            found=found,
            expected=kind.__name__,
            remedy="choose its backbone",
        )
    if folder.is_outline:
        return _outlined(kind, config, dtype)
    try:
        loaded, report = kind.from_pretrained(
            folder.path,
            subfolder=part,
            use_safetensors=True,
            local_files_only=True,
            dtype=dtype,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise MissingWeightsError(f"{folder.path / part} cannot be loaded", found=str(error)[:300]) from error
    wrong = {name: found for name, found in report.items() if found}
    if wrong:
        raise MissingWeightsError(
            f"the weights in {folder.path / part} are not those of its config.json", found=str(wrong)[:300]
        )
    return loaded


def _outlined(kind: Any, config: dict[str, Any], dtype: torch.dtype) -> Any:
    """Of a model's shapes alone, and in the types that loading would give it."""
    with torch.device("meta"):
        model = kind.from_config(config)
    kept = getattr(kind, "_keep_in_fp32_modules", None) or ()
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        wide = any(part in kept for part in name.split("."))
        value.data = value.data.to(torch.float32 if wide else dtype)
    return model


def _be_quiet(kind: Any) -> None:
    """A bar for each file of weights says nothing."""
    importlib.import_module(f"{kind.__module__.partition('.')[0]}.utils.logging").disable_progress_bar()


def scheduler_settings(folder: WeightsFolder) -> dict[str, Any]:
    """What a pipeline says of its noise levels."""
    settings: dict[str, Any] = json.loads((folder.path / "scheduler" / "scheduler_config.json").read_text())
    return settings


def image_preprocessing(folder: WeightsFolder, part: str, **changes: Any) -> Callable[[Tensor], Tensor]:
    """How frames ``b 3 h w`` in [0, 1] become what the weights' image encoder looks at.

    ``changes`` are arguments of transformers' processor, such as ``do_resize``. Unless told not to rescale, it is
    handed 8 bits, as in the pipelines.
    """
    from transformers import CLIPImageProcessor

    try:
        processor = CLIPImageProcessor.from_pretrained(folder.path / part, local_files_only=True)
    except (OSError, ValueError) as error:
        raise MissingWeightsError(f"{folder.path / part} cannot be loaded", found=str(error)[:300]) from error

    def preprocessed(frames: Tensor) -> Tensor:
        given = frames if changes.get("do_rescale") is False else (frames.clamp(0, 1) * 255).round().to(torch.uint8)
        pixels: Tensor = processor(images=list(given), return_tensors="pt", **changes).pixel_values
        return pixels

    return preprocessed
