"""Stills are told by their first bytes, whatever they are called."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from interpositive.media.still_formats import FrameName, sniff_still, split_frame_name


@pytest.mark.parametrize("extension", ["exr", "dpx", "tif", "png", "jpg"])
def test_a_file_is_known_without_its_extension(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    output = oiio.ImageOutput.create(str(path))
    output.open(str(path), oiio.ImageSpec(8, 8, 3, oiio.UINT8))
    output.write_image(np.zeros((8, 8, 3), np.uint8))
    output.close()
    found = sniff_still(path.rename(tmp_path / "a.mov"))
    assert found is not None and found.extension == f".{extension}"
    assert oiio.ImageInput.create(found.name).format_name() == found.name


@pytest.mark.parametrize(
    ("start", "name"),
    [
        ("76 2f 31 01", "openexr"),
        ("53 44 50 58", "dpx"),
        ("58 50 44 53", "dpx"),
        ("80 2a 5f d7", "cineon"),
        ("d7 5f 2a 80", "cineon"),
        ("49 49 2a 00", "tiff"),
        ("4d 4d 00 2a", "tiff"),
        ("49 49 2b 00 08 00 00 00", "tiff"),
        ("4d 4d 00 2b 00 08 00 00", "tiff"),
        ("89 50 4e 47 0d 0a 1a 0a", "png"),
        ("ff d8 ff e1", "jpeg"),
        ("ff d8", None),
        ("00 00 00 18 66 74 79 70", None),
        ("", None),
    ],
)
def test_both_byte_orders_are_known(tmp_path: Path, start: str, name: str | None) -> None:
    path = tmp_path / "frame.0001"
    path.write_bytes(bytes.fromhex(start) + (bytes(16) if start else b""))
    found = sniff_still(path)
    assert (found and found.name) == name


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.1.exr")
    assert sniff_still(tmp_path / "pipe.1.exr") is None
    assert sniff_still(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shot.1001.exr", FrameName("shot.", 1001, ".exr")),
        ("shot.1001.EXR", FrameName("shot.", 1001, ".exr")),
        ("shot_v002.0001001", FrameName("shot_v002.", 1001, "")),
        ("shot1001", FrameName("shot", 1001, "")),
        ("0086400.dpx", FrameName("", 86400, ".dpx")),
        ("shot.1001.img", FrameName("shot.", 1001, ".img")),
        ("notes.txt", None),
        ("shot.exr", None),
    ],
)
def test_frame_names_are_taken_apart(name: str, expected: FrameName | None) -> None:
    assert split_frame_name(Path(name)) == expected
