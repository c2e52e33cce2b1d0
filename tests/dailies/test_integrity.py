"""A take that changed on disk is found and named, whatever kind of footage it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import make_movie
from productions import TinyProduction

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.integrity import refuse_changed
from interpositive.dailies.opening import open_take
from interpositive.dailies.windows import TakeWindows
from interpositive.errors import CatalogueError, IntegrityError, MediaError
from interpositive.media.opening import open_reader


def test_footage_as_ingested_passes(tiny_production: TinyProduction) -> None:
    for take in tiny_production.takes:
        refuse_changed(take)


def test_a_changed_frame_of_a_sequence_is_found_and_a_sidecar_is_not_one(tmp_path: Path) -> None:
    folder = tmp_path / "dailies" / "12A_T01_A"
    folder.mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(folder / f"frame.{number:04d}.png"), np.full((32, 32, 3), 40 * number, np.uint8))
    ingest(tmp_path / "dailies", tmp_path / "catalogue.sqlite", num_workers=0, progress=False)
    with Catalogue(tmp_path / "catalogue.sqlite") as catalogue:
        (take,) = catalogue.takes()
    (folder / "notes.txt").write_text("lens 35 mm")
    refuse_changed(take)
    cv2.imwrite(str(folder / "frame.0001.png"), np.full((32, 32, 3), 41, np.uint8))
    with pytest.raises(IntegrityError, match="not the take that was ingested"):
        refuse_changed(take)


def test_footage_that_is_gone_is_named(tiny_production: TinyProduction, tmp_path: Path) -> None:
    gone = tiny_production.takes[0].model_copy(update={"path": str(tmp_path / "gone.mov")})
    with pytest.raises(MediaError, match="is gone"):
        refuse_changed(gone)


def test_an_original_that_changed_on_disk_gives_no_frame(tmp_path: Path) -> None:
    folder = tmp_path / "dailies"
    movie = make_movie(folder / "12A_T01_A.mov", seed=3)
    # Unpadded numbers: the order of frames is not the order of names.
    for number in range(8, 12):
        (folder / "plate").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "plate" / f"plate.{number}.png"), np.full((32, 32, 3), 10 * number, np.uint8))
    ingest(folder, tmp_path / "catalogue.sqlite", num_workers=0, progress=False)
    with Catalogue(tmp_path / "catalogue.sqlite") as catalogue:
        takes = {take.path: take for take in catalogue.takes()}
    for path in (movie, folder / "plate"):
        take = takes[str(path)]
        reader = open_take(take)
        assert np.array_equal(reader.window(0, take.num_frames), open_reader(path).window(0, take.num_frames))
        reader.close()
    for changed, path in ((movie, movie), (folder / "plate" / "plate.10.png", folder / "plate")):
        content = bytearray(changed.read_bytes())
        content[len(content) // 2] ^= 1
        changed.write_bytes(content)
        with pytest.raises(IntegrityError, match=f"{changed} changed since it was ingested") as found:
            reader = open_take(takes[str(path)])
            reader.window(0, len(reader))
        assert f"bytes 0 to {len(content)}" in str(found.value)
        with pytest.raises(IntegrityError):
            TakeWindows([takes[str(path)]], 4, windows_per_epoch=1)[0]


def test_digests_follow_their_takes(tmp_path: Path) -> None:
    folder, path = tmp_path / "dailies", tmp_path / "c.sqlite"
    first, second = (make_movie(folder / f"{name}.mov", seed=seed) for seed, name in enumerate(("a", "b")))

    def roots() -> set[str]:
        ingest(folder, path, num_workers=0, progress=False)
        with Catalogue(path) as catalogue:
            roots = {take.blake3 for take in catalogue.takes()}
            with closing(sqlite3.connect(path)) as connection:
                assert {root for (root,) in connection.execute("SELECT root FROM read_digests")} == roots
            for take in catalogue.takes():
                assert open_take(take).window(0, 2).shape[0] == 2
        return roots

    before = roots()
    # Renamed, lost, changed and damaged: each take ends with a list of its own, and none is left over.
    first.rename(folder / "renamed.mov")
    assert roots() == before
    second.unlink()
    make_movie(second, seed=9)
    assert len(roots() & before) == 1
    second.write_bytes(b"words")
    assert len(roots()) == 1


def test_a_take_without_its_digests_is_not_read(tmp_path: Path) -> None:
    make_movie(tmp_path / "dailies" / "a.mov")
    ingest(tmp_path / "dailies", tmp_path / "c.sqlite", num_workers=0, progress=False)
    with Catalogue(tmp_path / "c.sqlite") as catalogue:
        (take,) = catalogue.takes()
    with pytest.raises(CatalogueError, match="cannot be checked"):
        open_take(take.model_copy(update={"catalogue_path": ""}))
    with pytest.raises(CatalogueError, match="have left the catalogue"):
        open_take(take.model_copy(update={"blake3": "0" * 64}))
