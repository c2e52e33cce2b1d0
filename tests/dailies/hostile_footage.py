"""Hostile footage made on the spot: torn, zeroed, mislabelled, oversized, special and linked files.

    python tests/dailies/hostile_footage.py FOLDER

Each file or folder is made with what a good ingest says about it: an outcome and a pattern that its
reason must have.
"""

from __future__ import annotations

import os
import random
import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio

from interpositive.media.movie_writer import MovieWriter

NUM_FRAMES = 12
HEIGHT, WIDTH = 64, 96
# What becomes of it, and words of the reason.
Verdict = tuple[str, str]
DAMAGED = "damaged|cut short|cannot be decoded|no frame|no track"
_CODECS = {"prores.mov": "prores", "h264.mp4": "h264", "ffv1.mkv": "ffv1"}


def make_hostile_footage(folder: Path) -> dict[str, Verdict]:
    """Make the whole corpus; gives the verdict for every path, relative to ``folder``."""
    folder.mkdir(parents=True)
    movies = _movies(folder / "sound")
    verdicts: dict[str, Verdict] = {f"sound/{name}": ("accepted", "") for name in movies}
    for make in (_torn, _zeroed, _mislabelled, _lists, _oversized, _named, _linked, _special, _patched, _stills):
        verdicts |= make(folder, movies)
    return verdicts


def _frames(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 60, (NUM_FRAMES, HEIGHT, WIDTH, 3))
    return (noise + 10 * np.arange(NUM_FRAMES)[:, None, None, None]).astype(np.uint8)


def _movies(folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    for number, (name, codec) in enumerate(_CODECS.items()):
        with MovieWriter(folder / name, Fraction(24), WIDTH, HEIGHT, codec=codec) as writer:
            writer.write(_frames(number))
    return {name: (folder / name).read_bytes() for name in _CODECS}


def _put(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def _torn(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    cut = {(name, share): int(len(content) * share) for name, content in movies.items() for share in (0.2, 0.6, 0.97)}
    return {
        _put(folder, f"torn/{int(100 * share)}_{name}", movies[name][:size]): ("quarantined", DAMAGED)
        for (name, share), size in cut.items()
    }


def _zeroed(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    """Damage in the middle, where neither end shows it."""
    verdicts = {}
    for name, content in movies.items():
        zeroed = bytearray(content)
        middle = len(zeroed) // 2
        zeroed[middle : middle + 3000] = bytes(3000)
        verdicts[_put(folder, f"zeroed/{name}", bytes(zeroed))] = ("quarantined", DAMAGED)
        swapped = bytearray(content)
        swapped[middle : middle + 2000], swapped[middle + 2000 : middle + 4000] = (
            content[middle + 2000 : middle + 4000],
            content[middle : middle + 2000],
        )
        verdicts[_put(folder, f"swapped/{name}", bytes(swapped))] = ("quarantined", DAMAGED)
    return verdicts


def _mislabelled(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    noise = random.Random(0).randbytes(100_000)
    return {
        _put(folder, "names/movie.mkv", movies["prores.mov"] + b"\0\0\0\x08free"): (
            "accepted",
            "QuickTime/MP4 content under the extension .mkv",
        ),
        _put(folder, "names/empty.mov", b""): ("quarantined", "is empty"),
        _put(folder, "names/noise.mov", noise): ("quarantined", "is not a movie"),
        _put(folder, "names/zeros.mov", bytes(100_000)): ("quarantined", "is not a movie.*zeros"),
        _put(folder, "names/page.mov", b"<!DOCTYPE html><p>404</p>"): ("quarantined", "is not a movie.*text"),
        _put(folder, "names/placeholder.mp4", b"version https://git-lfs.example/spec/v1\noid sha256:0\n"): (
            "quarantined",
            "is not a movie.*placeholder",
        ),
        _put(folder, "names/still", b"v/1\x01" + noise[:300]): ("quarantined", "one openexr picture"),
        _put(folder, "names/still.avif", b"\0\0\0\x20ftypavif" + noise[:300]): ("quarantined", "AVIF.*still"),
    }


def _lists(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    """What makes other readers follow a reference to another file."""
    target = (folder / "sound" / "h264.mp4").absolute()
    lists = {
        "playlist.mov": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n",
        "concat.mp4": f"ffconcat version 1.0\nfile {target}\n",
        "concat.ffconcat": "ffconcat version 1.0\nfile ../sound/h264.mp4\n",
        "session.mov": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "presentation.mp4": f'<?xml version="1.0"?><MPD><BaseURL>file://{target}</BaseURL></MPD>',
        "address.mov": f"subfile,,start,0,end,99,,:{target}",
    }
    return {
        _put(folder, f"lists/{name}", text.encode()): ("quarantined", "is not a movie") for name, text in lists.items()
    }


def _png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def _oversized(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    """Small files whose headers claim more than a machine has."""
    exr = _still_bytes(folder, "f.exr", np.zeros((8, 8, 3), np.float32), "half")
    window = struct.pack("<4i", 0, 0, 7, 7)
    dpx = bytearray(_still_bytes(folder, "f.dpx", np.zeros((8, 8, 3), np.uint16), "uint16"))
    order = ">" if dpx[:4] == b"SDPX" else "<"
    dpx[772:780] = struct.pack(f"{order}II", 1 << 20, 1 << 20)
    tiff = bytearray(_still_bytes(folder, "f.tif", np.zeros((8, 8, 3), np.uint16), "uint16"))
    for tag in (256, 257):
        at = tiff.index(struct.pack("<HH", tag, 3)) if struct.pack("<HH", tag, 3) in tiff else -1
        at = at if at >= 0 else tiff.index(struct.pack("<HH", tag, 4))
        tiff[at : at + 12] = struct.pack("<HHII", tag, 4, 1, 1 << 20)
    jpeg = bytearray(_still_bytes(folder, "f.jpg", np.zeros((8, 8, 3), np.uint8), "uint8"))
    size_at = jpeg.index(b"\xff\xc0") + 5
    jpeg[size_at : size_at + 4] = struct.pack(">HH", 65500, 65500)
    bombs = {
        "png": _png_header(2**31 - 1, 2**31 - 1) + b"\0" * 64,
        "exr": exr.replace(window, struct.pack("<4i", 0, 0, 2**30, 2**30)),
        "dpx": bytes(dpx),
        "tif": bytes(tiff),
        "jpg": bytes(jpeg),
    }
    verdicts = {}
    for extension, content in bombs.items():
        for number in (1, 2):
            _put(folder, f"oversized/{extension}/f.{number:04d}.{extension}", content)
        verdicts[f"oversized/{extension}"] = ("quarantined", "damaged|cut short|claims|pixels|memory|not read")
    movie = movies["prores.mov"].replace(struct.pack(">HH", WIDTH, HEIGHT), struct.pack(">HH", 65535, 65535))
    verdicts[_put(folder, "oversized/movie.mov", movie)] = ("quarantined", DAMAGED)
    return verdicts


def _still_bytes(folder: Path, name: str, pixels: np.ndarray, kind: str) -> bytes:
    path = folder / name
    assert oiio.ImageBuf(pixels).write(str(path), kind), oiio.geterror()
    content = path.read_bytes()
    path.unlink()
    return content


def _named(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    """Names that are made to be misread."""
    latin = os.fsdecode(b"names/caf\xe9.mov")
    _put(folder, latin, movies["prores.mov"])
    return {
        latin: ("quarantined", "not valid UTF-8"),
        _put(folder, "names/line\nbreak.mov", b"a"): ("quarantined", "is not a movie"),
        _put(folder, "names/\x1b[31mred.mov", b"b"): ("quarantined", "is not a movie"),
        _put(folder, "names/\u202evom.exe.mov", b"c"): ("quarantined", "is not a movie"),
        _put(folder, "names/concat:a.mov|b.mov", b"d"): ("quarantined", "is not a movie"),
        _put(folder, f"names/{'n' * 251}.mov", b"e"): ("quarantined", "is not a movie"),
    }


def _linked(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    outside = folder.parent / f"{folder.name}_outside"
    outside.mkdir()
    _put(outside, "secret.mov", movies["prores.mov"] + b"\0\0\0\x08skip")
    links = folder / "x_links"
    links.mkdir()
    for name, target in {
        "out.mov": outside / "secret.mov",
        "relative.mov": Path("../..") / outside.name / "secret.mov",
        "chain.mov": Path("middle.mov"),
        "middle.mov": Path("out.mov"),
        "folder": outside,
        "loop_a.mov": Path("loop_b.mov"),
        "loop_b.mov": Path("loop_a.mov"),
        "nothing.mov": Path("nowhere.mov"),
        "self": Path("."),
        "inside.mov": Path("../sound/prores.mov"),
    }.items():
        (links / name).symlink_to(target)
    os.link(folder / "sound" / "prores.mov", links / "z_hard.mov")
    out, nothing = ("quarantined", "leads out of the source"), ("quarantined", "a link to nothing")
    return {
        **{f"x_links/{name}": out for name in ("out.mov", "relative.mov", "chain.mov", "middle.mov", "folder")},
        **{f"x_links/{name}": nothing for name in ("loop_a.mov", "loop_b.mov", "nothing.mov")},
        "x_links/self": ("ignored", "a link to x_links"),
        "x_links/inside.mov": ("ignored", "which is read itself"),
        # A second name of the same file is no way out; where it was first named cannot be told.
        "x_links/z_hard.mov": ("duplicate", "same content"),
    }


def _special(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    (folder / "special").mkdir()
    os.mkfifo(folder / "special" / "pipe.mov")
    with (folder / "special" / "hole.mov").open("wb") as stream:
        stream.truncate(64 << 30)
    slates = "file,scene,take\n../../etc/passwd,1,1\n/etc/passwd,1,2\nC:\\film.mov,1,3\n"
    _put(folder, "special/slates.csv", slates.encode())
    return {
        "special/pipe.mov": ("quarantined", "not a regular file"),
        "special/hole.mov": ("quarantined", "is not a movie.*zeros"),
        "special/slates.csv": ("ignored", "a slate sheet"),
        **{f"special/slates.csv, line {line}": ("quarantined", "leads out of") for line in (2, 3, 4)},
    }


def _patched(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    """Movies whose headers lie."""
    prores, h264 = movies["prores.mov"], movies["h264.mp4"]
    secret = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "ab" * 16, "encryption_kid": "cd" * 16}
    (folder / "patched").mkdir()
    with (
        av.open(str(folder / "sound" / "h264.mp4")) as source,
        av.open(str(folder / "patched" / "encrypted.mp4"), "w", options=secret) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    reference = prores.index(b"url \0\0\0\x01")
    elsewhere = bytearray(prores)
    elsewhere[reference + 4 : reference + 8] = bytes(4)
    return {
        "patched/encrypted.mp4": ("quarantined", "encrypted"),
        _put(folder, "patched/wrong_tag.mov", prores.replace(b"apch", b"avc1")): ("quarantined", DAMAGED),
        _put(folder, "patched/unknown_tag.mov", prores.replace(b"apch", b"zzzz")): ("quarantined", "has no decoder"),
        # Says that its frames lie in another file, which is not looked for; they do lie in this one.
        _put(folder, "patched/elsewhere.mov", bytes(elsewhere)): ("accepted", ""),
        _put(folder, "patched/no_index.mp4", h264.replace(b"stco", b"skip")): ("quarantined", DAMAGED),
    }


def _spoil(content: bytearray, damage: str) -> None:
    middle = len(content) // 2
    if damage == "torn":
        del content[middle:]
    elif damage == "text":
        content[:] = b"not found"
    else:
        content[middle : middle + 500] = bytes(500)


def _stills(folder: Path, movies: dict[str, bytes]) -> dict[str, Verdict]:
    """Sequences with one bad frame in the middle."""
    verdicts = {}
    for extension, kind in {"exr": "half", "dpx": "uint10", "png": "uint16", "tif": "uint16", "jpg": "uint8"}.items():
        for damage in ("torn", "text", "zeroed"):
            for number in range(5):
                pixels = _frames(number)[number].astype(np.float32) / 255
                content = bytearray(_still_bytes(folder, f"f.{extension}", pixels, kind))
                if number == 2:
                    _spoil(content, damage)
                _put(folder, f"stills/{extension}_{damage}/f.{number:04d}.{extension}", bytes(content))
            # Nothing in DPX or JPEG tells zeros from pixels: only a hash list does.
            unseen = damage == "zeroed" and extension in ("dpx", "jpg")
            verdicts[f"stills/{extension}_{damage}"] = ("accepted", "") if unseen else ("quarantined", DAMAGED)
    return verdicts


if __name__ == "__main__":
    for path, (outcome, words) in make_hostile_footage(Path(sys.argv[1])).items():
        print(f"{outcome:<12} {path!r}  {words}")
