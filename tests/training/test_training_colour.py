"""Training in the production's encoding: takes are converted to it or refused, and shown as on the display."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from productions import TinyProduction

import interpositive.training  # noqa: F401  isort: skip
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.windows import TakeWindows
from interpositive.errors import ColourError
from interpositive.functional.examples import Example
from interpositive.media.colour_management import convert, display_view
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import Restored
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.held_out import as_codes, held_out_windows, write_preview
from interpositive.training.run import encoding_notes


def _dailies(production: TinyProduction, folder: Path, encoding: str, of_takes: str) -> ProductionDataModule:
    takes = [take.model_copy(update={"encoding": of_takes}) for take in production.takes]
    model = CandidateFusion(crop_px=32)
    return ProductionDataModule(
        takes, WireRemoval().example, model.prepare, folder=folder, recipe_digest="r", height=64, window_frames=6,
        encoding=encoding, progress=False,
    )  # fmt: skip


def test_windows_are_converted_to_the_training_encoding(tiny_production: TinyProduction, tmp_path: Path) -> None:
    native = _dailies(tiny_production, tmp_path, "native", "arri_logc3").window_groups("train")[0]
    log = _dailies(tiny_production, tmp_path, "acescct", "arri_logc3").window_groups("train")[0]
    linear = _dailies(tiny_production, tmp_path, "acescg", "arri_logc3").window_groups("train")[0]
    codes = native[3]["frames"].permute(0, 2, 3, 1).contiguous().numpy()
    for windows, encoding in ((log, "acescct"), (linear, "acescg")):
        found = windows[3]["frames"].permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(found, convert(codes, "arri_logc3", encoding), rtol=1e-5, atol=1e-6)
    assert linear[3]["frames"].max() > 1.5, "highlights of linear light are not cut off"


def test_prepared_windows_of_two_encodings_are_two(tiny_production: TinyProduction, tmp_path: Path) -> None:
    chosen = [("native", "arri_logc3"), ("acescct", "arri_logc3"), ("acescct", "arri_logc4"), ("native", "")]
    paths = [_dailies(tiny_production, tmp_path, *names).store_path("train") for names in chosen]
    assert len(set(paths)) == 3 and paths[0] == paths[3]
    # The same encodings, but of other takes.
    stores = set()
    for encodings in (("arri_logc3", "arri_logc4"), ("arri_logc4", "arri_logc3")):
        dailies = _dailies(tiny_production, tmp_path, "acescct", "arri_logc3")
        dailies.takes = [
            take.model_copy(update={"split": "train", "encoding": encodings[number % 2]})
            for number, take in enumerate(dailies.takes)
        ]
        stores.add(dailies.store_path("train"))
    assert len(stores) == 2


def test_takes_of_no_known_encoding_are_refused_by_name(tiny_production: TinyProduction, tmp_path: Path) -> None:
    with pytest.raises(ColourError, match="10A_01_A"):
        _dailies(tiny_production, tmp_path, "acescct", "")
    with pytest.raises(ColourError, match="acescct"):
        _dailies(tiny_production, tmp_path, "acesct", "arri_logc3")
    with pytest.raises(ColourError):
        TakeWindows([take.model_copy(update={"encoding": ""}) for take in tiny_production.takes], 4, encoding="acescct")


def test_held_out_windows_know_their_encoding_and_are_shown_by_it(
    tiny_production: TinyProduction, tmp_path: Path
) -> None:
    dailies = _dailies(tiny_production, tmp_path, "acescct", "arri_logc3")
    window = next(held_out_windows(dailies.window_groups("val"), dailies.make_example, 1, 2, 0, {}))
    assert window.encoding == "acescct"
    native = _dailies(tiny_production, tmp_path, "native", "arri_logc3")
    assert (
        next(held_out_windows(native.window_groups("val"), native.make_example, 1, 2, 0, {})).encoding == "arri_logc3"
    )
    assert window.example.target is not None
    strip = as_codes([window.example.target[:1]], window.encoding)[0]
    target = window.example.target[0].permute(1, 2, 0).contiguous().numpy()
    np.testing.assert_allclose(strip / 255, display_view(target, "acescct"), atol=0.51 / 255)


def test_what_a_run_says_of_its_colour() -> None:
    assert encoding_notes("native", {"rec709_display"}) == encoding_notes("acescct", {"arri_logc3", "acescg"}) == []
    assert "several colour encodings (arri_logc3, not known)" in encoding_notes("native", {"", "arri_logc3"})[0]
    assert "acescct" in encoding_notes("acescg", {"arri_logc3"})[0]


def test_light_beyond_white_is_restored_beyond_white() -> None:
    # A lamp eight times brighter than white, behind a wire that moves across it.
    frames = torch.full((7, 3, 64, 96), 0.2)
    frames += 0.05 * torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    frames[:, :, 20:44, 36:60] += 8.0
    mask = torch.zeros(7, 1, 64, 96)
    for t in range(7):
        mask[t, :, :, 30 + 4 * t : 33 + 4 * t] = 1.0
    damaged = torch.where(mask > 0, torch.zeros(()), frames)
    model = CandidateFusion(crop_px=32).eval()
    restored: dict[str, Restored] = dict(model.restore(Example(damaged, mask), range(3, 4)))
    inside = np.s_[0, :, 24:40, 42:45]
    for method in ("first_valid_flow", "recursive_flow", "prior", "trained"):
        assert restored[method].frames[inside].median() > 6.0, method
        assert torch.equal(restored[method].frames[0][:, mask[3, 0] == 0], frames[3][:, mask[3, 0] == 0])


def test_preview_files_are_of_the_view(tiny_production: TinyProduction, tmp_path: Path) -> None:
    dailies = _dailies(tiny_production, tmp_path, "native", "arri_logc3")
    window = next(held_out_windows(dailies.window_groups("val"), dailies.make_example, 1, 2, 0, {}))
    write_preview(CandidateFusion(crop_px=32).eval(), window, tmp_path / "preview.png", shown=("prior",))
    picture = cv2.imread(str(tmp_path / "preview.png"))[..., ::-1] / 255.0
    middle = window.keep[len(window.keep) // 2]
    assert window.example.target is not None
    target = window.example.target[middle].permute(1, 2, 0).contiguous().numpy()
    np.testing.assert_allclose(picture[:, -96:], display_view(target, "arri_logc3"), atol=0.51 / 255)
