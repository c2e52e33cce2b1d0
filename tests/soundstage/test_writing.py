"""A production on disk can be read back like any other dailies, and appears whole or not at all."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from interpositive.errors import ConfigError, StorageError
from interpositive.media.opening import open_reader
from interpositive.soundstage.rendering import render_take
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production, take_name

SPEC = StageSpec.from_values(
    {"seed": 5, "width": 128, "height": 72, "num_frames": 6, "scenes": ("27", "44C"), "takes_per_scene": 2}
)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage") / "production"
    render_production(SPEC, folder, with_truth=True, progress=False)
    return folder


def test_dailies_hold_movies_only_named_by_their_slates(production: Path) -> None:
    names = sorted(path.name for path in (production / "dailies").iterdir())
    assert names == ["27_T01_A_R02.mov", "27_T02_A_R02.mov", "44C_T01_A_R04.mov", "44C_T02_A_R04.mov"]
    assert sorted(path.name for path in production.iterdir()) == ["dailies", "stage.json", "truth"]


def test_movies_show_the_rendered_frames(production: Path) -> None:
    reader = open_reader(production / "dailies" / f"{take_name('44C', 2)}.mov")
    info = reader.info
    assert (info.width, info.height, info.num_frames, info.rate) == (128, 72, 6, Fraction(24))
    assert info.start_timecode == "04:02:00:00"
    decoded = reader.window(0, 6).astype(float)
    rendered = render_take(SPEC, "44C", 2, with_truth=False).frames.astype(float)
    luma = np.array([0.2126, 0.7152, 0.0722])
    assert np.abs((decoded - rendered) @ luma).mean() < 2.5


def test_truth_on_disk_is_the_truth_in_memory(production: Path) -> None:
    take = render_take(SPEC, "27", 1)
    assert take.truth is not None
    with np.load(production / "truth" / take_name("27", 1) / "truth.npz") as archive:
        assert np.abs(archive["clean_plate"].astype(np.float32) - take.truth.clean_plate).max() < 1e-3
        assert np.abs(archive["forward_flow"].astype(np.float32) - take.truth.forward_flow).max() < 0.02
        assert np.array_equal(archive["forward_hidden"], take.truth.forward_hidden)
        assert np.array_equal(archive["anchors"], take.anchors)
        assert tuple(archive["layers"]) == take.truth.layers


def test_stage_file_tells_the_anchors_lights_and_cameras(production: Path) -> None:
    record = json.loads((production / "stage.json").read_text())
    assert StageSpec.from_values(record["spec"]) == SPEC
    entry = record["takes"]["44C_T01_A_R04"]
    take = render_take(SPEC, "44C", 1, with_truth=False)
    np.testing.assert_allclose(entry["anchors"], take.anchors, atol=1e-3)
    np.testing.assert_allclose(entry["cameras"], take.cameras, atol=1e-5)
    assert entry["lights"]["lamps"][0]["name"] == "floodlight"


def test_a_crew_of_two_shoots_the_same_production(production: Path, tmp_path: Path) -> None:
    movies = render_production(SPEC, tmp_path / "again", with_truth=False, num_workers=2, progress=False)
    assert [movie.read_bytes() for movie in movies] == [
        (production / "dailies" / movie.name).read_bytes() for movie in movies
    ]
    assert not (tmp_path / "again" / "truth").exists()


def test_an_existing_folder_is_never_overwritten(production: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="never overwritten"):
        render_production(SPEC, production, with_truth=False, progress=False)
    with pytest.raises(ConfigError, match="crew"):
        render_production(SPEC, tmp_path / "none", with_truth=False, num_workers=0, progress=False)
    assert not list(tmp_path.iterdir())
