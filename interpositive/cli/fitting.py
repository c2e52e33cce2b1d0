"""Which mini-models can learn which tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from interpositive.cli.assembling import find_target
from interpositive.cli.hydra_app import config_folder
from interpositive.errors import ConfigError
from interpositive.mini_models.contract import MiniModel
from interpositive.tasks.contract import Task


def refuse_misfit(task: Task, mini_model: Mapping[str, Any]) -> None:
    """``ConfigError`` unless the mini-model of a config node supplies what the task lacks; lists those that do."""
    kind = find_target(mini_model.get("_target_"), "mini_model._target_")
    if not issubclass(kind, MiniModel) or task.lacks in kind.supplies:
        # What is no mini-model at all is refused where it is built.
        return
    raise ConfigError(
        f"this mini-model cannot learn {task.name}, for which a shot lacks {task.lacks}",
        found=f"{kind.__name__}, which supplies {', '.join(sorted(kind.supplies))}",
        expected=f"mini_model={' or mini_model='.join(fitting(task))}",
    )


def refuse_half_size(mini_model: MiniModel, share: float) -> None:
    """``ConfigError`` if a ``share`` of the steps is to be at half size, and the mini-model does not learn so."""
    if share and not mini_model.learns_at_half_size:
        raise ConfigError(
            "this mini-model does not learn at half size",
            found=f"trainer.half_size_share={share:g} for {type(mini_model).__name__}",
            expected="trainer.half_size_share=0, or mini_model=candidate_fusion",
        )


def fitting(task: Task) -> list[str]:
    """The names of the package's mini-models that can learn a task."""
    names = []
    for path in sorted((config_folder() / "mini_model").glob("*.yaml")):
        kind = find_target(yaml.safe_load(path.read_text())["_target_"], path.name)
        if issubclass(kind, MiniModel) and task.lacks in kind.supplies:
            names.append(path.stem)
    return names
