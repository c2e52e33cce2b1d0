"""A training run as its plain configuration describes it: assembled, and trained in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field

from interpositive.backbones.adapters import AdapterSettings, adapt_network
from interpositive.cli.assembling import assemble, read_config, refuse_unknown_keys
from interpositive.cli.fitting import refuse_half_size, refuse_misfit
from interpositive.cli.metrics import assemble_metrics
from interpositive.cli.productions import ProductionConfig
from interpositive.cli.starting import begin, footage_of, read_adapter
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import MakeExample, Prepare
from interpositive.dailies.take import Take
from interpositive.errors import ConfigError
from interpositive.functional.seeds import seed_from
from interpositive.metrics.contract import MakeMetric
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.finder import Finder
from interpositive.motion.finding_evidence import EVIDENCE_VERSION
from interpositive.records.device_kind import DeviceKind
from interpositive.records.digests import sha256_of_value
from interpositive.records.rights import Beginning, Footage
from interpositive.records.run_record import RunRecord
from interpositive.tasks.contract import Task
from interpositive.training.finder_training import FinderStage
from interpositive.training.rank_watch import EndProcess, RankWatch, watched_ranks
from interpositive.training.ranks import joined, with_first
from interpositive.training.run import ComputeSettings, TrainSettings, train_mini_model
from interpositive.training.stopping import StopRequests
from interpositive.training.wandb_run import WandbSettings, wandb_loggers


class DailiesConfig(BaseModel):
    """The keys of ``conf/dailies/``: windows and batches."""

    model_config = ConfigDict(extra="forbid")

    window_frames: int = Field(ge=2, le=1000)
    num_windows: int = Field(ge=1, le=1_000_000)
    num_val_windows: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=65_536)
    num_workers: int = Field(ge=0, le=256)
    num_prepare_workers: int = Field(ge=0, le=256)
    prepared_folder: Path | None = None


_ENOUGH_STEPS = 1200
"""Of a finder that nobody set: minutes of one core, which other processes of a long run wait for."""

_HANGS_ANY_WAY = {"turned_share": 0.5, "negative_share": 0.25}
"""Of views, where what is to be found could as well lie, and be bright for dark."""


class FinderConfig(BaseModel):
    """The keys of ``conf/finder/``: how a finder learns, then :class:`interpositive.mini_models.finder.Finder`'s."""

    model_config = ConfigDict(extra="forbid")

    max_steps: int | None = Field(ge=0, le=10**9)
    learning_rate: float = Field(gt=0, le=1e6)
    num_windows: int = Field(ge=1, le=100_000)
    num_train_windows: int | None = Field(ge=1, le=100_000)
    offsets: list[int]
    widths: list[int]
    crop_px: int
    view_px: int
    crops_per_frame: int
    frames_per_window: int
    share_on_it: float
    turned_share: float | None
    negative_share: float | None


class TrainConfig(BaseModel):
    """The keys of ``conf/train.yaml``."""

    model_config = ConfigDict(extra="forbid")

    production: dict[str, Any]
    task: dict[str, Any]
    mini_model: dict[str, Any]
    adapter: dict[str, Any] = Field(default_factory=dict)
    finder: dict[str, Any] | None = None
    dailies: DailiesConfig
    trainer: dict[str, Any]
    compute: dict[str, Any]
    wandb: dict[str, Any]
    metric: dict[str, dict[str, Any]]
    start_from: Path | None = None
    damage: dict[str, str]
    device_kind: dict[str, dict[str, Any]] = {}
    run_folder: Path | None
    dry_run: bool = False
    seed: int
    progress: bool


@dataclass(frozen=True)
class AssembledTraining:
    """Every object of a run, built and checked; nothing is trained and nothing written yet."""

    config: TrainConfig
    production: ProductionConfig
    task: Task
    mini_model: MiniModel
    adapter: AdapterSettings
    begun_with: list[Beginning]
    footage: Footage
    dailies: ProductionDataModule
    settings: TrainSettings
    finding: FinderStage | None
    compute: ComputeSettings
    metrics: list[MakeMetric]
    wandb: WandbSettings
    device_kinds: dict[str, DeviceKind]
    catalogue_sha256: str
    config_text: str


def read_compute(config: TrainConfig) -> ComputeSettings:
    """What the run is computed on."""
    refuse_unknown_keys(config.compute, list(ComputeSettings.__dataclass_fields__), "compute")
    return ComputeSettings(**config.compute)


def assemble_training(plain: Mapping[str, Any]) -> AssembledTraining:
    """Build everything that a resolved configuration names, with one clear error for the first thing that is wrong.

    The same configuration gives the same first weights.
    """
    config = read_config(TrainConfig, plain, "train")
    production = read_config(ProductionConfig, config.production, "production")
    trainer = {**config.trainer, "seed": config.seed, "progress": config.progress}
    refuse_unknown_keys(trainer, list(TrainSettings.__dataclass_fields__), "trainer")
    settings, compute = TrainSettings(**trainer), read_compute(config)
    metrics = assemble_metrics(config.metric)
    wandb = read_config(WandbSettings, config.wandb, "wandb")
    task: Task = assemble(config.task, "task", Task)
    # Before the mini-model is built, for its first weights are drawn then.
    torch.manual_seed(seed_from("weights", config.seed))
    refuse_misfit(task, config.mini_model)
    mini_model: MiniModel = assemble(config.mini_model, "mini_model", MiniModel)
    refuse_half_size(mini_model, settings.half_size_share)
    adapter = read_adapter(config.adapter, config.start_from)
    begun_with = begin(mini_model, config.start_from, production)
    adapt_network(mini_model, adapter, config.seed)
    with production.catalogue() as catalogue:
        takes, catalogue_sha256 = catalogue.takes(), catalogue.digest()
        unknown = sorted(name for name in config.damage if name not in catalogue)
    if unknown:
        raise ConfigError(
            "damage names takes that the catalogue does not hold",
            found=unknown,
            expected=f"names of its {len(takes)} takes, such as {[take.name for take in takes[:8]]}",
        )
    recipe = mini_model.preparation or config.mini_model
    dailies = _dailies(config, production, takes, task.lesson, mini_model.prepare, recipe)
    finding = _finding(config, production, takes, task, settings)
    # Refused here, before any process is started.
    dailies.share(0, compute.num_processes)
    return AssembledTraining(
        config=config,
        production=production,
        task=task,
        mini_model=mini_model,
        adapter=adapter,
        begun_with=begun_with,
        footage=footage_of(takes),
        dailies=dailies,
        settings=settings,
        finding=finding,
        compute=compute,
        metrics=list(metrics),
        wandb=wandb,
        device_kinds={
            name: assemble(given, f"device_kind.{name}", DeviceKind) for name, given in config.device_kind.items()
        },
        catalogue_sha256=catalogue_sha256,
        config_text=_config_text(plain, config.start_from, catalogue_sha256, begun_with),
    )


def _dailies(
    config: TrainConfig,
    production: ProductionConfig,
    takes: Sequence[Take],
    make_example: MakeExample,
    prepare: Prepare,
    recipe: object,
) -> ProductionDataModule:
    """The production's takes as windows that ``prepare`` makes examples of; ``recipe`` is all that these depend on."""
    return ProductionDataModule(
        takes,
        make_example,
        prepare,
        folder=config.dailies.prepared_folder or production.workspace / "prepared",
        recipe_digest=sha256_of_value([config.task, recipe]),
        height=production.training_height,
        seed=config.seed,
        damage_paths=config.damage,
        encoding=production.training_encoding,
        progress=config.progress,
        **config.dailies.model_dump(exclude={"prepared_folder"}),
    )


def _finding(
    config: TrainConfig, production: ProductionConfig, takes: Sequence[Take], task: Task, settings: TrainSettings
) -> FinderStage | None:
    """The finder that is trained beside the mini-model, from the same seed's renders; None for a task without any."""
    if config.finder is None or not task.can_be_found:
        return None
    given = read_config(FinderConfig, config.finder, "finder")
    if given.max_steps == 0:
        return None
    arguments = given.model_dump(exclude={"max_steps", "learning_rate", "num_windows", "num_train_windows"})
    for name, share in _HANGS_ANY_WAY.items():
        if arguments[name] is None:
            arguments[name] = share * task.hangs_any_way
    torch.manual_seed(seed_from("finder weights", config.seed))
    finder = Finder(**arguments)
    recipe = {"finder": arguments, "evidence": EVIDENCE_VERSION}
    dailies = _dailies(config, production, takes, task.example, finder.prepare, recipe)
    if given.num_train_windows is not None:
        dailies.num_windows["train"] = given.num_train_windows
    return FinderStage(
        finder,
        dailies,
        arguments,
        min(settings.max_steps, _ENOUGH_STEPS) if given.max_steps is None else given.max_steps,
        given.learning_rate,
        given.num_windows,
        long_lines=task.hangs_any_way,
    )


def _config_text(
    plain: Mapping[str, Any], start_from: Path | None, catalogue_sha256: str, begun_with: Sequence[Beginning]
) -> str:
    """What a run is, for its folder: the digests of what it learns from and begins with, then its keys."""
    digests = [
        f"# catalogue {catalogue_sha256}",
        *(f"# begins with {found.archive_sha256}" for found in begun_with[:1]),
    ]
    # A run may be gone on with, or asked for again, from elsewhere.
    said = {**plain, "start_from": str(start_from.resolve())} if start_from else dict(plain)
    return "\n".join([*digests, yaml.safe_dump(said, sort_keys=False)])


def train_here(plain: Mapping[str, Any], folder: Path, end: EndProcess | None = None) -> RunRecord:
    """Train in this process into a run folder, going on from what a killed run left there.

    It is the only one, or one of several that were started as ranks; ``end`` is how it ends when another is lost.
    It listens to signals meanwhile: asked to stop, it saves and ends with ``TrainingStopped``.
    """
    with StopRequests() as stop:
        parts = assemble_training(plain)
        with joined(parts.compute), watched_ranks(parts.compute.lost_after_seconds, end) as watch:
            return _train(parts, folder, stop, watch)


def _train(parts: AssembledTraining, folder: Path, stop: StopRequests, watch: RankWatch | None) -> RunRecord:
    with_first(lambda: parts.mini_model.settle_in(parts.production.workspace))
    production, task, plain = parts.production.name, parts.task.name, parts.config.model_dump(mode="json")
    with wandb_loggers(parts.wandb, folder, production, task, plain) as loggers:
        return train_mini_model(
            parts.mini_model,
            parts.dailies,
            parts.task.example,
            folder=folder,
            production=production,
            task=task,
            arguments={key: value for key, value in parts.config.mini_model.items() if key != "_target_"},
            catalogue_path=parts.production.catalogue_path.resolve(),
            catalogue_sha256=parts.catalogue_sha256,
            config_text=parts.config_text,
            settings=parts.settings,
            compute=parts.compute,
            metrics=parts.metrics,
            loggers=loggers,
            stop=stop,
            watch=watch,
            footage=parts.footage,
            begun_with=parts.begun_with,
            adapter=parts.adapter.words,
            finding=parts.finding,
        )
