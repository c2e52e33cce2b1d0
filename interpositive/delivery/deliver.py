"""One shot repaired and handed over: frames, matte, review movies, measures, and the manifest for them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from interpositive.delivery.gate import GatePlan, GateResult, choose_method
from interpositive.delivery.masks import MaskSource, open_mask
from interpositive.delivery.restoring import (
    Request,
    RestoredFrame,
    WindowPlan,
    changed_pixels,
    frames_to_float,
    reader_frames,
    restore_shot,
)
from interpositive.delivery.review_movies import ReviewMovies
from interpositive.errors import ConfigError, IntegrityError, MediaError
from interpositive.media.contract import FrameReader, Frames, MediaInfo
from interpositive.media.opening import open_reader
from interpositive.media.sequence_reader import SequenceReader
from interpositive.media.sequence_writer import SequenceWriter, encode_exr, encode_png16
from interpositive.metrics.meanings import METRICS
from interpositive.metrics.shot_meter import ShotMeter, worst_frames
from interpositive.mini_models.contract import MiniModel
from interpositive.records.delivery_manifest import (
    MANIFEST_NAME,
    DeliveredFile,
    DeliveryManifest,
    FrameAccount,
    SourceFile,
)
from interpositive.records.digests import sha256_of_file, sha256_of_path
from interpositive.records.measures import Measures, ShotMeasures
from interpositive.records.publishing import publish_folder, refuse_existing
from interpositive.records.timecode import frame_to_timecode, is_drop_frame, timecode_to_frame

FrameFormat = Literal["png16", "exr"]


@dataclass(frozen=True)
class DeliverySettings:
    """How a shot is delivered.

    ``method`` is ``"choose"`` for a held-out choice on the shot itself, or a method's name.
    ``compare`` restores the shot by every method, so that the review page can show them.
    ``first_frame`` numbers the first delivered frame; None keeps a frame sequence's own number, a movie begins at 0.
    """

    frame_format: FrameFormat = "png16"
    method: str = "choose"
    compare: bool = True
    first_frame: int | None = None
    windows: WindowPlan = field(default_factory=WindowPlan)
    gate: GatePlan = field(default_factory=GatePlan)
    seed: int = 0
    progress: bool = True


@dataclass(frozen=True)
class DeliverySource:
    """Whose work this is: names and digests for the record."""

    production: str
    task: str
    archive_path: Path
    archive_sha256: str
    config_sha256: str
    training_takes: Sequence[str]
    versions: Mapping[str, str]


def deliver_shot(
    shot_path: Path,
    mask_path: Path,
    folder: Path,
    mini_model: MiniModel,
    request: Request,
    source: DeliverySource,
    settings: DeliverySettings,
) -> DeliveryManifest:
    """Repair a shot inside its mask and publish the delivery folder by one rename.

    Everything is checked before the first frame is restored: shot and mask
    (``MediaError``, ``MaskError``), the folder (``StorageError`` if it exists).
    ``IntegrityError`` if any pixel outside the mask differs from the plate when
    the delivered files are read back; then nothing is published.
    """
    refuse_existing(folder)
    with closing(open_reader(shot_path)) as reader:
        _check_format(reader.info, settings.frame_format)
        numbered = replace(settings, first_frame=_first_number(reader, settings.first_frame))
        with closing(open_mask(mask_path, reader.info)) as mask:
            return _deliver(reader, mask, shot_path, mask_path, folder, mini_model, request, source, numbered)


def _deliver(
    reader: FrameReader,
    mask: MaskSource,
    shot_path: Path,
    mask_path: Path,
    folder: Path,
    mini_model: MiniModel,
    request: Request,
    source: DeliverySource,
    settings: DeliverySettings,
) -> DeliveryManifest:
    info = reader.info
    first_frame = settings.first_frame or 0
    device = next((p.device for p in mini_model.parameters()), torch.device("cpu"))
    preferred = preference(mini_model)
    gate = _pass_gate(reader, mask, info, mini_model, request, preferred, settings)
    methods = [gate.chosen, *(m for m in preferred if m != gate.chosen)] if settings.compare else [gate.chosen]
    stem = shot_path.stem if shot_path.is_file() else shot_path.resolve().name

    with publish_folder(folder) as scratch:
        for name in ("frames", "matte"):
            (scratch / name).mkdir()
        meter = ShotMeter(methods, has_reference=False, rate=info.rate)
        accounts: list[FrameAccount] = []
        timecodes = _Timecodes(info, first_frame)
        frames_out = SequenceWriter(
            scratch / "frames",
            stem,
            format=settings.frame_format,
            first_frame=first_frame,
            rate=info.rate,
            start_timecode=info.start_timecode,
            bits=info.bits,
            encoding=info.colour.transfer,
        )
        restored = restore_shot(
            reader_frames(reader),
            mask.window,
            info.num_frames,
            mini_model,
            request,
            methods,
            settings.windows,
            device=device,
        )
        bar = tqdm(
            restored,
            total=info.num_frames,
            desc=f"restore {stem}",
            unit="frame",
            disable=not settings.progress,
        )
        with ReviewMovies(scratch / "review", info.rate) as movies:
            for frame in bar:
                result = _as_stored(frame.results[gate.chosen], info)
                frames_out.write(result[None])
                accounts.append(_account(frame, result, scratch, stem, first_frame, timecodes))
                movies.write({"plate": frame.plate, "result": result, "matte": _grey(frame.mask)})
                movies.write({m: frame.results[m] for m in methods[1:]})
                meter.update(
                    {m: frames_to_float(codes[None]) for m, codes in frame.results.items()},
                    torch.from_numpy(frame.mask)[None, None],
                    frames_to_float(frame.plate[None]),
                )
            pictures = {role: f"review/{name}" for role, name in movies.close().items()}
        accounts = _verify_untouched(scratch, reader, mask, settings.frame_format, first_frame, accounts)
        _write_measures(scratch, stem, info, first_frame, gate, meter, pictures)
        manifest = _write_manifest(scratch, stem, info, shot_path, mask_path, source, settings, gate, accounts)
    return manifest


def preference(mini_model: MiniModel) -> list[str]:
    """A mini-model's methods from the trained one down to the simplest fill."""
    learned = [mini_model.trained_method, "prior"]
    return [m for m in learned if m in mini_model.methods] + [
        m for m in reversed(mini_model.methods) if m not in learned
    ]


def _pass_gate(
    reader: FrameReader,
    mask: MaskSource,
    info: MediaInfo,
    mini_model: MiniModel,
    request: Request,
    preferred: Sequence[str],
    settings: DeliverySettings,
) -> GateResult:
    if settings.method == "choose":
        return choose_method(
            reader_frames(reader),
            mask.window,
            info.num_frames,
            mini_model,
            request,
            preferred,
            settings.gate,
            settings.seed,
        )
    if settings.method not in preferred:
        raise ConfigError("no such method", found=settings.method, expected=["choose", *preferred])
    return GateResult({}, settings.method, 0, "the method was named by the user")


def _account(
    frame: RestoredFrame, result: Frames, scratch: Path, stem: str, first_frame: int, timecodes: _Timecodes
) -> FrameAccount:
    altered = changed_pixels(result, frame.plate)
    number = first_frame + frame.number
    path = scratch / "matte" / f"{stem}.{number:07d}.png"
    path.write_bytes(cv2.imencode(".png", altered.astype(np.uint8) * 255)[1].tobytes())
    return FrameAccount(
        frame=number,
        timecode=timecodes.at(number),
        mask_pixels=int((frame.mask > 0).sum()),
        altered_pixels=int(altered.sum()),
        untouched_violations=int((altered & ~(frame.mask > 0)).sum()),
    )


def _verify_untouched(
    scratch: Path,
    reader: FrameReader,
    mask: MaskSource,
    frame_format: FrameFormat,
    first_frame: int,
    accounts: Sequence[FrameAccount],
) -> list[FrameAccount]:
    """Read every delivered frame back from disk and compare it with a fresh decode of the plate."""
    encode = encode_png16 if frame_format == "png16" else encode_exr
    checked = []
    with closing(open_reader(scratch / "frames")) as delivered:
        for account in accounts:
            index = account.frame - first_frame
            plate = encode(reader.window(index, index + 1))[0]
            found = delivered.window(index, index + 1)[0]
            outside = mask.window(index, index + 1)[0] == 0
            # Compared in the type that the reader gives, which holds every value of both.
            violations = int(changed_pixels(found, plate.astype(found.dtype))[outside].sum())
            if violations:
                raise IntegrityError(
                    f"frame {account.frame} changed outside its mask; nothing was delivered",
                    found=f"{violations} pixels",
                    expected="0 pixels",
                )
            checked.append(account.model_copy(update={"untouched_violations": violations}))
    return checked


def _write_measures(
    scratch: Path,
    stem: str,
    info: MediaInfo,
    first_frame: int,
    gate: GateResult,
    meter: ShotMeter,
    pictures: dict[str, str],
) -> None:
    values, curves = meter.compute()
    comments = [gate.note] if gate.note else []
    if any(score is not None for score in gate.scores.values()):
        tried = ", ".join(f"{m} {s:.2f} dB" for m, s in gate.scores.items() if s is not None)
        comments.append(f"chosen on {gate.num_pixels} held-out pixels of this shot: {tried}")
    shot = ShotMeasures(
        name=stem,
        role="delivery",
        num_frames=info.num_frames,
        first_frame=first_frame,
        rate=str(info.rate),
        start_timecode=info.start_timecode,
        chosen_method=gate.chosen,
        values=values,
        curves=curves,
        worst_frames=[first_frame + n for n in worst_frames(curves[gate.chosen])],
        pictures=pictures,
        comments=comments,
    )
    Measures(metrics=METRICS, shots=[shot], notes=meter.notes()).write(scratch / "measures.json")


def _write_manifest(
    scratch: Path,
    stem: str,
    info: MediaInfo,
    shot_path: Path,
    mask_path: Path,
    source: DeliverySource,
    settings: DeliverySettings,
    gate: GateResult,
    accounts: list[FrameAccount],
) -> DeliveryManifest:
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
        shot=stem,
        method=gate.chosen,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        rate=str(info.rate),
        width=info.width,
        height=info.height,
        num_frames=info.num_frames,
        first_frame=settings.first_frame or 0,
        start_timecode=info.start_timecode,
        frame_format=settings.frame_format,
        encoding=f"{info.colour.transfer}, as decoded from {info.codec} ({info.bits} bit, {info.colour.matrix} matrix "
        f"{info.colour.source}); no colour conversion",
        sources=[
            SourceFile(path=str(shot_path), role="plate", sha256=sha256_of_path(shot_path)),
            SourceFile(path=str(mask_path), role="mask", sha256=sha256_of_path(mask_path)),
            SourceFile(path=str(source.archive_path), role="mini-model", sha256=source.archive_sha256),
        ],
        config_sha256=source.config_sha256,
        seed=settings.seed,
        versions=dict(source.versions),
        training_takes=list(source.training_takes),
        gate={f"psnr_hole/{method}": score for method, score in gate.scores.items()},
        frames=accounts,
        files=files,
        notes=[gate.note] if gate.note else [],
    )
    (scratch / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=1))
    return manifest


class _Timecodes:
    def __init__(self, info: MediaInfo, first_frame: int) -> None:
        self._rate: Fraction = info.rate
        self._first = first_frame
        self._start = None if info.start_timecode is None else timecode_to_frame(info.start_timecode, info.rate)
        self._drop = info.start_timecode is not None and is_drop_frame(info.start_timecode)

    def at(self, frame: int) -> str | None:
        if self._start is None:
            return None
        return frame_to_timecode(self._start + frame - self._first, self._rate, self._drop)


def _first_number(reader: FrameReader, wanted: int | None) -> int:
    if wanted is not None:
        if wanted < 0:
            raise ConfigError("frame numbers begin at zero or above", found=wanted, expected="0 or more, or null")
        return wanted
    return reader.first_frame_number if isinstance(reader, SequenceReader) else 0


def _as_stored(result: Frames, info: MediaInfo) -> Frames:
    """A plate of halves stays one: what was restored is rounded to halves, so that all files are of one type."""
    return result.astype(np.float16).astype(np.float32) if info.pixel_format == "half" else result


def _grey(mask: NDArray[np.float32]) -> Frames:
    return np.repeat(np.rint(mask * 255.0).astype(np.uint8)[..., None], 3, axis=-1)


def _check_format(info: MediaInfo, frame_format: str) -> None:
    if frame_format not in ("png16", "exr"):
        raise ConfigError("no such frame format", found=frame_format, expected="png16 or exr")
    if frame_format == "png16" and (info.bits > 16 or info.pixel_format == "half"):
        raise MediaError(
            f"{info.path} does not fit into 16-bit PNG without loss",
            found=f"{info.bits}-bit {info.pixel_format} {info.codec}",
            expected="integer codes of at most 16 bits a channel",
            remedy="deliver as EXR: delivery.frame_format=exr",
        )
