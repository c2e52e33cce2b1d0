"""Proxies: small intra-frame copies of tall takes, so that training reads quickly at random."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.engines import Engine
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.errors import ConfigError, MediaError
from interpositive.media.contract import Frames
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.probing import probe_media

PROXY_FOLDER = "proxies"
_FRAMES_AT_A_TIME = 8
_SECONDS_A_FRAME = 5.0


@dataclass(frozen=True)
class _ProxyJob:
    take: Take
    proxy_path: Path
    width: int
    height: int


def make_proxies(catalogue: Catalogue, height: int, engine: Engine, progress: bool) -> dict[str, str]:
    """Make the proxies that are missing, beside the catalogue; gives the reasons for those that failed.

    ``height`` in lines, even; takes that are no taller need none. A proxy
    appears under its name only when it is whole and has as many frames as its take.
    """
    if height < 16 or height % 2:
        raise ConfigError("a proxy height must be even and at least 16 lines", found=height)
    folder = catalogue.path.parent / PROXY_FOLDER
    folder.mkdir(exist_ok=True)
    # The catalogue's lock is ours, so what a killed ingest left half-made is nobody else's work.
    for leftover in folder.glob(".*.part.mov"):
        leftover.unlink()
    jobs = [job for take in catalogue.takes() if (job := _job(take, folder, height)) is not None]

    def patience(job: _ProxyJob) -> float:
        return 60 + job.take.num_frames * _SECONDS_A_FRAME

    failures: dict[str, str] = {}
    total = sum(job.take.num_frames for job in jobs)
    with tqdm(total=total, unit=" frames", desc="proxies", file=sys.stderr, disable=not progress) as bar:
        for outcome in engine.run(_make_proxy, jobs, patience):
            if outcome.result is None:
                failures[outcome.job.take.name] = outcome.reason
            else:
                catalogue.set_proxy(outcome.job.take.name, outcome.result)
            bar.update(outcome.job.take.num_frames)
    return failures


def _job(take: Take, folder: Path, height: int) -> _ProxyJob | None:
    if take.height <= height or not Path(take.path).exists():
        return None
    # The digest in the name: a take whose content changed can never be given its old proxy.
    ending = f"_{take.sha256[:12]}_{height}p.mov"
    if take.proxy_path is not None and take.proxy_path.endswith(ending) and Path(take.proxy_path).exists():
        return None
    width = max(2, round(take.width * height / take.height / 2) * 2)
    return _ProxyJob(take, folder / f"{take.name}{ending}", width, height)


def _make_proxy(job: _ProxyJob) -> str:
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
    return str(job.proxy_path)


def _write_proxy(job: _ProxyJob, scratch: Path) -> None:
    reader = open_take(job.take)
    rate = Fraction(job.take.rate)
    timecode = job.take.start_timecode
    try:
        with MovieWriter(scratch, rate, job.width, job.height, codec="h264_intra", start_timecode=timecode) as writer:
            for start in range(0, len(reader), _FRAMES_AT_A_TIME):
                frames = reader.window(start, min(start + _FRAMES_AT_A_TIME, len(reader)))
                writer.write(resize_frames(_as_8_bit(frames), job.height, job.width))
    finally:
        reader.close()


def _as_8_bit(frames: Frames) -> NDArray[np.uint8]:
    if frames.dtype == np.uint8:
        return cast("NDArray[np.uint8]", frames)
    if frames.dtype == np.uint16:
        return ((frames.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    raise MediaError("float frames have no 8-bit proxy: their light values would be cut off")


def resize_frames(frames: Frames, height: int, width: int) -> Frames:
    """Resize frames ``t h w c`` by area when they shrink, linearly when they grow."""
    if frames.shape[1:3] == (height, width):
        return frames
    shrinks = height <= frames.shape[1] and width <= frames.shape[2]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = [cv2.resize(frame, (width, height), interpolation=method) for frame in frames]
    return cast(Frames, np.stack(resized))
