"""Proxies: what they keep of every kind of take, and which takes need one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import OpenImageIO as oiio
import pytest
from footage import make_movie
from numpy.typing import NDArray

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.footage_rules import FootageRules
from interpositive.dailies.ingest import ingest
from interpositive.dailies.report import IngestReport
from interpositive.dailies.take import Take
from interpositive.dailies.windows import TakeWindows
from interpositive.errors import IntegrityError
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.probing import Check, probe_media
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.media.still_tags import FrameTags

RATE = Fraction(24)


def bring_in(folder: Path, lines: int, check: Check = "ends", **named: str) -> tuple[IngestReport, dict[str, Take]]:
    rules = FootageRules(named)
    path = folder / "workspace" / "c.sqlite"
    report = ingest(
        folder / "dailies", path, footage_rules=rules, num_workers=0, proxy_height=lines, check=check, progress=False
    )
    with Catalogue(path) as catalogue:
        return report, {take.name: take for take in catalogue.takes()}


def ramp(num_frames: int, height: int, width: int) -> NDArray[np.float32]:
    """Soft light from left to right, brighter in every frame, with a hue."""
    across = np.linspace(0.1, 0.8, width, dtype=np.float32)
    frames = across[None, None, :, None] + np.linspace(0, 0.1, num_frames, dtype=np.float32)[:, None, None, None]
    return np.ascontiguousarray(np.broadcast_to(frames, (num_frames, height, width, 3))) * np.float32([1, 0.9, 0.8])


def write_deep(path: Path, codec: str, **more: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with MovieWriter(path, RATE, 128, 64, codec=codec, **more) as writer:  # type: ignore[arg-type]
        writer.write((ramp(6, 64, 128) * 65535).astype(np.uint16))
    return path


def write_light(folder: Path, frames: NDArray[np.float32]) -> None:
    """Half-float EXR frames that say nothing of their colours."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, 1001):
        spec = oiio.ImageSpec(frame.shape[1], frame.shape[0], 3, "half")
        buffer = oiio.ImageBuf(spec)
        buffer.set_pixels(oiio.ROI(), np.ascontiguousarray(frame))
        assert buffer.write(str(folder / f"plate.{number}.exr"))


def test_takes_that_are_taller_or_lean_on_other_frames_get_one(tmp_path: Path) -> None:
    dailies = tmp_path / "dailies"
    make_movie(dailies / "tall.mov", height=96, width=128)
    make_movie(dailies / "small.mov", height=32, width=48)
    write_deep(dailies / "leaning.mp4", "h264", pixel_format="yuv420p")
    _, takes = bring_in(tmp_path, 64)
    assert takes["small"].proxy_path is None
    assert [(probe_media(Path(takes[name].proxy_path or "")).height) for name in ("tall", "leaning")] == [64, 64]
    assert not takes["leaning"].intra_only and probe_media(Path(takes["leaning"].proxy_path or "")).intra_only


@pytest.mark.parametrize(("codec", "more"), [("prores", {}), ("h264", {"pixel_format": "yuv422p10le"})])
def test_ten_bits_stay_ten_bits(tmp_path: Path, codec: str, more: dict[str, str]) -> None:
    tags = {"reel": "A001C002_221014", "start_timecode": "10:11:12:13", "primaries": "bt2020", "transfer": "bt2020-10"}
    write_deep(tmp_path / "dailies" / "log.mov", codec, **more, **tags)
    _, takes = bring_in(tmp_path, 32)
    take = takes["log"]
    proxy = probe_media(Path(take.proxy_path or ""))
    assert proxy.bits >= 10 and (proxy.height, proxy.intra_only, proxy.num_frames) == (32, True, 6)
    assert (proxy.reel, proxy.start_timecode) == ("A001C002_221014", "10:11:12:13")
    assert (proxy.colour.primaries, proxy.colour.transfer) == ("bt2020", "bt2020-10")
    window = TakeWindows([take], 6, size=(32, 64))
    frames = window[0]["frames"]
    assert window._path(take) == take.proxy_path
    expected = TakeWindows([take.model_copy(update={"proxy_path": None})], 6, size=(32, 64))[0]["frames"]
    assert (frames - expected).abs().mean() < 1.5 / 1023
    # Codes between those of 8 bits show that no depth was lost.
    assert len((frames * 255 % 1 * 16).round().unique()) > 12


def test_linear_light_keeps_its_highlights_and_its_dark(tmp_path: Path) -> None:
    light = np.exp2(np.linspace(-8, 6, 128, dtype=np.float32))
    frames = np.ascontiguousarray(np.broadcast_to(light[None, None, :, None], (3, 64, 128, 3)))
    write_light(tmp_path / "dailies" / "plate", frames)
    report, takes = bring_in(tmp_path, 32, plate="acescg")
    assert report.proxy_failures == {} and takes["plate"].proxy_encoding == "acescct"
    for encoding in ("native", "acescct"):
        through, original = (
            TakeWindows([take], 3, size=(32, 64), encoding=encoding)[0]["frames"]
            for take in (takes["plate"], takes["plate"].model_copy(update={"proxy_path": None, "proxy_encoding": ""}))
        )
        if encoding == "native":
            assert original.max() > 50 and ((through - original).abs() / original).median() < 0.02
        else:
            assert (through - original).abs().mean() < 4 / 1023
    _, again = bring_in(tmp_path, 32, plate="linear_rec709")
    assert again["plate"].proxy_path != takes["plate"].proxy_path, "other light under the same codes is another proxy"


def test_light_of_no_known_encoding_is_read_from_the_original(tmp_path: Path) -> None:
    write_light(tmp_path / "dailies" / "plate", ramp(3, 64, 128) * 4)
    report, takes = bring_in(tmp_path, 32)
    assert "encoding is not known" in report.proxy_failures["plate"] and takes["plate"].proxy_path is None
    assert TakeWindows(list(takes.values()), 2, size=(32, 64))[0]["frames"].max() > 2


def test_a_film_scan_gets_one_though_no_movie_can_say_its_density(tmp_path: Path) -> None:
    scan = tmp_path / "dailies" / "scan"
    scan.mkdir(parents=True)
    tags = FrameTags(transfer="printing-density")
    with SequenceWriter(
        scan, "scan", format="dpx10", first_frame=1, rate=RATE, start_timecode=None, bits=10, tags=tags
    ) as writer:
        writer.write((ramp(3, 64, 128) * 65535).astype(np.uint16))
    report, takes = bring_in(tmp_path, 32)
    assert report.proxy_failures == {} and takes["scan"].transfer == "printing-density"
    proxy = probe_media(Path(str(takes["scan"].proxy_path)))
    assert proxy.bits > 8 and proxy.colour.transfer == "unknown"


# What pyav has checked and still holds in memory stays right.
@pytest.mark.parametrize(("backend", "kept_open"), [("decord", True), ("decord", False), ("pyav", False)])
def test_a_flipped_bit_of_a_proxy_trains_nothing_and_ingest_makes_it_anew(
    tmp_path: Path, backend: Literal["decord", "pyav"], kept_open: bool
) -> None:
    make_movie(tmp_path / "dailies" / "tall.mov", height=96, width=128)
    _, takes = bring_in(tmp_path, 64)
    windows = TakeWindows(list(takes.values()), 2, size=(32, 48), backend=backend)
    expected = windows[0]["frames"]
    proxy = Path(takes["tall"].proxy_path or "")
    whole = proxy.read_bytes()
    # In the middle of the pictures, where Motion JPEG decodes to something else without a complaint.
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    proxy.write_bytes(flipped)
    if not kept_open:
        windows.close()
    with pytest.raises(IntegrityError, match=r"(?s)proxy of tall is not as ingest made it.*check=all"):
        windows[0]
    bring_in(tmp_path, 64, check="all")
    assert proxy.read_bytes() == whole
    assert windows[0]["frames"].equal(expected)


def test_the_digests_of_a_proxy_come_and_go_with_it(tmp_path: Path) -> None:
    make_movie(tmp_path / "dailies" / "tall.mov", height=96, width=128)
    catalogue_path = tmp_path / "workspace" / "c.sqlite"

    def roots() -> set[str]:
        with closing(sqlite3.connect(catalogue_path)) as connection:
            return {root for (root,) in connection.execute("SELECT root FROM read_digests")}

    for lines in (64, 48):
        _, takes = bring_in(tmp_path, lines)
        assert roots() == {takes["tall"].blake3, takes["tall"].proxy_blake3}
    (tmp_path / "dailies" / "tall.mov").rename(tmp_path / "dailies" / "moved.mov")
    _, takes = bring_in(tmp_path, 48)
    assert roots() == {takes["moved"].blake3, takes["moved"].proxy_blake3}
    (tmp_path / "dailies" / "moved.mov").unlink()
    make_movie(tmp_path / "dailies" / "moved.mov", height=32, width=48)
    _, takes = bring_in(tmp_path, 48)
    assert roots() == {takes["moved"].blake3} and takes["moved"].proxy_blake3 == ""
