"""Proxies: small copies of takes in which every frame stands alone, so that a random window costs one seek."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from tqdm import tqdm

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.engines import Engine
from interpositive.dailies.opening import digests_of, open_take, proxy_digests_of
from interpositive.dailies.selection import SelectedTakes
from interpositive.dailies.take import Take
from interpositive.errors import ColourError, ConfigError, IntegrityError, MediaError
from interpositive.media.colour_management import GRADING_SPACE
from interpositive.media.contract import Frames
from interpositive.media.encodings import find_encoding
from interpositive.media.media_file import check_file
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.plate_colour import PlateColour
from interpositive.media.probing import probe_media
from interpositive.records.digests import sha256_of_value
from interpositive.records.take_digests import TakeDigests, digest_file

PROXY_FOLDER = "proxies"
_FRAMES_AT_A_TIME = 8
_SECONDS_A_FRAME = 5.0
_SLOWEST_DISK = 10e6
_FLOAT_FORMATS = ("half", "float")


@dataclass(frozen=True)
class ProxyKind:
    """How a take is copied: codec and pixel format, and the encoding that its light is put into; empty: its own."""

    codec: str
    pixel_format: str
    encoding: str = ""


def proxy_kind(encoding: str, pixel_format: str, bits: int) -> ProxyKind:
    """The smallest kind of proxy that keeps what training needs of a take like this; all are 4:4:4.

    Codes of 8 bits stay 8 bits (Motion JPEG, which decord reads); deeper ones become
    ProRes 4444, 10 bits. Linear light, in integers or floats, has steps too coarse for that in
    the dark and goes beyond white: it is put into ACEScct first. ``ColourError`` for
    floating-point frames whose encoding nobody has said.
    """
    if encoding and find_encoding(encoding).kind == "linear":
        return ProxyKind("prores", "yuv444p10le", GRADING_SPACE)
    if pixel_format in _FLOAT_FORMATS:
        if not encoding:
            raise ColourError(
                "floating-point light has no proxy while its colour encoding is not known: it would be cut off at 1",
                remedy="name it in the production's encodings and ingest again; until then the original is read",
            )
        return ProxyKind("prores", "yuv444p10le", GRADING_SPACE)
    return ProxyKind("mjpeg", "yuvj444p") if bits <= 8 else ProxyKind("prores", "yuv444p10le")


@dataclass(frozen=True)
class _ProxyJob:
    """All that a worker needs, so that none but us opens the catalogue."""

    take: Take
    kind: ProxyKind
    digests: TakeDigests | None
    proxy_path: Path
    width: int
    height: int


@dataclass(frozen=True)
class _MadeProxy:
    """A proxy that was made before, and what it is checked by."""

    name: str
    path: Path
    digests: TakeDigests


def make_proxies(
    catalogue: Catalogue, height: int, engine: Engine, progress: bool, check_made: bool = False
) -> dict[str, str]:
    """Make the proxies that are missing, beside the catalogue; gives the reasons for those that failed.

    ``height`` in lines, even. A take that is taller gets a proxy of that height; one that is
    not, but whose frames lean on each other, gets one of its own height. A proxy
    appears under its name only when it is whole and has as many frames as its take, so
    that what a killed ingest left out is made by the next. The catalogue keeps the digests by which
    it is checked whenever it is read; with ``check_made`` all that are there are
    checked now, and those that are not as they were made are made anew.
    """
    if height < 16 or height % 2:
        raise ConfigError("a proxy height must be even and at least 16 lines", found=height)
    folder = catalogue.path.parent / PROXY_FOLDER
    folder.mkdir(exist_ok=True)
    # The catalogue's lock is ours, so what a killed ingest left half-made is nobody else's work.
    for leftover in folder.glob(".*.part.mov"):
        leftover.unlink()
    if check_made:
        _remove_wrong(catalogue.takes(), engine)
    takes = _without_proxy(catalogue.takes(), folder, height)
    failures: dict[str, str] = {}
    total = sum(num_frames for (num_frames,) in takes.columns("num_frames"))
    with tqdm(total=total, unit=" frames", desc="proxies", file=sys.stderr, disable=not progress) as bar:
        for outcome in engine.run(_make_proxy, _jobs(takes, folder, height, failures), _patience):
            take = outcome.job.take
            if outcome.result is None:
                failures[take.name] = outcome.reason
            else:
                catalogue.set_proxy(take.name, outcome.job.proxy_path, outcome.result, outcome.job.kind.encoding)
            bar.update(take.num_frames)
    return failures


def _without_proxy(takes: SelectedTakes, folder: Path, height: int) -> SelectedTakes:
    made = set(map(str, folder.iterdir()))
    columns = takes.columns(
        *("proxy_path", "height", "intra_only", "sha256", "layer", "rate", "encoding", "pixel_format", "bits")
    )
    lacking = []
    for position, (proxy_path, lines, intra_only, *rest) in enumerate(columns):
        seen, looks = rest[:3], rest[3:]
        if lines <= height and intra_only:
            continue
        try:
            ending = _ending(seen, looks[0], proxy_kind(*looks), min(height, lines))
        except ColourError:
            ending = "none can be made"
        if proxy_path not in made or not proxy_path.endswith(ending):
            lacking.append(position)
    return takes.pick(lacking)


def _ending(seen: Sequence[str], encoding: str, kind: ProxyKind, height: int) -> str:
    # All that a proxy depends on is in its name: a take that changed can never be given its old one.
    made_from = sha256_of_value([*seen, kind.codec, kind.pixel_format, kind.encoding and encoding])
    return f"_{made_from[:12]}_{height}p.mov"


def proxy_lines(proxy_path: str) -> int:
    """The height of a proxy, which its name says."""
    return int(proxy_path.rsplit("_", 1)[1].removesuffix("p.mov"))


def _jobs(takes: SelectedTakes, folder: Path, height: int, failures: dict[str, str]) -> Iterator[_ProxyJob]:
    for take in takes:
        if not Path(take.path).exists():
            continue
        try:
            kind = proxy_kind(take.encoding, take.pixel_format, take.bits)
        except ColourError as error:
            failures[take.name] = error.what
            continue
        lines = min(height, take.height)
        width = take.width if lines == take.height else max(2, round(take.width * lines / take.height / 2) * 2)
        path = folder / f"{take.name}{_ending([take.sha256, take.layer, take.rate], take.encoding, kind, lines)}"
        yield _ProxyJob(take, kind, digests_of(take), path, width, lines)


def _patience(job: _ProxyJob) -> float:
    return 60 + job.take.num_frames * _SECONDS_A_FRAME


def _remove_wrong(takes: SelectedTakes, engine: Engine) -> None:
    """Delete proxies that are not as they were made."""
    made = (
        _MadeProxy(take.name, Path(take.proxy_path), digests)
        for take in takes
        if take.proxy_path and Path(take.proxy_path).is_file() and (digests := proxy_digests_of(take)) is not None
    )
    for outcome in engine.run(_is_wrong, made, lambda job: 60 + job.digests.files[0].num_bytes / _SLOWEST_DISK):
        if outcome.result is None:
            raise MediaError(
                f"the proxy of {outcome.job.name} cannot be checked", found=outcome.reason,
                remedy=f"look after the disk, or delete {outcome.job.path} and run the same ingest again",
            )  # fmt: skip
        if outcome.result:
            outcome.job.path.unlink()


def _is_wrong(job: _MadeProxy) -> bool:
    try:
        check_file(job.path, job.digests.files[0])
    except IntegrityError:
        return True
    return False


def _make_proxy(job: _ProxyJob) -> TakeDigests:
    scratch = job.proxy_path.with_name(f".{job.proxy_path.stem}.part.mov")
    try:
        if not job.proxy_path.exists():
            _write_proxy(job, scratch)
            num_frames = probe_media(scratch).num_frames
            if num_frames != job.take.num_frames:
                raise MediaError("the proxy lost frames", found=f"{num_frames}", expected=f"{job.take.num_frames}")
            with scratch.open("rb") as stream:
                os.fsync(stream.fileno())
            scratch.replace(job.proxy_path)
    finally:
        scratch.unlink(missing_ok=True)
    # The name keeps apart the lists of two takes whose proxies are the same bytes.
    return TakeDigests(files=(digest_file(job.proxy_path, job.proxy_path.name),))


def _write_proxy(job: _ProxyJob, scratch: Path) -> None:
    take, kind = job.take, job.kind
    writer = MovieWriter(
        scratch,
        Fraction(take.rate),
        job.width,
        job.height,
        codec=kind.codec,
        pixel_format=kind.pixel_format,
        start_timecode=take.start_timecode,
        reel=take.reel,
        primaries="unknown" if kind.encoding else take.primaries,
        transfer="unknown" if kind.encoding else take.transfer,
    )
    with closing(open_take(take, job.digests)) as reader, writer:
        for start in range(0, len(reader), _FRAMES_AT_A_TIME):
            frames = reader.window(start, min(start + _FRAMES_AT_A_TIME, len(reader)))
            writer.write(_codes(resize_frames(frames, job.height, job.width), take, kind))


def _codes(frames: Frames, take: Take, kind: ProxyKind) -> Frames:
    """Frames as integer codes of the proxy; light below and beyond its encoding's codes is cut off."""
    if not kind.encoding:
        return frames
    values = PlateColour(take.encoding, kind.encoding).to_values(frames)
    return np.rint(values.clip(0, 1) * np.float32(65535)).astype(np.uint16)


def resize_frames(frames: Frames, height: int, width: int) -> Frames:
    """Resize frames ``t h w c`` by area when they shrink, linearly when they grow."""
    if frames.shape[1:3] == (height, width):
        return frames
    shrinks = height <= frames.shape[1] and width <= frames.shape[2]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = [cv2.resize(frame, (width, height), interpolation=method) for frame in frames]
    return cast(Frames, np.stack(resized))
