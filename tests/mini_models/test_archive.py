"""An archive gives back the same mini-model, or says why not; nothing in it is ever run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from shots import SMALL, small_model, waken, wired_example

from interpositive.errors import IntegrityError, RunFolderError, StorageError
from interpositive.mini_models.archive import RECIPE_NAME, WEIGHTS_NAME, archive_digest, load_archive, save_archive
from interpositive.mini_models.candidate_fusion import CandidateFusion

ARGUMENTS = {name: list(value) if isinstance(value, tuple) else value for name, value in SMALL.items()}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    save_archive(waken(small_model()), folder, arguments=ARGUMENTS, production="tiny", task="wire_removal")
    return folder


def rewrite(folder: Path, **changes: Any) -> None:
    recipe = json.loads((folder / RECIPE_NAME).read_text())
    (folder / RECIPE_NAME).write_text(json.dumps(recipe | changes))


def test_a_loaded_model_restores_the_same_pixels(archive: Path) -> None:
    model, recipe = load_archive(archive)
    assert isinstance(model, CandidateFusion) and not model.training
    assert (recipe.production, recipe.task, recipe.arguments) == ("tiny", "wire_removal", ARGUMENTS)
    original = waken(small_model()).eval()
    for name, value in original.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    one, two = (m.restore(wired_example(), range(2, 5), ["trained"])["trained"] for m in (original, model))
    assert torch.equal(one.frames, two.frames) and torch.equal(one.confidence, two.confidence)


def test_the_same_model_has_the_same_digest_and_another_has_not(archive: Path, tmp_path: Path) -> None:
    again = save_archive(
        waken(small_model()), tmp_path / "b", arguments=ARGUMENTS, production="tiny", task="wire_removal"
    )
    other = save_archive(
        waken(small_model(), 5), tmp_path / "c", arguments=ARGUMENTS, production="tiny", task="wire_removal"
    )
    assert again == archive_digest(archive) != other
    assert {path.name for path in archive.iterdir()} == {WEIGHTS_NAME, RECIPE_NAME}


def test_an_archive_is_never_overwritten(archive: Path) -> None:
    with pytest.raises(StorageError, match="already exists"):
        save_archive(small_model(), archive, arguments=ARGUMENTS, production="tiny", task="wire_removal")


@pytest.mark.parametrize("place", [0, 3, 9, 200, -1])
def test_a_flipped_byte_is_refused(archive: Path, place: int) -> None:
    content = bytearray((archive / WEIGHTS_NAME).read_bytes())
    content[place] ^= 0xFF
    (archive / WEIGHTS_NAME).write_bytes(content)
    with pytest.raises(IntegrityError, match="is not what was saved"):
        load_archive(archive)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "interpositive.mini_models.archive.os",
        "interpositive.mini_models.archive.MiniModel",
        "interpositive.mini_models.archive.load_archive",
        "interpositive.mini_models.contract.Restored",
        "interpositive.mini_models.nowhere.CandidateFusion",
        "interpositive.mini_models.nowhere.deeper.CandidateFusion",
        "interpositive.mini_models.candidate_fusion.nothing",
        "interpositive.mini_models.candidate_fusion.WindowMotion",
        "interpositive.mini_models.candidate_fusion",
        "interpositive.mini_models.",
        "interpositive.mini_models..candidate_fusion.CandidateFusion",
        "interpositive.mini_models.contract.MiniModel",
        "CandidateFusion",
        "",
    ],
)
def test_a_recipe_that_names_anything_else_is_refused(archive: Path, name: str) -> None:
    rewrite(archive, mini_model=name)
    with pytest.raises(IntegrityError, match="names no mini-model"):
        load_archive(archive)


@pytest.mark.parametrize("arguments", [{**ARGUMENTS, "scorer_width": 8}, {**ARGUMENTS, "colour": 1}, {"crop_px": "x"}])
def test_a_recipe_that_does_not_fit_its_weights_is_refused(archive: Path, arguments: dict[str, Any]) -> None:
    rewrite(archive, arguments=arguments)
    with pytest.raises(IntegrityError, match="does not fit its recipe"):
        load_archive(archive)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mini_model": 3}', "\ud800"])
def test_a_damaged_recipe_is_refused(archive: Path, text: str) -> None:
    (archive / RECIPE_NAME).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(IntegrityError, match="is damaged"):
        load_archive(archive)


def test_missing_parts_are_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no mini-model"):
        load_archive(tmp_path / "nowhere")
    (archive / WEIGHTS_NAME).unlink()
    with pytest.raises(IntegrityError, match="no file"):
        load_archive(archive)
