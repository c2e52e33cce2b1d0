"""What a sweep judges its trials by: numbers of the run record, named briefly or in full."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from interpositive.cli.assembling import find_target, refuse_unknown_keys
from interpositive.cli.metrics import assemble_metrics
from interpositive.errors import ConfigError, TrainingError
from interpositive.records.measures import MetricInfo
from interpositive.records.run_record import RunRecord
from interpositive.records.sweep_record import Objective

COSTS = {
    "seconds_training": Objective(name="seconds_training", direction="minimize", title="training time", unit="s"),
    "num_parameters": Objective(
        name="num_parameters", direction="minimize", title="size of the network", unit="parameters"
    ),
}
_WHERE = "hydra.sweeper.objectives"
_DIRECTIONS = {"higher": "maximize", "lower": "minimize"}


def read_objectives(given: Any, plain: Mapping[str, Any]) -> list[Objective]:
    """The objectives that a sweeper was given, for trials of the configuration ``plain``; None is the run's own score.

    Each is a metric's name (of the mini-model's own result, on held-out windows), a cost, or a whole
    :class:`Objective`. ``ConfigError`` for names that no run would record.
    """
    if given is not None and not isinstance(given, list):
        raise ConfigError(f"{_WHERE} is no list", found=given, expected="such as [psnr_hole,seconds_training]")
    infos = {info.name: info for make in assemble_metrics(plain["metric"]) for info in make().infos}
    method = getattr(find_target(plain["mini_model"]["_target_"], "mini_model._target_"), "trained_method", "trained")
    named = [plain["trainer"]["score"]] if given is None else given
    objectives = [_objective(each, infos, str(method)) for each in named]
    names = [objective.name for objective in objectives]
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"{_WHERE} must name each objective once", found=named, expected="one or more, all different")
    return objectives


def _objective(given: Any, infos: Mapping[str, MetricInfo], method: str) -> Objective:
    if isinstance(given, Mapping):
        refuse_unknown_keys(given, list(Objective.model_fields), _WHERE)
        try:
            objective = Objective.model_validate(dict(given))
        except ValidationError as error:
            raise ConfigError(
                f"{_WHERE} has an entry that is no objective",
                found=given,
                expected="{name: …, direction: maximize or minimize, title: …, unit: …}",
                remedy=error.errors()[0]["msg"],
            ) from None
        _refuse_unrecorded(objective.name, infos)
        return objective
    if isinstance(given, str) and given in COSTS:
        return COSTS[given]
    info = infos.get(str(given))
    if info is None or info.direction not in _DIRECTIONS:
        raise _unrecorded(given, infos)
    return Objective(
        name=f"held_out/{info.name}/{method}",
        direction=_DIRECTIONS[info.direction],  # type: ignore[arg-type]
        title=info.name,
        unit=info.unit,
    )


def _refuse_unrecorded(name: str, infos: Mapping[str, MetricInfo]) -> None:
    parts = name.split("/")
    if name not in COSTS and not (len(parts) == 3 and parts[0] == "held_out" and parts[1] in infos):
        raise _unrecorded(name, infos)


def _unrecorded(name: object, infos: Mapping[str, MetricInfo]) -> ConfigError:
    judged = sorted(name for name, info in infos.items() if info.direction in _DIRECTIONS)
    close = difflib.get_close_matches(str(name), [*judged, *COSTS], 1, 0.7)
    return ConfigError(
        f"{_WHERE} names what a run does not record",
        found=name,
        expected=", ".join([*judged, *COSTS]),
        remedy=f"did you mean {close[0]}?" if close else "add its metric, such as metric=[psnr,dtssd]",
    )


def objective_values(record: RunRecord, objectives: Sequence[Objective]) -> dict[str, float]:
    """A finished run's objectives by name; ``TrainingError`` if one is not there, or no finite number."""
    costs = {"seconds_training": record.seconds_training, "num_parameters": float(record.num_parameters)}
    values = {}
    for objective in objectives:
        value = costs.get(objective.name, record.scores.get(objective.name))
        if value is None or not math.isfinite(value):
            raise TrainingError(
                f"the run ended without a value of {objective.name}",
                found="not measured" if value is None else value,
                expected="a finite number",
            )
        values[objective.name] = value
    return values
