"""Damaged, mislabelled and hostile media: one reason each, and nothing but MediaError."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from burned_in import HEIGHT, WIDTH, numbered_frames, read_number, write_raw_movie
from PIL import Image

from interpositive.errors import MediaError
from interpositive.media import pyav_reader
from interpositive.media.frame_index import RecentIndexes
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.media.probing import probe_media
from interpositive.media.pyav_reader import PyAVReader

RATE = Fraction(24)


def _movie(path: Path, num_frames: int = 48, **settings: object) -> Path:
    codec = {".mkv": "ffv1"}.get(path.suffix, "h264")
    with MovieWriter(path, RATE, WIDTH, HEIGHT, **({"codec": codec, "gop": 12} | settings)) as writer:  # type: ignore[arg-type]
        writer.write(numbered_frames(0, num_frames))
    return path


def test_a_whole_movie_is_described(tmp_path: Path) -> None:
    info = probe_media(_movie(tmp_path / "a.mp4", start_timecode="01:00:00:00"))
    assert (info.kind, info.num_frames, info.rate, info.width, info.height) == (
        "movie",
        48,
        RATE,
        WIDTH,
        HEIGHT,
    )
    assert (info.codec, info.bits, info.variable_rate, info.intra_only) == ("h264", 8, False, False)
    assert info.start_timecode == "01:00:00:00"


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize("kept", [0.97, 0.6, 0.2])
def test_a_movie_cut_short_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = _movie(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(MediaError, match=r"cut short|cannot be decoded|damaged"):
        probe_media(path)


def test_a_streaming_movie_cut_short_is_refused(tmp_path: Path) -> None:
    # The index comes first, so only comparing it with the file shows that the end is missing.
    slow, path = _movie(tmp_path / "slow.mp4"), tmp_path / "fast.mp4"
    with av.open(str(slow)) as source, av.open(str(path), "w", options={"movflags": "+faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert probe_media(path).num_frames == 48
    os.truncate(path, int(path.stat().st_size * 0.9))
    with pytest.raises(MediaError, match=r"cut short|damaged"):
        probe_media(path)


def test_a_transport_stream_cut_inside_a_packet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    write_raw_movie(path, 48, options={"x264-params": "keyint=12:log=none", "qp": "4"})
    assert probe_media(path).num_frames == 48
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(MediaError):
        probe_media(path)


def test_a_damaged_lossless_movie_is_refused(tmp_path: Path) -> None:
    path = _movie(tmp_path / "a.mkv", 6)
    content = bytearray(path.read_bytes())
    content[int(len(content) * 0.5)] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(MediaError, match="checksum"):
        PyAVReader(path).window(0, 6)


def test_a_header_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 48000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match=r"no picture track"):
        probe_media(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.mp4", b"", "empty"),
        ("a.mov", b"version https://git-lfs.example/spec/v1\noid sha256:00\n", "not a movie"),
        ("a.mp4", b"\x00" * 4096, "not a movie"),
        ("a.mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "damaged"),
        ("a.mov", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mov\n", "not a movie"),
        ("a.mp4", b"ffconcat version 1.0\nfile other.mp4\n", "not a movie"),
        ("a.mkv", b"\x1a\x45\xdf\xa3" + b"\xff" * 300, "damaged|no picture"),
        ("a.ts", (b"\x47" + b"\x1f" * 187) * 20, "damaged|no picture"),
    ],
)
def test_what_is_no_movie_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError, match=reason):
        probe_media(path)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("a.mkv", "QuickTime/MP4 content under the extension .mkv"),
        ("a.mxf", "QuickTime/MP4 content under the extension .mxf"),
        ("a.png", "QuickTime/MP4 content under the extension .png"),
        ("a.mov", ""),
        ("A001C002", ""),
        ("a.R3D_proxy", ""),
    ],
)
def test_content_decides_and_a_false_extension_is_noted(tmp_path: Path, name: str, note: str) -> None:
    path = _movie(tmp_path / "a.mp4", 2).rename(tmp_path / name)
    info = probe_media(path)
    assert (info.num_frames, info.notes) == (2, (note,) if note else ())
    assert read_number(open_reader(path).window(1, 2)[0]) == 1


def test_a_single_picture_is_no_movie_whatever_its_name(tmp_path: Path) -> None:
    still = tmp_path / "shot.0001.png"
    Image.fromarray(numbered_frames(0, 1)[0]).save(still)
    for path in (still, Path(shutil.copy(still, tmp_path / "shot.mov"))):
        with pytest.raises(MediaError, match="one png picture"):
            probe_media(path)


def test_only_regular_files_that_are_there_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mov")
    with pytest.raises(MediaError, match="not a regular file"):
        probe_media(tmp_path / "pipe.mov")
    for name in ("absent.mov", "concat:a.mov|b.mov", "subfile,,start,0,end,9,,:a.mov"):
        with pytest.raises(MediaError):
            probe_media(tmp_path / name)
        with pytest.raises(MediaError):
            open_reader(Path(name))


def test_a_name_that_looks_like_a_protocol_is_a_name(tmp_path: Path) -> None:
    path = _movie(tmp_path / "a.mp4", 2).rename(tmp_path / "concat:a|b.mp4")
    assert probe_media(path).num_frames == 2


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_varying_rate_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    steps = np.cumsum([0, *([1, 1, 2, 1, 3] * 6)])
    write_raw_movie(path, len(steps), pts=[int(step) for step in steps], rate=Fraction(60))
    info = probe_media(path)
    assert info.variable_rate
    assert info.num_frames == len(steps)
    assert [read_number(frame) for frame in PyAVReader(path).window(0, len(steps))] == list(range(len(steps)))


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(50)]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_rates_are_exact_where_the_container_rounds(tmp_path: Path, name: str, rate: Fraction) -> None:
    path = tmp_path / name
    write_raw_movie(path, 60, rate=rate)
    info = probe_media(path)
    assert (info.rate, info.variable_rate) == (rate, False)


@pytest.mark.parametrize("name", ["stereo.mov", "stereo.mkv"])
def test_of_several_picture_tracks_the_first_is_read_and_that_is_said(tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / name), "w") as movie:
        tracks = [movie.add_stream("libx264", rate=24) for _ in range(2)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = 320, 240, "yuv420p"
            track.codec_context.max_b_frames = 0
        for light in (20, 30):
            for brighter, track in zip((0, 100), tracks, strict=True):
                picture = np.full((240, 320, 3), light + brighter, np.uint8)
                movie.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for track in tracks:
            movie.mux(track.encode(None))
    info = probe_media(tmp_path / name)
    assert info.num_frames == 2 and info.notes == ("2 picture tracks, as of two eyes or two sizes: the first is read",)
    np.testing.assert_allclose(open_reader(tmp_path / name).window(0, 2).mean((1, 2, 3)), [20, 30], atol=2)
    with pytest.raises(MediaError, match="2 picture tracks"):
        len(open_reader(tmp_path / name, "decord"))


def test_reading_many_windows_keeps_memory_flat(tmp_path: Path) -> None:
    path = _movie(tmp_path / "a.mp4")
    measure = """
import sys, random
from pathlib import Path
from interpositive.media.pyav_reader import PyAVReader
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
chance, marks = random.Random(1), []
reader = PyAVReader(Path(sys.argv[1]))
for n in range(400):
    if n % 20 == 0:
        reader.close()
    start = chance.randrange(40)
    reader.window(start, start + 8)
    if n in (99, 399):
        marks.append(resident())
print(marks[1] - marks[0])
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("resident memory is read from /proc")
    done = subprocess.run([sys.executable, "-c", measure, str(path)], capture_output=True, text=True, check=True)
    # Eight frames of this size are 0.2 MB: a leak of one window each would be 59 MB.
    assert float(done.stdout) < 8.0


def test_real_footage_is_accepted_and_damaged_footage_is_refused_in_words(material: Path) -> None:
    for path in sorted((material / "clips").iterdir()):
        if path.stat().st_size < 600_000:
            assert probe_media(path).num_frames > 0
    outcomes = {"described": 0, "refused": 0}
    for path in sorted((material / "hostile").rglob("*")):
        if not path.is_file():
            continue
        try:
            assert probe_media(path).num_frames > 0
            outcomes["described"] += 1
        except MediaError as refusal:
            assert refusal.found is not None
            outcomes["refused"] += 1
    assert outcomes["refused"] > 100
    assert outcomes["described"] > 5


def test_a_file_is_read_through_once_and_again_when_it_was_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _movie(tmp_path / "a.mov")
    with closing(PyAVReader(path)) as reader:
        first = reader.index
    monkeypatch.setattr(pyav_reader, "index_frames", lambda *_: pytest.fail("read through again"))
    with closing(PyAVReader(path)) as reader:
        assert reader.index is first
        assert read_number(reader.window(40, 41)[0]) == 40
    monkeypatch.undo()
    path.unlink()
    with closing(PyAVReader(_movie(path, 9))) as reader:
        assert len(reader) == 9


def test_indexes_that_were_not_asked_for_longest_go_first(tmp_path: Path) -> None:
    with closing(PyAVReader(_movie(tmp_path / "a.mov"))) as reader:
        index = reader.index
    recent = RecentIndexes(2 * len(index))
    for name in (1, 2):
        recent.keep((name,), index)
    assert recent.find((1,)) is index
    recent.keep((3,), index)
    assert [recent.find((name,)) is not None for name in (1, 2, 3)] == [True, False, True]
