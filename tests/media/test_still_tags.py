"""Delivered headers say timecode, reel, rate, number and colour in their formats' own fields, to any reader."""

from __future__ import annotations

import random
import struct
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenImageIO as oiio
import pytest

from interpositive.errors import MediaError
from interpositive.media.contract import ColourTags, MediaInfo, Window
from interpositive.media.sequence_reader import SequenceReader
from interpositive.media.sequence_writer import FRAME_FORMATS, SequenceWriter
from interpositive.media.still_colour import CHROMATICITIES
from interpositive.media.still_headers import read_header
from interpositive.media.still_tags import FrameFormat, FrameTags

NTSC = Fraction(30000, 1001)
REELS = ["A001C002_210911_R3VJ", "", "Z" * 300, "Rolle-Ä 7, Büchse 2"]


def _write(folder: Path, format: FrameFormat, tags: FrameTags, rate: Fraction = NTSC, **settings: Any) -> list[Path]:
    given: dict[str, Any] = {"first_frame": 1001, "start_timecode": "01:02:59;29", "bits": 10} | settings
    frames = np.zeros((3, 8, 12, 3), np.float32 if format == "exr" else np.uint16)
    return SequenceWriter(folder, "shot", format=format, rate=rate, tags=tags, **given).write(frames)


@pytest.mark.parametrize("reel", REELS)
@pytest.mark.parametrize("format", FRAME_FORMATS)
def test_what_is_written_is_read_back_whole(tmp_path: Path, format: FrameFormat, reel: str) -> None:
    tags = FrameTags(reel or None, "bt709", "linear", "linear_rec709", pixel_aspect=2.0)
    _write(tmp_path, format, tags)
    reader = SequenceReader(tmp_path)
    reader.check_headers()
    info = reader.info
    assert (info.start_timecode, info.rate, info.reel) == ("01:02:59;29", NTSC, reel or None)
    assert (info.colour.primaries, info.colour.transfer, info.encoding) == ("bt709", "linear", "linear_rec709")
    assert info.pixel_aspect == 2.0 and reader.first_frame_number == 1001


@pytest.mark.parametrize("format", FRAME_FORMATS)
@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(60000, 1001)])
def test_rates_are_exact_and_nothing_is_said_that_is_not_known(
    tmp_path: Path, format: FrameFormat, rate: Fraction
) -> None:
    _write(tmp_path, format, FrameTags(), rate, start_timecode=None)
    info = SequenceReader(tmp_path).info
    assert (info.rate, info.start_timecode, info.reel, info.encoding) == (rate, None, None, "")
    assert (info.colour.primaries, info.colour.transfer) == ("unknown", "unknown")


def test_the_same_frames_are_the_same_bytes_elsewhere_and_later(tmp_path: Path) -> None:
    written: dict[str, list[bytes]] = {}
    for name in ("first", "a_folder_of_another_name"):
        for format in FRAME_FORMATS:
            folder = tmp_path / name / format
            folder.mkdir(parents=True)
            written[f"{name} {format}"] = [path.read_bytes() for path in _write(folder, format, FrameTags("A001"))]
        # Headers count in seconds.
        time.sleep(1.1 if name == "first" else 0)
    for format in FRAME_FORMATS:
        assert written[f"first {format}"] == written[f"a_folder_of_another_name {format}"], format


@pytest.mark.parametrize("format", FRAME_FORMATS)
def test_a_rate_that_was_assumed_is_not_handed_on_as_known(tmp_path: Path, format: FrameFormat) -> None:
    _write(tmp_path, format, FrameTags(says_rate=False), Fraction(24), start_timecode=None)
    info = SequenceReader(tmp_path).info
    assert info.rate_assumed and "assumed" in info.notes[0]
    assert not FrameTags.of(info, "").says_rate


@pytest.mark.parametrize("format", FRAME_FORMATS)
@pytest.mark.parametrize(
    ("rate", "labels"),
    [
        (Fraction(24), ["23:59:59:22", "23:59:59:23", "00:00:00:00"]),
        (Fraction(50), ["10:00:00:48", "10:00:00:49", "10:00:01:00"]),
        (Fraction(60000, 1001), ["01:00:59;58", "01:00:59;59", "01:01:00;04"]),
    ],
    ids=["midnight", "50", "59.94"],
)
def test_every_frame_has_its_own_label(tmp_path: Path, format: FrameFormat, rate: Fraction, labels: list[str]) -> None:
    paths = _write(tmp_path, format, FrameTags(), rate, start_timecode=labels[0])
    assert [read_header(path).timecode for path in paths] == labels
    SequenceReader(tmp_path).check_headers()


@pytest.mark.parametrize("format", ["dpx10", "dpx12", "dpx16"])
def test_dpx_fields_lie_where_the_standard_has_them(tmp_path: Path, format: FrameFormat) -> None:
    _, second, _ = _write(tmp_path, format, FrameTags("A001C002_210911_R3VJ", "bt709", "printing-density"))
    header = second.read_bytes()[:2048]
    assert header[:4] == b"SDPX"
    # SMPTE ST 268: transfer and colorimetric of the first element, bits, input device, then the film header's
    # position and rate, and the television header's timecode and rate.
    assert header[801:804] == bytes([1, 6, int(format[3:])])
    assert header[1556:1588].rstrip(b"\0") == b"A001C002_210911_R3VJ"
    assert struct.unpack(">I", header[1712:1716]) == (1002,)
    assert struct.unpack(">f", header[1724:1728])[0] == pytest.approx(29.97003)
    assert header[1920:1924].hex() == "01030042", "01:03:00;02: drop-frame sets bit 6 of the frames"
    assert struct.unpack(">f", header[1940:1944])[0] == pytest.approx(29.97003)


def test_a_reel_that_does_not_fit_into_the_dpx_field_is_not_cut_into_another(tmp_path: Path) -> None:
    path = _write(tmp_path, "dpx10", FrameTags("Z" * 32))[0]
    assert set(path.read_bytes()[1556:1588]) <= {0, 0xFF}


def _exr_attributes(path: Path) -> dict[str, bytes]:
    content, at = path.read_bytes(), 8
    attributes = {}
    while content[at]:
        name, kind = content[at : at + 600].split(b"\0")[:2]
        at += len(name) + len(kind) + 2
        (size,) = struct.unpack("<i", content[at : at + 4])
        attributes[f"{name.decode()}:{kind.decode()}"] = content[at + 4 : at + 4 + size]
        at += 4 + size
    return attributes


def test_exr_attributes_are_the_standard_ones(tmp_path: Path) -> None:
    display = Window(5, 7, 12, 8)
    _, second, _ = _write(tmp_path, "exr", FrameTags("A" * 70, "ap1", "linear"), display_window=display)
    found = _exr_attributes(second)
    assert struct.unpack("<iI", found["framesPerSecond:rational"]) == (30000, 1001)
    assert struct.unpack("<II", found["timeCode:timecode"]) == (0x01030042, 0)
    assert found["reelName:string"] == b"A" * 70
    assert struct.unpack("<i", found["imageCounter:int"]) == (1002,)
    assert struct.unpack("<8f", found["chromaticities:chromaticities"]) == pytest.approx(CHROMATICITIES["ap1"])
    assert struct.unpack("<4i", found["displayWindow:box2i"]) == (5, 7, 16, 14)


def test_chromaticities_without_a_name_are_kept(tmp_path: Path) -> None:
    odd = (0.7, 0.3, 0.2, 0.8, 0.1, 0.0, 0.31, 0.33)
    _write(tmp_path, "exr", FrameTags(chromaticities=odd))
    assert SequenceReader(tmp_path).info.chromaticities == pytest.approx(odd)


@pytest.mark.parametrize("format", FRAME_FORMATS)
def test_another_programs_reader_finds_the_same(tmp_path: Path, format: FrameFormat) -> None:
    path = _write(tmp_path, format, FrameTags("A001C002", "bt709", "bt709"))[0]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = stream.codec_context.framerate
        frame = next(container.decode(video=0))
    said = frame.metadata
    if format == "exr":
        assert (rate, said["reelName"]) == (NTSC, "A001C002")
    elif format.startswith("dpx"):
        assert float(rate) == pytest.approx(29.97)
        assert (said["timecode"], said["Input Device"]) == ("01:02:59;29", "A001C002")
        assert (frame.color_trc, frame.color_primaries) == (1, 1)
    elif format == "png16":
        assert (said["smpte:TimeCode"], said["reelName"]) == ("01:02:59;29", "A001C002")
        assert (frame.color_trc, frame.color_primaries) == (1, 1)
    else:
        assert said["document_name"] == "A001C002" and '"timecode": "01:02:59;29"' in said["description"]


@pytest.mark.parametrize(
    ("said", "encoding", "named", "expected"),
    [
        ("bt709", "rec709_display", None, ("bt709", "bt709", "rec709_display")),
        # A camera that tags its log as BT.709, and one whose log the production names.
        ("bt709", "", None, ("unknown", "unknown", "")),
        ("bt709", "rec709_display", "arri_logc3", ("unknown", "unknown", "arri_logc3")),
        ("smpte170m", "", None, ("smpte170m", "smpte170m", "")),
    ],
)
@pytest.mark.parametrize("format", FRAME_FORMATS)
def test_tags_that_lie_about_the_plate_are_not_handed_on(
    tmp_path: Path, format: FrameFormat, said: str, encoding: str, named: str | None, expected: tuple[str, str, str]
) -> None:
    colour = ColourTags("bt709", "limited", said, said, "tagged")
    info = MediaInfo(tmp_path, "movie", 3, NTSC, 12, 8, "h264", "yuv420p", 8, colour, encoding=encoding)
    _write(tmp_path, format, FrameTags.of(info, encoding if named is None else named))
    found = SequenceReader(tmp_path).info
    primaries, transfer, found_encoding = expected
    assert (found.colour.primaries, found.colour.transfer) == (primaries, transfer)
    assert found.encoding == found_encoding


def _ramp(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Every code of a depth, and the same over the full 16-bit scale, as frames."""
    top = (1 << bits) - 1
    codes = np.arange(top + 1, dtype=np.int64).reshape(1, -1, 32, 1).repeat(3, axis=3)
    return codes, np.rint(codes / top * 65535).astype(np.uint16)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_every_code_of_a_dpx_goes_through_floats_and_out_again(tmp_path: Path, bits: int) -> None:
    codes, full_scale = _ramp(bits)
    format: Any = f"dpx{bits}"
    plate, delivered = tmp_path / "plate", tmp_path / "delivered"
    for folder, frames in ((plate, full_scale), (delivered, None)):
        folder.mkdir()
        if frames is None:
            values = SequenceReader(plate).window(0, 1).astype(np.float32) / np.float32(65535)
            frames = np.rint(values * np.float32(65535)).astype(np.uint16)
        SequenceWriter(folder, "a", format=format, first_frame=1, rate=NTSC, start_timecode=None, bits=bits).write(
            frames
        )
    first, second = ((folder / "a.0000001.dpx").read_bytes() for folder in (plate, delivered))
    (start,) = struct.unpack(">I", first[4:8])
    assert first[start:] == second[start:]
    with av.open(str(delivered / "a.0000001.dpx")) as container:
        frame = next(container.decode(video=0))
    stored = frame.to_ndarray(format="rgb48be" if bits == 16 else f"gbrp{bits}le")
    assert np.array_equal(stored, codes[0])


@pytest.mark.parametrize(
    "stored", [Window(5, 7, 12, 8), Window(8, 9, 3, 2), Window(16, 14, 1, 1)], ids=["all", "part", "corner"]
)
def test_an_exr_stores_its_data_window_only(tmp_path: Path, stored: Window) -> None:
    display = Window(5, 7, 12, 8)
    frames = np.zeros((1, 8, 12, 3), np.float32)
    rows, columns = stored.within(display)
    frames[0, rows, columns] = np.float16(0.7)
    writer = SequenceWriter(
        tmp_path, "a", format="exr", first_frame=1, rate=NTSC, start_timecode=None, bits=16, display_window=display
    )
    (path,) = writer.write(frames, stored)
    opened = oiio.ImageInput.open(str(path))
    spec = opened.spec()
    opened.close()
    assert (spec.x, spec.y, spec.width, spec.height) == stored
    reader = SequenceReader(tmp_path)
    assert reader.data_window(0) == stored and reader.info.display_window == display
    assert np.array_equal(reader.window(0, 1), frames)


@pytest.mark.parametrize("format", FRAME_FORMATS)
def test_flipped_bits_end_as_a_picture_or_in_words(tmp_path: Path, format: FrameFormat) -> None:
    """Whether pixels changed is for digests to tell; no damage may end in anything but a MediaError."""
    (path, *others) = _write(tmp_path, format, FrameTags("A001C002", "bt709", "bt709", "rec709_display"))
    for other in others:
        other.unlink()
    whole = path.read_bytes()
    chance = random.Random(7)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 4, 16))):
            damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            reader = SequenceReader(tmp_path)
            reader.check_headers()
            assert reader.window(0, 1).shape[0] == 1
        except MediaError:
            refused += 1
    assert refused > 0
