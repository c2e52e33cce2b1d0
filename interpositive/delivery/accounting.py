"""The account of a delivery: what was altered where, the measures, and the manifest with every digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from interpositive.delivery.expecting import EXPECTED_PSNR, Expectation, Verdict
from interpositive.delivery.filled_frame import RestoredFrame
from interpositive.delivery.finding import FoundMask
from interpositive.delivery.frame_formats import format_notes
from interpositive.delivery.gate import GateResult
from interpositive.delivery.plates import Plate
from interpositive.delivery.restoring import changed_pixels
from interpositive.errors import IntegrityError
from interpositive.media.colour_management import GRADING_SPACE
from interpositive.media.contract import FrameReader, Frames, MaskSource, MediaInfo
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import AS_STORED, NATIVE, PlateColour
from interpositive.media.sequence_writer import stored_codes
from interpositive.media.still_tags import FrameFormat
from interpositive.metrics.encoded import measured_encoding
from interpositive.metrics.shot_meter import ShotMeter, worst_frames
from interpositive.mini_models.finder_archive import FINDER_NAME
from interpositive.records.cdl import Cdl
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.records.delivery_manifest import (
    MANIFEST_NAME,
    DeliveredFile,
    DeliveryManifest,
    FrameAccount,
    LentPixels,
    SourceFile,
)
from interpositive.records.digests import sha256_of_file, sha256_of_path
from interpositive.records.hash_lists.sealing import generation_path, seal_folder
from interpositive.records.measures import Measures, ShotMeasures
from interpositive.records.timecode import is_drop_frame, timecode_to_frame, wrapped_timecode
from interpositive.tasks.laying_out import Asked, LaidOut

_LEAST_LENT = 1.0 / 256.0
_NUM_WORST = 8


@dataclass(frozen=True)
class DeliverySource:
    """Whose work this is: names and digests for the record.

    ``encoding`` is what the mini-model works in, ``training_encodings`` those of the takes that it learned from.
    """

    production: str
    task: str
    archive_path: Path
    archive_sha256: str
    config_sha256: str
    training_takes: Sequence[str]
    versions: Mapping[str, str]
    encoding: str = NATIVE
    training_encodings: frozenset[str] = frozenset()


@dataclass(frozen=True)
class OpenedShot:
    """A shot and its mask, opened, how its delivered frames are named and numbered, and what its codes mean.

    ``footage`` is what was shot, ``laid_out`` how the request lays it out; ``mask_path`` is the user's mask, if any,
    and ``found`` the one that a finder made.
    """

    plate: Plate
    mask_path: Path | None
    footage: FrameReader
    laid_out: LaidOut
    mask: MaskSource
    first_frame: int
    colour: PlateColour = AS_STORED
    cdl: Cdl | None = None
    found: FoundMask | None = None

    @property
    def path(self) -> Path:
        """The movie or folder that the frames are from."""
        return self.plate.path

    @property
    def reader(self) -> FrameReader:
        """The plate as it is delivered."""
        return self.laid_out.plate

    @property
    def info(self) -> MediaInfo:
        """What the plate is, as it is delivered."""
        return self.reader.info

    @property
    def name(self) -> str:
        """The stem of every delivered file."""
        return self.plate.name

    def timecode(self, number: int) -> str | None:
        """The timecode of a delivered frame number, counted on from the plate's own start; None where it has none."""
        start, rate = self.info.start_timecode, self.info.rate
        if start is None:
            return None
        counted = timecode_to_frame(start, rate) + number - self.first_frame
        return wrapped_timecode(counted, rate, is_drop_frame(start))


def account_for(
    frame: RestoredFrame, result: Frames, shot: OpenedShot, scratch: Path, expected: float | None
) -> FrameAccount:
    """Write one frame's alteration matte (8 bit: 0 untouched, 255 altered) and count its pixels."""
    altered = changed_pixels(result, frame.plate)
    number = shot.first_frame + frame.number
    path = scratch / "matte" / f"{shot.name}.{number:07d}.png"
    path.write_bytes(cv2.imencode(".png", altered.astype(np.uint8) * 255)[1].tobytes())
    return FrameAccount(
        frame=number,
        timecode=shot.timecode(number),
        mask_pixels=int((frame.mask > 0).sum()),
        altered_pixels=int(altered.sum()),
        untouched_violations=int((altered & (frame.mask == 0)).sum()),
        seen_pixels=frame.seen,
        lent=_lent_pixels(frame, shot),
        grain=frame.grain,
        expected_psnr_hole=None if expected is None else round(expected, 3),
    )


def coverage_notes(accounts: Sequence[FrameAccount], shot: OpenedShot) -> list[str]:
    """How much of what was masked any frame shows, and what other takes gave of it."""
    looked = [account for account in accounts if account.seen_pixels is not None and account.mask_pixels]
    masked = sum(account.mask_pixels for account in looked)
    if not masked or not shot.laid_out.lenders:
        return []
    notes = [f"{sum(a.seen_pixels or 0 for a in looked) / masked:.0%} of what was masked is shown by some frame"]
    for lender in shot.laid_out.lenders:
        given = [lent for account in looked for lent in account.lent if lent.lender == lender.name]
        pixels, frames = sum(lent.pixels for lent in given), {lent.frame for lent in given}
        notes.append(f"{lender.name} gave {pixels / masked:.0%} of it, from {len(frames)} frames ({lender.because})")
    return notes


def grain_notes(accounts: Sequence[FrameAccount]) -> list[str]:
    """How the fill's grain compares with the plate's, where it was matched."""
    matched = [account.grain for account in accounts if account.grain is not None]
    if not matched:
        return []
    before, after = (float(np.mean(side)) for side in zip(*matched, strict=True))
    return [
        f"the fill's grain was {before:.2f} of the plate's, and is {after:.2f} since it was matched "
        f"({len(matched)} frames)"
    ]


def _lent_pixels(frame: RestoredFrame, shot: OpenedShot) -> list[LentPixels]:
    found = []
    for (index, number), pixels in sorted(frame.lent.items()):
        # Less than a code value of one pixel is nothing that was copied.
        if pixels >= _LEAST_LENT:
            lender = shot.laid_out.lenders[index]
            found.append(
                LentPixels(lender=lender.name, frame=number, timecode=lender.timecode(number), pixels=round(pixels, 3))
            )
    return found


def verify_untouched(scratch: Path, shot: OpenedShot, frame_format: FrameFormat) -> None:
    """Read every delivered frame back from disk and compare it with a fresh decode of the plate.

    ``IntegrityError`` names the first frame that differs outside its mask.
    """
    with closing(open_reader(scratch / "frames")) as delivered:
        for index in range(shot.info.num_frames):
            plate = stored_codes(shot.reader.window(index, index + 1), frame_format)[0]
            found = delivered.window(index, index + 1)[0]
            outside = shot.mask.window(index, index + 1)[0] == 0
            # Compared in the type that the reader gives, which holds every value of both.
            violations = int(changed_pixels(found, plate.astype(found.dtype))[outside].sum())
            if violations:
                raise IntegrityError(
                    f"frame {shot.first_frame + index} changed outside its mask; nothing was delivered",
                    found=f"{violations} pixels",
                    expected="0 pixels",
                )


def colour_notes(shot: OpenedShot, source: DeliverySource) -> list[str]:
    """What a reader of the delivery should know about its colour; nothing where all is as it should be."""
    colour, notes = shot.colour, []
    if shot.plate.cdl is not None and shot.cdl is None:
        notes.append("the cut's CDL is not shown: the plate is not known to hold scene light, which it is a grade of")
    if shot.cdl is not None and not shot.cdl.is_identity:
        whose = "the cut's" if shot.cdl == shot.plate.cdl else "the given"
        notes.append(
            f"review pictures are shown under {whose} CDL, {shot.cdl.sop_text} {shot.cdl.sat_text}, applied in "
            f"{GRADING_SPACE}; delivered frames and metrics are not graded"
        )
    if not colour.plate:
        notes.append("the plate's colour encoding is not known: pictures are shown, and metrics measured, as stored")
    elif colour.model == NATIVE and source.training_encodings and colour.plate not in source.training_encodings:
        learned = ", ".join(sorted(name or "not known" for name in source.training_encodings))
        notes.append(f"the mini-model learned from takes whose encoding is {learned}; this plate is {colour.plate}")
    return notes


def write_measures(
    scratch: Path,
    shot: OpenedShot,
    gate: GateResult,
    expectation: Expectation,
    meter: ShotMeter,
    pictures: dict[str, str],
    notes: Sequence[str],
) -> None:
    """Write ``measures.json``: the numbers of every method, what the choice among them rests on, and the verdict."""
    values, curves = meter.compute()
    verdict = expectation.verdict()
    places = expectation.worst_places[:_NUM_WORST] or worst_frames(curves[gate.chosen])
    curves[gate.chosen][EXPECTED_PSNR.name] = expectation.curve
    comments = [gate.note] if gate.note else []
    if any(score is not None for score in gate.scores.values()):
        tried = ", ".join(f"{m} {s:.2f} dB" for m, s in gate.scores.items() if s is not None)
        comments.append(f"chosen on {gate.num_pixels} held-out pixels of this shot: {tried}")
    comments += notes
    measured = ShotMeasures(
        name=shot.name,
        role="delivery",
        num_frames=shot.info.num_frames,
        first_frame=shot.first_frame,
        rate=str(shot.info.rate),
        start_timecode=shot.info.start_timecode,
        chosen_method=gate.chosen,
        values=values,
        curves=curves,
        worst_frames=[shot.first_frame + n for n in places],
        pictures=pictures,
        encoding=measured_encoding(shot.colour.plate),
        comments=comments,
        verdict=verdict.word,
        verdict_reason=verdict.reason,
    )
    curve_metrics = [EXPECTED_PSNR, *meter.curve_infos]
    measures = Measures(metrics=meter.infos, curve_metrics=curve_metrics, shots=[measured], notes=meter.notes())
    measures.write(scratch / "measures.json")


def write_manifest(
    scratch: Path,
    shot: OpenedShot,
    source: DeliverySource,
    frame_format: FrameFormat,
    seed: int,
    gate: GateResult,
    verdict: Verdict,
    accounts: list[FrameAccount],
    name: str,
    notes: Sequence[str],
    delivered: DeliveredShot,
    asked: Asked | None = None,
) -> DeliveryManifest:
    """Write the manifest over everything that lies in the folder so far, and seal all with an ASC MHL hash list.

    ``name`` is the one that the folder will be published under.
    """
    info, mask, created = shot.info, shot.mask_path, datetime.now(UTC)
    files = [
        DeliveredFile(
            path=path.relative_to(scratch).as_posix(),
            role=path.parent.name if path.parent != scratch else path.stem,
            sha256=sha256_of_file(path),
            num_bytes=path.stat().st_size,
        )
        for path in sorted(scratch.rglob("*"))
        if path.is_file()
    ]
    manifest = DeliveryManifest(
        production=source.production,
        task=source.task,
        shot=shot.name,
        method=gate.chosen,
        created=created.isoformat(timespec="seconds"),
        rate=str(info.rate),
        width=info.width,
        height=info.height,
        num_frames=info.num_frames,
        first_frame=shot.first_frame,
        start_timecode=info.start_timecode,
        reel=info.reel,
        frame_format=frame_format,
        encoding=_encoding_in_words(shot),
        sources=[
            SourceFile(path=str(shot.path), role="plate", sha256=sha256_of_path(shot.path)),
            *([SourceFile(path=str(mask), role="mask", sha256=sha256_of_path(mask))] if mask else []),
            SourceFile(path=str(source.archive_path), role="mini-model", sha256=source.archive_sha256),
            *_finder_of(shot, source),
            *(SourceFile(path=one.path, role="other take", sha256=one.sha256) for one in shot.laid_out.lenders),
        ],
        config_sha256=source.config_sha256,
        seed=seed,
        versions=dict(source.versions),
        training_takes=list(source.training_takes),
        gate={f"psnr_hole/{method}": score for method, score in gate.scores.items()},
        verdict=verdict.word,
        verdict_reason=verdict.reason,
        asked=asked.model_dump(mode="json") if asked else {},
        lenders=[one for one in shot.laid_out.lenders if any(one.name == of.lender for f in accounts for of in f.lent)],
        delivered=delivered,
        frames=accounts,
        files=files,
        hash_list=generation_path(1, name, created),
        notes=[*([gate.note] if gate.note else []), *notes, *info.notes, *format_notes(shot.reader, frame_format)],
    )
    (scratch / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=1))
    seal_folder(scratch, name, created)
    return manifest


def _finder_of(shot: OpenedShot, source: DeliverySource) -> list[SourceFile]:
    if shot.found is None:
        return []
    path = source.archive_path.parent / FINDER_NAME
    return [SourceFile(path=str(path), role="finder", sha256=shot.found.kept.sha256)]


def _encoding_in_words(shot: OpenedShot) -> str:
    info, colour = shot.info, shot.colour
    decoded = (
        f"{colour.plate or info.colour.transfer}, as decoded from {info.codec} ({info.bits} bit, "
        f"{info.colour.matrix} matrix {info.colour.source}); no colour conversion"
    )
    return (
        f"{decoded} but inside the mask, where pixels were repaired in {colour.model}" if colour.converts else decoded
    )
