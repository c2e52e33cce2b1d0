"""The reader contract over every codec, group of pictures and pixel format that can be written.

Containers and first times take turns; ``scripts/check_readers.py`` goes through all of them.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "media"))
from movie_matrix import (
    FIRST_TIMES,
    GOPS,
    Cell,
    NotWritten,
    all_cells,
    check_cell,
    digests_elsewhere,
    kinds,
    write_cell,
)

from interpositive.media.movie_codecs import CODECS

KINDS = kinds()


def _written(folder: Path, cells: list[Cell]) -> list[str]:
    """Digests of the first of these cells that can be written."""
    refusal: NotWritten | None = None
    for cell in cells:
        try:
            return check_cell(cell, write_cell(cell, folder))
        except NotWritten as reason:
            refusal = reason
    pytest.skip(str(refusal))


@pytest.mark.parametrize("kind", KINDS)
def test_readers_keep_the_contract(tmp_path: Path, kind: str) -> None:
    _written(tmp_path, KINDS[kind])


@pytest.mark.parametrize("first_time", FIRST_TIMES)
@pytest.mark.parametrize("container", [".mov", ".mp4", ".mkv", ".mxf", ".ts"])
def test_every_container_at_every_first_time(tmp_path: Path, container: str, first_time: str) -> None:
    try:
        for gop in ("intra", "long", "open"):
            cell = Cell("h264", container, gop, "yuv422p10le", first_time)
            check_cell(cell, write_cell(cell, tmp_path))
    except NotWritten as reason:
        assert container in (".mkv", ".mxf", ".ts"), reason
        assert "container" in str(reason) or "order" in str(reason)


def test_readers_are_opened_anew_in_a_spawned_worker(tmp_path: Path) -> None:
    expected: dict[Path, list[str]] = {}
    for codec, row in CODECS.items():
        gop = "long" if row.takes_quality and row.gop is None else "intra"
        cell = Cell(codec, row.containers[0], gop, next(iter(row.pixel_formats)), "zero")
        path = write_cell(cell, tmp_path)
        expected[path] = check_cell(cell, path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(digests_elsewhere, expected) == list(expected.values())


def test_the_matrix_leaves_nothing_out() -> None:
    cells = list(all_cells())
    assert len(set(cells)) == len(cells)
    encoders = {CODECS[cell.codec].encoder for cell in cells}
    assert encoders == {row.encoder for row in CODECS.values()}
    for row in CODECS.values():
        formats = {cell.pixel_format for cell in cells if CODECS[cell.codec].encoder == row.encoder}
        assert formats >= set(row.pixel_formats)
    assert {cell.gop for cell in cells} == set(GOPS)
