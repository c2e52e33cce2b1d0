"""A take that changed on disk is found and named, whatever kind of footage it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from productions import TinyProduction

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.integrity import refuse_changed
from interpositive.errors import IntegrityError, MediaError


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
