"""A finder's training ends the same whether or not it was killed, and says how far to trust it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import TinyProduction
from pydantic import ValidationError
from tiny_training import SETTINGS

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.errors import IntegrityError, RunFolderError, TrainingStopped
from interpositive.functional.examples import Example
from interpositive.mini_models.archive import WEIGHTS_NAME
from interpositive.mini_models.finder import Finder
from interpositive.mini_models.finder_archive import FINDER_NAME, FinderRecipe, load_finder
from interpositive.records.run_record import RunRecord
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.finder_training import FinderStage, choose_settling, train_finder
from interpositive.training.held_out import HeldOutWindow
from interpositive.training.stopping import StopRequests

ARGUMENTS = {"offsets": [1], "widths": [4, 8], "crop_px": 32, "crops_per_frame": 2, "frames_per_window": 2}


class AskedAfter(StopRequests):
    """Somebody asks to stop, once so many steps were taken."""

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        self.left = num_steps + 1

    @property
    def asked(self) -> str | None:
        self.left -= 1
        return "SIGTERM" if self.left <= 0 else None

    @asked.setter
    def asked(self, value: str | None) -> None:
        pass


def stage_of(production: TinyProduction, prepared: Path) -> FinderStage:
    task = WireRemoval(width_px_at_1080=(30.0, 60.0))
    torch.manual_seed(4)
    finder = Finder(**ARGUMENTS)
    dailies = ProductionDataModule(
        production.takes,
        task.example,
        finder.prepare,
        folder=prepared,
        recipe_digest="tests of the finder",
        height=64,
        window_frames=6,
        num_windows=2,
        num_val_windows=1,
        batch_size=3,
        num_prepare_workers=0,
        progress=False,
    )
    return FinderStage(finder, dailies, ARGUMENTS, max_steps=7, learning_rate=1e-2, num_windows=1)


def run(
    production: TinyProduction, prepared: Path, folder: Path, stop: StopRequests | None = None
) -> tuple[str, FinderRecipe]:
    settings = replace(SETTINGS, checkpoint_every=3)
    return train_finder(stage_of(production, prepared), folder, "tiny", "wires", settings, stop or StopRequests())


def test_a_run_keeps_its_finder_and_says_how_far_to_trust_it(
    train: Callable[..., RunRecord], tiny_production: TinyProduction, prepared_folder: Path, tmp_path: Path
) -> None:
    record = train(tmp_path, max_steps=3, finding=stage_of(tiny_production, prepared_folder))
    kept = load_finder(tmp_path / FINDER_NAME, record.finder_sha256)
    assert (record.scores["finder/recall"], record.scores["finder/precision"]) == (
        kept.recipe.recall,
        kept.recipe.precision,
    )
    assert any(note.startswith("the finder for mask=auto: recall") for note in record.notes)
    without = train(tmp_path / "without", max_steps=3)
    assert without.finder_sha256 == "" and without.archive_sha256 == record.archive_sha256


def test_a_run_that_is_stopped_ends_as_one_that_is_not(
    tiny_production: TinyProduction, prepared_folder: Path, tmp_path: Path
) -> None:
    digest, recipe = run(tiny_production, prepared_folder, tmp_path / "whole")
    with pytest.raises(TrainingStopped, match="finder is saved at step"):
        run(tiny_production, prepared_folder, tmp_path / "stopped", AskedAfter(7))
    assert not (tmp_path / "stopped" / FINDER_NAME).exists()
    again, _ = run(tiny_production, prepared_folder, tmp_path / "stopped")
    assert again == digest

    kept = load_finder(tmp_path / "whole" / FINDER_NAME, digest)
    assert kept.recipe.height == 64 and kept.recipe.num_frames == 2
    said = kept.recipe.model_dump()
    assert FinderRecipe.model_validate({**said, "join_px": 0}) == kept.recipe, "of a finder that joined nothing"
    with pytest.raises(ValidationError, match="join_px"):
        FinderRecipe.model_validate({**said, "join_px": 41})
    assert kept.recipe.model_copy(update={"weights_sha256": ""}) == recipe

    weights = tmp_path / "whole" / FINDER_NAME / WEIGHTS_NAME
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(IntegrityError, match="not what this run wrote"):
        load_finder(tmp_path / "whole" / FINDER_NAME, digest)
    weights.unlink()
    with pytest.raises(RunFolderError, match="no finder"):
        load_finder(tmp_path / "whole" / FINDER_NAME, digest)


class Says(Finder):
    """Sees what it was told, and in frames with nothing drawn a share of that."""

    def __init__(self, likely: NDArray[np.float32], in_clean: float = 1.0) -> None:
        super().__init__(offsets=(1,), widths=(4,))
        self.likely, self.in_clean = likely, in_clean

    def look(self, frames: torch.Tensor, keep: range) -> NDArray[np.float32]:
        is_clean = bool((frames == frames[0, 0, 0, 0]).all())
        return np.stack([self.likely * (self.in_clean if is_clean else 1.0) for _ in keep]).astype(np.float32)


def drawn_on(place: tuple[slice, slice], margin: tuple[slice, slice]) -> HeldOutWindow:
    target = torch.full((2, 3, 96, 96), 0.5)
    frames, judged = target.clone(), torch.zeros(2, 1, 96, 96)
    frames[:, :, *place] = 0.2
    judged[:, :, *margin] = 1.0
    return HeldOutWindow("1A", Example(frames, judged, target, {"judged": judged}), range(2), Fraction(24))


def test_it_calls_what_finds_and_is_right_most() -> None:
    line = drawn_on((slice(10, 90), slice(20, 22)), (slice(8, 92), slice(16, 26)))
    likely = np.zeros((2, 96, 96), np.float32)
    likely[0, 10:60, 20:22], likely[0, 60:90, 20:22] = 0.9, 0.3
    likely[0, 10:90, 24:26] = 0.1
    settling, counts, num_frames = choose_settling(Says(likely), [line])
    assert 0.1 <= settling.above < 0.3 and settling.broad == 1.0
    assert (counts.recall, counts.precision, num_frames) == (1.0, 1.0, 2), "a mask's margin is not what was drawn"

    likely[1, 60:90, 50:80] = 0.9
    assert choose_settling(Says(likely), [line])[0].broad == 1.0, "where all areas are wrong none is called"
    boom = drawn_on((slice(60, 90), slice(50, 80)), (slice(59, 91), slice(49, 81)))
    settling, counts, _ = choose_settling(Says(likely, in_clean=0.0), [boom])
    assert settling.broad < 0.9 and counts.recall == 1.0
    assert choose_settling(Says(likely), [boom])[0].broad == 1.0, "called as well where nothing is"
    settling, counts, _ = choose_settling(Says(likely, in_clean=0.8), [boom])
    assert 0.72 < settling.broad < 0.9 and counts.recall == 1.0


@pytest.mark.parametrize(("faint_rows", "is_called"), [(2, False), (8, True)])
def test_of_likelihoods_as_good_as_the_best_the_most_precise(faint_rows: int, is_called: bool) -> None:
    line = drawn_on((slice(10, 90), slice(20, 22)), (slice(8, 92), slice(16, 26)))
    likely = np.zeros((2, 96, 96), np.float32)
    likely[0, 10 : 90 - faint_rows, 20:22] = 0.9
    likely[0, 90 - faint_rows : 90, 20:22] = likely[0, 50:52, 22:24] = 0.2
    settling, counts, _ = choose_settling(Says(likely), [line])
    assert [settling.above < 0.2, counts.recall == 1.0, counts.precision < 1.0] == [is_called] * 3


def test_a_finder_that_is_never_right_often_enough_is_set_to_where_both_are_best() -> None:
    line = drawn_on((slice(10, 90), slice(20, 22)), (slice(8, 92), slice(16, 26)))
    likely = np.zeros((2, 96, 96), np.float32)
    likely[0, 10:60, 20:22] = likely[0, 10:60, 40:42] = 0.6
    likely[0, :, 60:] = 0.3
    settling, counts, _ = choose_settling(Says(likely), [line])
    assert 0.3 <= settling.above < 0.6 and counts.precision == 0.5


def test_lines_are_followed_where_they_are_long_and_that_finds_more() -> None:
    line = drawn_on((slice(0, 96), slice(20, 22)), (slice(0, 96), slice(16, 26)))
    likely = np.full((2, 96, 96), 1e-5, np.float32)
    likely[0, :50, 20:22], likely[0, 50:, 20:22] = 0.9, 0.005
    # Elsewhere more is likelier: no threshold tells them apart.
    likely[0, 40:, 40:] = 0.02
    followed, counts, _ = choose_settling(Says(likely), [line], long_lines=True)
    assert followed.patience_px > 0 and counts.recall > 0.95 and counts.precision > 0.95
    settling, counts, _ = choose_settling(Says(likely), [line])
    assert settling.patience_px == 0 and counts.recall < 0.6, "dirt is not followed"


def test_ways_to_follow_ask_a_frame_together_with_those_beside_it() -> None:
    line = drawn_on((slice(0, 96), slice(20, 22)), (slice(0, 96), slice(16, 26)))
    planes = (line.example.input, line.example.mask, line.example.target)
    twice = Example(*(torch.cat((p, p)) for p in planes), {"judged": torch.cat([line.example.condition["judged"]] * 2)})
    likely = np.full((4, 2, 96, 96), 1e-5, np.float32)
    # What is judged cannot tell a line from what is none; the frames beside it can.
    likely[:, 0, :, 20:22] = 0.97
    likely[1, 0, :, 20:22] = likely[1, 0, :, 60:62] = 0.5

    class SaysByFrame(Says):
        def look(self, frames: torch.Tensor, keep: range) -> NDArray[np.float32]:
            return likely[keep.start : keep.stop]

    window = replace(line, example=twice, keep=range(1, 2))
    settling, counts, num_frames = choose_settling(SaysByFrame(likely), [window], long_lines=True)
    assert settling.num_beside == 1 and (counts.recall, counts.precision, num_frames) == (1.0, 1.0, 1)
    settling, counts, _ = choose_settling(SaysByFrame(likely), [window])
    assert settling.num_beside == 1 and settling.patience_px == 0 and counts.precision == 1.0


def test_dust_on_one_frame_is_called_beside_long_pieces_that_are_less_likely() -> None:
    dust = drawn_on((slice(0, 96), slice(20, 22)), (slice(0, 96), slice(16, 26)))
    dust.example.input[1, :, 40:43, 60:63] = 0.2
    dust.example.condition["judged"][1, :, 38:45, 58:65] = 1.0
    likely = np.full((2, 2, 96, 96), 1e-6, np.float32)
    likely[:, 0, :, 20:22] = 0.2
    likely[1, 0, 40:43, 60:63] = 0.9999
    # As likely as the line, but short.
    likely[:, 0, 80:86, 70:76] = likely[:, 0, 10:16, 50:56] = 0.3

    class SaysByFrame(Says):
        def look(self, frames: torch.Tensor, keep: range) -> NDArray[np.float32]:
            return likely[keep.start : keep.stop]

    settling, counts, _ = choose_settling(SaysByFrame(likely), [dust])
    assert settling.above < 0.2 and settling.least_px > 0 and settling.sure < 1.0
    assert (counts.recall, counts.precision) == (1.0, 1.0)


@pytest.mark.parametrize(("wrong_px", "finds_more"), [(20, True), (60, False)])
def test_of_ways_to_follow_the_lowest_start_while_it_is_right_often_enough(wrong_px: int, finds_more: bool) -> None:
    line = drawn_on((slice(0, 96), slice(20, 22)), (slice(0, 96), slice(16, 26)))
    # Pieces that continue nothing: a likely one, another, and one where nothing is.
    line.example.input[:, :, 0:60, 70:72] = 0.2
    line.example.condition["judged"][:, :, 0:60, 68:74] = 1.0
    likely = np.full((2, 96, 96), 1e-5, np.float32)
    likely[0, :, 20:22], likely[0, :60, 70:72] = 0.97, 0.6
    likely[0, 94:, 30 : 30 + wrong_px] = 0.6
    settling, counts, _ = choose_settling(Says(likely), [line], long_lines=True)
    assert settling.patience_px and (settling.above < 0.6) == finds_more
    assert (counts.recall == 1.0) == finds_more and counts.precision >= 0.8
