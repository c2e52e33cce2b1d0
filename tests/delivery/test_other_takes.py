"""Another take fills what the shot never shows; the manifest says which, and nobody's footage is used without leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from productions import textured_wall, write_shot
from stand_ins import SOURCE, settings, write_mask

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.delivery.deliver import deliver_shot
from interpositive.delivery.other_takes import ProductionFootage
from interpositive.delivery.plates import Plate, plate_at
from interpositive.errors import CatalogueError, MediaError, RightsError
from interpositive.media.opening import open_reader
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.records.delivery_manifest import DeliveryManifest, read_and_verify
from interpositive.records.rights import Grant
from interpositive.tasks.other_takes import AskedOfTakes
from interpositive.tasks.plate_cleaning import PlateCleaning

HEIGHT, WIDTH, NUM_FRAMES = 96, 160, 4
HOLE = (slice(30, 64), slice(60, 100))
GRANT = Grant(of="theirs", to="tiny", by="A. Producer", on="2026-11-30", document="a letter")


def locked_off(wall: NDArray[np.float32], x: int, gain: float) -> NDArray[np.float32]:
    return np.repeat(gain * wall[None, 4 : 4 + HEIGHT, x : x + WIDTH], NUM_FRAMES, 0)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two takes of one set, 10A, the second a little beside and darker, and one of another, 11B."""
    root = tmp_path_factory.mktemp("production")
    wall = textured_wall(np.random.default_rng(5), HEIGHT + 8, WIDTH + 16)
    write_shot(root / "dailies" / "10A_T01_A.mov", locked_off(wall, 4, 1.0))
    write_shot(root / "dailies" / "10A_T02_A.mov", locked_off(wall, 8, 0.8))
    stranger = textured_wall(np.random.default_rng(6), HEIGHT + 8, WIDTH + 16)
    write_shot(root / "dailies" / "11B_T01_A.mov", locked_off(stranger, 4, 1.0))
    ingest(root / "dailies", root / "catalogue.sqlite", num_workers=0, progress=False)
    mask = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.uint8)
    mask[:, HOLE[0], HOLE[1]] = 255
    write_mask(root / "mask", mask)
    return root


def shot_of(production: Path) -> Plate:
    with Catalogue(production / "catalogue.sqlite") as catalogue:
        take = catalogue.take("10A_01_A")
    return Plate(Path(take.path), take.name, None, take)


def deliver(production: Path, out: Path, plate: Plate | None = None, **asked: Any) -> DeliveryManifest:
    footage = ProductionFootage("tiny", production / "catalogue.sqlite", [GRANT])
    given = settings(method="prior", asked=AskedOfTakes(**asked), footage=footage)
    plate = plate or shot_of(production)
    return deliver_shot(plate, production / "mask", out, CandidateFusion().eval(), PlateCleaning(), SOURCE, given)


def error_in_hole(production: Path, out: Path) -> float:
    true = open_reader(production / "dailies" / "10A_T01_A.mov").window(0, NUM_FRAMES) / np.float32(255)
    found = open_reader(out / "frames").window(0, NUM_FRAMES) / np.float32(65535)
    return float(np.abs(found - true)[:, HOLE[0], HOLE[1]].mean())


def test_a_take_of_the_set_is_found_and_every_pixel_it_gave_is_accounted_for(production: Path, tmp_path: Path) -> None:
    manifest = deliver(production, tmp_path / "out", takes="auto")
    (lender,) = manifest.lenders
    assert lender.take == "10A_02_A" and "own" in lender.because
    assert [s.path for s in manifest.sources if s.role == "other take"] == [lender.path]
    assert any("2 that were looked at" in note for note in manifest.notes)
    for frame in manifest.frames:
        assert frame.seen_pixels == frame.mask_pixels
        assert {lent.lender for lent in frame.lent} == {"10A_02_A"}
        assert all(0 <= lent.frame < NUM_FRAMES for lent in frame.lent)
        assert 0.8 * frame.mask_pixels < sum(lent.pixels for lent in frame.lent) <= 1.001 * frame.mask_pixels
    assert read_and_verify(tmp_path / "out") == manifest
    alone = deliver(production, tmp_path / "alone")
    assert not alone.lenders and not any(frame.lent for frame in alone.frames)
    assert error_in_hole(production, tmp_path / "out") < 0.3 * error_in_hole(production, tmp_path / "alone")


def test_a_take_of_another_set_lends_nothing_even_if_it_is_named(production: Path, tmp_path: Path) -> None:
    manifest = deliver(production, tmp_path / "out", takes=["11B_01_A"])
    assert not manifest.lenders and not any(frame.lent for frame in manifest.frames)
    assert any("11B_01_A gave 0%" in note for note in manifest.notes)
    deliver(production, tmp_path / "alone")
    both = [open_reader(tmp_path / name / "frames").window(0, NUM_FRAMES) for name in ("out", "alone")]
    assert np.array_equal(*both)


@pytest.mark.parametrize("of", ["", "theirs_too"])
def test_footage_that_nobody_answers_for_is_not_copied_from(production: Path, tmp_path: Path, of: str) -> None:
    path = tmp_path / "clean.mov"
    path.write_bytes((production / "dailies" / "10A_T02_A.mov").read_bytes())
    with pytest.raises(RightsError, match="may not be copied into tiny"):
        deliver(production, tmp_path / "out", clean_plate=str(path), of=of)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("of", "because"), [("tiny", "own"), ("theirs", "granted by A. Producer")])
def test_a_clean_plate_at_a_path_is_used_by_the_right_that_is_named(
    production: Path, tmp_path: Path, of: str, because: str
) -> None:
    path = tmp_path / "clean.mov"
    path.write_bytes((production / "dailies" / "10A_T02_A.mov").read_bytes())
    plate = plate_at(production / "dailies" / "10A_T01_A.mov")
    manifest = deliver(production, tmp_path / "out", plate, clean_plate=str(path), of=of)
    (lender,) = manifest.lenders
    assert (lender.name, lender.take) == ("clean", "") and because in lender.because


def test_a_take_that_is_misspelt_is_called_so(production: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no 10A_20_A to lend pixels"):
        deliver(production, tmp_path / "out", takes=["10A_20_A"])


def test_nothing_can_be_found_without_a_catalogue(production: Path, tmp_path: Path) -> None:
    given = settings(method="prior", asked=AskedOfTakes(takes="auto"))
    with pytest.raises(CatalogueError, match="no catalogue"):
        deliver_shot(
            shot_of(production),
            production / "mask",
            tmp_path / "out",
            CandidateFusion(),
            PlateCleaning(),
            SOURCE,
            given,
        )
