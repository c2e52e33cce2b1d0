"""``interpositive evaluate``: a run judged on takes it never learned from, or any result against anything."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict

from interpositive.cli.assembling import read_config
from interpositive.cli.metrics import assemble_metrics
from interpositive.cli.runs import open_run
from interpositive.cli.verbs.apply import GateConfig, WindowsConfig, encoding_name, find_device
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.integrity import refuse_changed
from interpositive.dailies.take import Take
from interpositive.delivery.evaluation import CHOSEN, EvaluationSettings, evaluate_run
from interpositive.delivery.evaluation_tables import format_notes, format_table
from interpositive.delivery.judged_shots import ROLES
from interpositive.delivery.restoring import GrainChoice
from interpositive.delivery.result_evaluation import default_output, evaluate_results
from interpositive.delivery.result_measuring import RESULT, ResultSettings
from interpositive.errors import CatalogueError, ConfigError
from interpositive.media.plate_colour import NATIVE
from interpositive.records.measures import Measures
from interpositive.records.run_record import RunRecord
from interpositive.training.run_folder import machine_description, software_versions

_RATE = re.compile(r"\d+(\.\d+|/\d+)?", re.ASCII)
_PULLED_DOWN = {"23.976": "24000/1001", "23.98": "24000/1001", "29.97": "30000/1001", "59.94": "60000/1001"}


class EvaluateConfig(BaseModel):
    """The keys of ``conf/evaluate.yaml``."""

    model_config = ConfigDict(extra="forbid")

    run: Path | None
    result: Path | None
    reference: Path | None
    plate: Path | None
    mask: Path | None
    against: Path | None
    output: Path | None
    metric: dict[str, dict[str, Any]]
    table: list[str]
    layer: dict[str, str | None]
    rate: str | int | float | None
    encoding: str | None
    review_movies: bool
    splits: list[str]
    max_frames: int
    windows: WindowsConfig
    gate: GateConfig
    grain: GrainChoice
    device: str
    seed: int
    progress: bool

    def pictures(self) -> dict[str, Path]:
        """What is judged and what it is judged against, by role; only what was given."""
        return {role: path for role in ROLES if (path := getattr(self, role)) is not None}

    def layers(self) -> dict[str, str]:
        """The layers that were named, by role."""
        return {role: layer for role, layer in self.layer.items() if layer is not None}


def run(config: DictConfig) -> float | None:
    """Evaluate, print the table, and give the mean hole PSNR (frame PSNR without a mask) to a sweeper."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(EvaluateConfig, plain, "evaluate")
    _refuse_both_or_neither(settings)
    if settings.run is not None:
        folder = settings.output or settings.run / "evaluation"
        measures, judged = _judge_run(settings, settings.run, folder), CHOSEN
    else:
        assert settings.result is not None
        folder = settings.output or default_output(settings.result)
        measures, judged = _judge_result(settings, folder), RESULT
    print(format_table(measures, settings.table))
    print("\n".join(format_notes(measures)))
    print(f"\nevaluation: {folder}")
    return _score(measures, judged)


def _refuse_both_or_neither(settings: EvaluateConfig) -> None:
    given = {"run": settings.run, **{role: getattr(settings, role) for role in ROLES}}
    found = " ".join(f"{key}={path}" for key, path in given.items() if path is not None) or "neither"
    if (settings.run is None) == (settings.result is None):
        raise ConfigError(
            "evaluate judges either a run or a result",
            found=found,
            expected="run=<run folder>, or result=<movie or folder> with reference=, plate=, mask= or against=",
            remedy="interpositive evaluate --help lists all keys",
        )
    if strangers := sorted(set(settings.layers()) - set(settings.pictures())):
        raise ConfigError(
            "a layer is named of pictures that were not given",
            found=", ".join(f"layer.{role}" for role in strangers),
            expected=f"layers of {', '.join(settings.pictures()) or 'nothing'}",
            remedy=f"give {strangers[0]}=<folder of frames>, or leave its layer out",
        )
    if settings.run is not None and len(settings.pictures()) > 0:
        raise ConfigError(
            "a run is judged on its own held-out takes, against their truth",
            found=found,
            expected="run= alone",
            remedy="to judge finished pictures, say result= in place of run=",
        )


def _judge_run(settings: EvaluateConfig, run_folder: Path, folder: Path) -> Measures:
    device = find_device(settings.device)
    opened = open_run(run_folder)
    takes = held_out_takes(opened.record, settings.splits)
    return evaluate_run(
        takes,
        opened.mini_model.to(device),
        opened.task,
        folder,
        EvaluationSettings(
            max_frames=settings.max_frames,
            height=int(opened.config["production"]["training_height"]),
            metrics=assemble_metrics(settings.metric),
            windows=settings.windows.plan(),
            gate=settings.gate.plan(),
            grain=settings.grain,
            encoding=opened.record.encoding,
            seed=settings.seed,
            progress=settings.progress,
        ),
    )


def held_out_takes(record: RunRecord, splits: Sequence[str]) -> list[Take]:
    """The run's takes of the chosen splits, each of them the footage, and seen as, what the run used.

    ``CatalogueError`` for takes that have left the catalogue, or that the production reads in another way by now.
    """
    recorded = {take.name: take for take in record.takes if take.split in splits}
    if not recorded:
        raise CatalogueError(
            "no take is held out for evaluation",
            found=f"splits {list(splits)} of {len(record.takes)} takes",
            remedy="ingest more takes, or name other splits",
        )
    with Catalogue(Path(record.catalogue)) as catalogue:
        if gone := sorted(name for name in recorded if name not in catalogue):
            raise CatalogueError(
                "takes that the run held out have left the catalogue",
                found=", ".join(gone[:8]),
                expected=f"{len(recorded)} takes",
                remedy="ingest them again, or name other splits",
            )
        takes = [catalogue.take(name) for name in sorted(recorded)]
    # A mini-model of each plate's own codes is given the same whatever they are called.
    read_as = ("layer",) if record.encoding == NATIVE else ("layer", "encoding")
    for take in takes:
        used = recorded[take.name]
        for what in read_as:
            if getattr(take, what) != getattr(used, what):
                raise CatalogueError(
                    f"{take.name} is not the picture that the run used",
                    found=f"{what} {getattr(take, what) or 'not named'}",
                    expected=f"{what} {getattr(used, what) or 'not named'}",
                    remedy=f"name it so in production.{what}s and ingest again, or train again",
                )
        refuse_changed(take.model_copy(update={"sha256": used.sha256}))
    return takes


def _judge_result(settings: EvaluateConfig, folder: Path) -> Measures:
    return evaluate_results(
        settings.pictures(),
        folder,
        ResultSettings(
            metrics=assemble_metrics(settings.metric),
            rate=_frame_rate(settings.rate),
            layers=settings.layers(),
            encoding=encoding_name(settings.encoding),
            review_movies=settings.review_movies,
            told={f"metric.{name}": json.dumps(given, sort_keys=True) for name, given in settings.metric.items()},
            versions=software_versions(),
            machine=machine_description(),
            progress=settings.progress,
        ),
    )


def _frame_rate(given: str | int | float | None) -> Fraction | None:
    if given is None:
        return None
    text = _PULLED_DOWN.get(str(given), str(given))
    if not _RATE.fullmatch(text) or text.endswith("/0") or not Fraction(text):
        raise ConfigError("rate is no frame rate", found=given, expected="frames per second, as 25 or 24000/1001")
    return Fraction(text)


def _score(measures: Measures, method: str) -> float | None:
    means = {mean.metric: mean.mean for mean in measures.means if mean.method == method}
    return means.get("psnr_hole", means.get("psnr"))
