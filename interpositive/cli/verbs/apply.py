"""``interpositive apply``: one shot, repaired and delivered."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from interpositive.cli.assembling import read_config
from interpositive.cli.metrics import assemble_metrics
from interpositive.cli.runs import open_run
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.conforming import CUT_LIST_NAME, read_conformed_cut
from interpositive.dailies.take import Take
from interpositive.delivery.accounting import DeliverySource
from interpositive.delivery.deliver import DeliverySettings, deliver_shot
from interpositive.delivery.frame_formats import FormatChoice
from interpositive.delivery.gate import GatePlan
from interpositive.delivery.other_takes import ProductionFootage
from interpositive.delivery.plates import FrameSpan, Plate, plate_at, plate_of_shot
from interpositive.delivery.restoring import GrainChoice, WindowPlan
from interpositive.errors import ConfigError, MediaError
from interpositive.media.cdl_files import read_cdl
from interpositive.media.encodings import find_encoding
from interpositive.records.cdl import Cdl
from interpositive.records.digests import sha256_of_value
from interpositive.records.identity import exact_rate
from interpositive.records.rights import Grant
from interpositive.training.run import ARCHIVE_NAME, software_versions


class WindowsConfig(BaseModel):
    """Windows of the shot; see :class:`interpositive.delivery.restoring.WindowPlan`."""

    model_config = ConfigDict(extra="forbid")

    size: int
    overlap: int
    reach: int | None
    most_mib: int = Field(ge=1)

    def plan(self) -> WindowPlan:
        """The plan these settings describe."""
        return WindowPlan(self.size, self.overlap, self.reach, self.most_mib)


class GateConfig(BaseModel):
    """The held-out choice; see :class:`interpositive.delivery.gate.GatePlan`."""

    model_config = ConfigDict(extra="forbid")

    num_trials: int
    num_frames: int
    reach: int
    shift_share: tuple[float, float]

    def plan(self) -> GatePlan:
        """The plan these settings describe."""
        return GatePlan(self.num_trials, self.num_frames, self.reach, self.shift_share)


def _counted(given: object) -> object:
    if given == "all" or (isinstance(given, int) and not isinstance(given, bool) and given >= 0):
        return given
    raise ValueError("it is a number of other methods, 0 or more, or all")


class DeliveryConfig(BaseModel):
    """The keys of ``conf/delivery/``."""

    model_config = ConfigDict(extra="forbid")

    frame_format: FormatChoice
    method: str
    compare: Annotated[int | Literal["all"], BeforeValidator(_counted)]
    first_frame: int | None
    grain: GrainChoice
    windows: WindowsConfig
    gate: GateConfig


class ApplyConfig(BaseModel):
    """The keys of ``conf/apply.yaml``."""

    model_config = ConfigDict(extra="forbid")

    run: Path
    shot: str
    frames: tuple[int, int] | tuple[str, str] | None
    layer: str | None
    rate: str | int | float | None
    mask: Path | None
    ask: dict[str, Any] | None
    mask_layer: str | None
    deliver_to: Path
    encoding: str | None
    cdl: Path | None
    cdl_id: str | None
    device: str
    delivery: DeliveryConfig
    metric: dict[str, dict[str, Any]]
    seed: int
    progress: bool


def run(config: DictConfig) -> None:
    """Repair and deliver; prints what was delivered and the account of altered pixels."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(ApplyConfig, plain, "apply")
    device = find_device(settings.device)
    opened = open_run(settings.run)
    delivery = settings.delivery
    asked = read_config(opened.task.asks, settings.ask or {}, "ask")
    training_takes = [take for take in opened.record.takes if take.split == "train"]
    plate = find_plate(settings, Path(opened.record.catalogue))
    manifest = deliver_shot(
        plate,
        "auto" if settings.mask == Path("auto") else settings.mask,
        settings.deliver_to,
        opened.mini_model.to(device),
        opened.task,
        DeliverySource(
            production=opened.record.production,
            task=opened.record.task,
            archive_path=opened.folder / ARCHIVE_NAME,
            archive_sha256=opened.record.archive_sha256,
            config_sha256=sha256_of_value(plain),
            training_takes=[take.name for take in training_takes],
            versions=software_versions(),
            encoding=opened.record.encoding,
            training_encodings=frozenset(take.encoding for take in training_takes),
        ),
        DeliverySettings(
            frame_format=delivery.frame_format,
            method=delivery.method,
            compare=delivery.compare,
            first_frame=delivery.first_frame,
            grain=delivery.grain,
            windows=delivery.windows.plan(),
            gate=delivery.gate.plan(),
            metrics=assemble_metrics(settings.metric),
            encoding=encoding_name(settings.encoding) or (plate.take.encoding if plate.take else ""),
            mask_layer=settings.mask_layer,
            cdl=_grade(settings.cdl, settings.cdl_id),
            asked=asked,
            footage=ProductionFootage(
                opened.record.production, Path(opened.record.catalogue), _grants(opened.config.get("production"))
            ),
            seed=settings.seed,
            progress=settings.progress,
        ),
        opened.finder(device) if settings.mask == Path("auto") else None,
    )
    altered = sum(frame.altered_pixels for frame in manifest.frames)
    violations = sum(frame.untouched_violations for frame in manifest.frames)
    print(f"\n{manifest.num_frames} frames by method {manifest.method}")
    print(f"altered pixels: {altered}; altered outside the mask: {violations}")
    for note in manifest.notes:
        print(f"note: {note}")
    print(f"delivered to: {settings.deliver_to}")


def _grants(production: Any) -> list[Grant]:
    return [Grant.model_validate(grant) for grant in (production or {}).get("grants", [])]


def _grade(path: Path | None, grade_id: str | None) -> Cdl | None:
    if path is None:
        if grade_id is not None:
            raise ConfigError(
                "cdl_id names a grade of a file",
                found=f"cdl_id={grade_id}, no cdl",
                expected="cdl=<a .ccc or .cdl file>",
            )
        return None
    return read_cdl(path, grade_id or "")


def encoding_name(given: str | None) -> str:
    """The full name of an encoding that a user gave, empty for none; ``ColourError`` if there is none of the name."""
    return "" if given is None else find_encoding(given).name


def named_rate(given: str | int | float | None) -> Fraction | None:
    """The frame rate that a user gave, exact; ``TimecodeError`` for what is none."""
    return None if given is None else exact_rate(given)


def find_plate(settings: ApplyConfig, catalogue_path: Path) -> Plate:
    """What a name on the command line means: a path, else a shot of the production's cut, else one of its takes.

    A path at which a take of the production lies is that take: what the production says of its colour, reel and
    timecode holds, and it is read by its digests. Raises ``MediaError`` for a name that is nothing of all this,
    ``ConfigError`` for a layer or rate of a take: the production names it.
    """
    shot, frames, rate = settings.shot, settings.frames, named_rate(settings.rate)
    plate = plate_at(Path(shot), frames, settings.layer, rate) if Path(shot).exists() else None
    known = _take_at(plate.path, catalogue_path) if plate else None
    if plate is not None and known is None:
        return plate
    if settings.layer is not None or rate is not None:
        raise ConfigError(
            "layer and rate are said of a path that is no take",
            found=f"shot={shot}, of the production",
            expected="layer=null rate=null for shots and takes of the production",
            remedy="name them for the take as layers and rates in the production, and ingest again",
        )
    if plate is not None:
        return replace(plate, take=known)
    return _plate_of_production(shot, frames, catalogue_path)


def _plate_of_production(shot: str, frames: FrameSpan | None, catalogue_path: Path) -> Plate:
    workspace = catalogue_path.parent
    if catalogue_path.is_file():
        cut = read_conformed_cut(workspace) if (workspace / CUT_LIST_NAME).is_file() else None
        with Catalogue(catalogue_path) as catalogue:
            if cut is not None and cut.cut_list.shot(shot) is not None:
                if frames is not None:
                    raise ConfigError(
                        "a shot of the cut has its own frames",
                        found=list(frames),
                        expected="frames=null",
                        remedy="name the take instead: shot=<take>",
                    )
                return plate_of_shot(cut, shot, catalogue.take(cut.pull(shot)[1].take))
            if shot in catalogue:
                take = catalogue.take(shot)
                return Plate(Path(take.path), take.name, frames, take)
    raise MediaError(
        f"{shot} is not there",
        found=f"no such path, and nothing of this name in {workspace}",
        expected="a movie, a folder of frames, a shot of the ingested cut list, or a take of the catalogue",
    )


def _take_at(path: Path, catalogue_path: Path) -> Take | None:
    if not catalogue_path.is_file():
        return None
    with Catalogue(catalogue_path) as catalogue:
        return catalogue.take_at(str(path.resolve()))


def find_device(name: str) -> torch.device:
    """The device of this name; ``ConfigError`` if there is none on this machine."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError("there is no such device", found=name, expected="cpu or cuda") from None
    if device.type != "cpu" and not (device.type == "cuda" and (device.index or 0) < torch.cuda.device_count()):
        raise ConfigError("this machine has no such device", found=name, expected="cpu", remedy="set device=cpu")
    return device
