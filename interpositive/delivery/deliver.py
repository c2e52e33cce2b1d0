"""One shot repaired and handed over: frames, matte, review movies, measures, the manifest and the hash list of all."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from tqdm import tqdm

from interpositive.delivery.accounting import (
    DeliverySource,
    OpenedShot,
    account_for,
    colour_notes,
    coverage_notes,
    grain_notes,
    verify_untouched,
    write_manifest,
    write_measures,
)
from interpositive.delivery.conform_paperwork import event_of, write_conform
from interpositive.delivery.expecting import Expectation
from interpositive.delivery.finding import FoundMask, find_mask
from interpositive.delivery.frame_formats import FormatChoice, as_stored, choose_format, window_to_store
from interpositive.delivery.gate import GatePlan, GateResult, choose_method
from interpositive.delivery.laying_out import MaskChoice, delivered_shot, lay_out, mask_of
from interpositive.delivery.other_takes import ProductionFootage
from interpositive.delivery.plates import Plate, plate_at
from interpositive.delivery.restoring import GrainChoice, WindowPlan, frames_to_float, restore_shot
from interpositive.delivery.review_movies import ReviewMovies
from interpositive.errors import ColourError, ConfigError
from interpositive.media.contract import FrameReader
from interpositive.media.encodings import find_encoding
from interpositive.media.plate_colour import PlateColour
from interpositive.media.range_reader import RangeReader
from interpositive.media.sequence_reader import SequenceReader
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.media.still_tags import FrameFormat, FrameTags
from interpositive.metrics.contract import MakeMetric
from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.shot_meter import ShotMeter
from interpositive.metrics.untouched import UntouchedChanged
from interpositive.metrics.warp_error import WarpError
from interpositive.metrics.warp_error_relative import RelativeWarpError
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.finder_archive import KeptFinder
from interpositive.records.cdl import Cdl
from interpositive.records.delivery_manifest import (
    DeliveryManifest,
    FrameAccount,
)
from interpositive.records.publishing import publish_folder, refuse_existing
from interpositive.tasks.contract import Task
from interpositive.tasks.laying_out import Asked, LaidOut


@dataclass(frozen=True)
class DeliverySettings:
    """How a shot is delivered.

    ``frame_format`` is one of the sequence writer's, or ``"plate"``: the plate's own kind of frames.
    ``method`` is ``"choose"`` for a held-out choice on the shot itself, or a method's name.
    ``compare`` is how many other methods restore the shot too, so that the review page can show them: the best on
    held-out pixels, or ``"all"``.
    ``first_frame`` numbers the first delivered frame; None keeps a frame sequence's own number, a movie begins at 0.
    ``metrics`` are those that need no clean reference: there is none.
    ``encoding`` names the plate's colour encoding over what its file says; empty believes the file.
    ``mask_layer`` says which picture of EXR frames is the mask, where they hold several.
    ``cdl`` is the shot's grade over the cut's own, which review pictures show and no delivered pixel has.
    ``asked`` is what is asked of the task, of its own kind; None asks for nothing in particular. ``footage`` is what
    the production has to lend. ``grain`` match gives a fill the grain of the plate.
    """

    frame_format: FormatChoice = "plate"
    method: str = "choose"
    compare: int | Literal["all"] = 2
    first_frame: int | None = None
    windows: WindowPlan = field(default_factory=WindowPlan)
    gate: GatePlan = field(default_factory=GatePlan)
    metrics: Sequence[MakeMetric] = (WarpError, RelativeWarpError, LumaFlicker, UntouchedChanged)
    encoding: str = ""
    mask_layer: str | None = None
    cdl: Cdl | None = None
    asked: Asked | None = None
    footage: ProductionFootage | None = None
    grain: GrainChoice = "match"
    seed: int = 0
    progress: bool = True


def deliver_shot(
    plate: Plate | Path,
    mask: MaskChoice,
    folder: Path,
    mini_model: MiniModel,
    task: Task,
    source: DeliverySource,
    settings: DeliverySettings,
    finder: KeptFinder | None = None,
) -> DeliveryManifest:
    """Repair a shot inside its mask and publish the delivery folder by one rename.

    ``plate`` is a movie, a folder of frames, some frames of one, or a shot of the cut; the task lays it out. A mask
    that the user brings is as long as the frames to repair, or as the take that they are pulled from; it may be
    ``"auto"`` where ``finder`` finds it, and is None where the request implies it. A mask that was found, and paperwork
    for the conform, lie beside the frames.
    Everything is checked before the first frame is restored: shot and mask
    (``MediaError``, ``MaskError``), the folder (``StorageError`` if it exists).
    ``ColourError`` if the mini-model works in an encoding and nobody says which one the plate is in, or for a
    grade of the settings on a plate that is not known to hold scene light.
    ``IntegrityError`` if any pixel outside the mask differs from the plate when
    the delivered files are read back; then nothing is published.
    """
    refuse_existing(folder)
    plate = plate if isinstance(plate, Plate) else plate_at(plate)
    with ExitStack() as stack:
        footage = stack.enter_context(closing(plate.open()))
        colour = PlateColour(settings.encoding or footage.info.encoding, source.encoding)
        production = settings.footage or ProductionFootage(source.production)
        laid_out = stack.enter_context(closing(lay_out(plate, footage, task, settings.asked, colour, production)))
        reader = laid_out.plate
        frame_format = choose_format(settings.frame_format, reader.info)
        found = stack.enter_context(_found(mask, finder, task, laid_out, colour, plate.name, settings))
        chosen = found.path if found else mask
        opened_mask = stack.enter_context(closing(mask_of(chosen, task, laid_out, settings.mask_layer)))
        shot = OpenedShot(
            plate,
            mask if isinstance(mask, Path) else None,
            footage,
            laid_out,
            opened_mask,
            _first_number(footage, settings.first_frame),
            colour,
            _grade_to_show(settings.cdl, plate.cdl, colour),
            found,
        )
        return _deliver(shot, folder, mini_model, task, source, settings, frame_format)


@contextmanager
def _found(
    mask: MaskChoice,
    finder: KeptFinder | None,
    task: Task,
    laid_out: LaidOut,
    colour: PlateColour,
    name: str,
    settings: DeliverySettings,
) -> Iterator[FoundMask | None]:
    """The mask that ``mask=auto`` asks for, in a folder of its own for as long as the shot is worked on."""
    if mask != "auto" or laid_out.mask is not None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="interpositive_") as folder:
        # Numbered as the plate is, whatever number the delivery begins with: the mask belongs to the plate.
        number = _first_number(laid_out.plate, None)
        yield find_mask(finder, task, laid_out.plate, colour, Path(folder), name, number, settings.progress)


def _deliver(
    shot: OpenedShot,
    folder: Path,
    mini_model: MiniModel,
    task: Task,
    source: DeliverySource,
    settings: DeliverySettings,
    frame_format: FrameFormat,
) -> DeliveryManifest:
    info = shot.info
    preferred = preference(mini_model)
    gate = _pass_gate(shot, mini_model, task, preferred, settings)
    methods = [gate.chosen, *_beside(gate, preferred, settings.compare)]
    with publish_folder(folder) as scratch:
        for name in ("frames", "matte"):
            (scratch / name).mkdir()
        meter = ShotMeter(methods, settings.metrics, rate=info.rate, has_reference=False, encoding=shot.colour.plate)
        accounts: list[FrameAccount] = []
        expectation = Expectation(gate.held_out)
        frames_out = SequenceWriter(
            scratch / "frames",
            shot.name,
            format=frame_format,
            first_frame=shot.first_frame,
            rate=info.rate,
            start_timecode=info.start_timecode,
            bits=info.bits,
            tags=FrameTags.of(info, shot.colour.plate),
            display_window=info.display_window,
        )
        restored = restore_shot(
            shot.reader.window,
            shot.mask.window,
            info.num_frames,
            mini_model,
            methods,
            settings.windows.reaching(shot.laid_out.reach),
            read_condition=shot.laid_out.condition,
            colour=shot.colour,
            grain=settings.grain,
        )
        bar = tqdm(
            restored, total=info.num_frames, desc=f"restore {shot.name}", unit="frame", disable=not settings.progress
        )
        with ReviewMovies(scratch / "review", info.rate, encoding=shot.colour.plate, cdl=shot.cdl) as movies:
            for frame in bar:
                result = as_stored(frame.results[gate.chosen], info, frame_format)
                frames_out.write(result[None], window_to_store(shot.reader, frame, result))
                expectation.see(frame.confidence, frame.mask, frame.busy)
                accounts.append(account_for(frame, result, shot, scratch, expectation.curve[-1]))
                movies.write({"plate": frame.plate, "result": result})
                movies.write_matte(frame.mask)
                movies.write({m: frame.results[m] for m in methods[1:]})
                meter.update(
                    {m: frames_to_float(codes[None], shot.colour.plate) for m, codes in frame.results.items()},
                    plate=frames_to_float(frame.plate[None], shot.colour.plate),
                    mask=torch.from_numpy(frame.mask)[None, None],
                )
            pictures = {role: f"review/{name}" for role, name in movies.close().items()}
        verify_untouched(scratch, shot, frame_format)
        if shot.found:
            shot.found.hand_over(scratch)
        delivered = delivered_shot(shot.plate, shot.footage, shot.laid_out, shot.first_frame, frames_out.extension)
        notes = [*([shot.found.note] if shot.found else []), *shot.laid_out.notes]
        notes += [*coverage_notes(accounts, shot), *grain_notes(accounts), *colour_notes(shot, source)]
        notes += write_conform(scratch, shot.name, [event_of(delivered, "frames")], delivered.record_drop_frame)
        for name, text in mini_model.papers(shot.laid_out.condition(0, 1), gate.chosen, shot.name).items():
            (scratch / name).write_text(text)
        write_measures(scratch, shot, gate, expectation, meter, pictures, notes)
        return write_manifest(
            scratch,
            shot,
            source,
            frame_format,
            settings.seed,
            gate,
            expectation.verdict(),
            accounts,
            folder.name,
            notes,
            delivered,
            settings.asked,
        )


def _grade_to_show(asked: Cdl | None, of_cut: Cdl | None, colour: PlateColour) -> Cdl | None:
    """A grade is dialled in over scene light: what the cut gives other plates is not shown, what was asked refused."""
    if colour.plate and find_encoding(colour.plate).of_scene:
        return asked or of_cut
    if asked is not None:
        raise ColourError(
            "a CDL is shown on scene light, and this plate is not known to hold any",
            found=f"encoding {colour.plate or 'not known'}",
            expected="a log or linear encoding",
            remedy="leave cdl= out, or say encoding=<name> if the file does not tell the truth",
        )
    return None


def preference(mini_model: MiniModel) -> list[str]:
    """A mini-model's methods from the trained one down to the simplest fill."""
    learned = [mini_model.trained_method, "prior"]
    return [m for m in learned if m in mini_model.methods] + [
        m for m in reversed(mini_model.methods) if m not in learned
    ]


def _beside(gate: GateResult, preferred: Sequence[str], num: int | Literal["all"]) -> list[str]:
    """The other methods to compare with, in order of preference: the best on held-out pixels, all alike without any."""
    others = [method for method in preferred if method != gate.chosen]
    if num == "all":
        return others
    known = {method: score for method, score in gate.scores.items() if score is not None}
    best = sorted(others, key=lambda method: known.get(method, -math.inf), reverse=True)
    return [method for method in others if method in best[:num]]


def _pass_gate(
    shot: OpenedShot, mini_model: MiniModel, task: Task, preferred: Sequence[str], settings: DeliverySettings
) -> GateResult:
    if settings.method == "choose":
        return choose_method(
            shot.reader.window,
            shot.mask.window,
            shot.info.num_frames,
            mini_model,
            preferred,
            settings.gate,
            settings.seed,
            shot.colour,
            read_condition=shot.laid_out.condition,
            hold_out=task.hold_out,
            trying_out=task.trying_out,
        )
    if settings.method not in preferred:
        raise ConfigError("no such method", found=settings.method, expected=["choose", *preferred])
    return GateResult({}, settings.method, 0, "the method was named by the user")


def _first_number(reader: FrameReader, wanted: int | None) -> int:
    if wanted is not None:
        if wanted < 0:
            raise ConfigError("frame numbers begin at zero or above", found=wanted, expected="0 or more, or null")
        return wanted
    return reader.first_frame_number if isinstance(reader, SequenceReader | RangeReader) else 0
