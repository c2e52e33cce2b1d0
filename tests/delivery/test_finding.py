"""``mask=auto``: the mask lies beside the delivery, is named in its papers, and does the same when it is given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_ins import SOURCE, KnownErrors, NothingDamaged, settings, write_movie, write_sequence
from torch import Tensor

from interpositive.delivery.deliver import deliver_shot
from interpositive.errors import MaskError
from interpositive.media.opening import open_reader
from interpositive.mini_models.finder import Finder
from interpositive.mini_models.finder_archive import FinderRecipe, KeptFinder
from interpositive.records.delivery_manifest import read_and_verify

NUM_FRAMES = 20


class CanBeFound(NothingDamaged):
    can_be_found = True


class SeesBright(Finder):
    """Calls likely what is bright."""

    def __init__(self) -> None:
        super().__init__(offsets=(1,), widths=(4,))
        self.heights: set[int] = set()
        self.num_looks = 0

    def look(self, frames: Tensor, keep: range) -> NDArray[np.float32]:
        self.heights.add(frames.shape[-2])
        self.num_looks += len(keep)
        bright = frames[keep.start : keep.stop].amin(1).numpy()
        return np.stack((bright, np.zeros_like(bright)), 1)


def kept(height: int = 16, num_beside: int = 0) -> KeptFinder:
    recipe = FinderRecipe(
        production="tiny", task="found", arguments={}, encoding="native", height=height,
        above=0.6, least_px=3.0, broad=1.0, num_beside=num_beside,
        recall=0.93, precision=0.85, num_frames=12,
    )  # fmt: skip
    return KeptFinder(SeesBright(), recipe, "f" * 64)


def wired() -> NDArray[np.uint8]:
    codes = np.full((NUM_FRAMES, 32, 40, 3), 60, np.uint8)
    for t in range(NUM_FRAMES):
        codes[t, :, 8 + t : 12 + t] = 250
    return codes


def frames_of(folder: Path) -> NDArray[Any]:
    return np.asarray(open_reader(folder / "frames").window(0, NUM_FRAMES))


def test_what_is_found_is_repaired_told_and_can_be_given_back(tmp_path: Path) -> None:
    shot = write_movie(tmp_path / "shot.mkv", wired())
    finder = kept()
    manifest = deliver_shot(
        shot, "auto", tmp_path / "out", KnownErrors(), CanBeFound(), SOURCE, settings(first_frame=101), finder
    )
    read_and_verify(tmp_path / "out")
    assert finder.finder.heights == {16}, "it looks at the height that it learned at"
    assert next(source for source in manifest.sources if source.role == "finder").sha256 == "f" * 64
    note = next(note for note in manifest.notes if "found by the run's finder" in note)
    assert "recall 0.93 at precision 0.85" in note and "in 20 of 20 frames" in note
    assert note in (tmp_path / "out" / "measures.json").read_text()
    assert {"mask", "mask_likelihood", "frames"} <= {entry.role for entry in manifest.files}
    delivered = frames_of(tmp_path / "out")
    assert not (delivered[:, :, :, 0] > 230 * 257).any(), "no wire is left"
    assert all(0 < frame.mask_pixels < 0.4 * 32 * 40 for frame in manifest.frames)

    again = deliver_shot(
        shot, tmp_path / "out" / "mask", tmp_path / "again", KnownErrors(), CanBeFound(), SOURCE, settings()
    )
    assert np.array_equal(frames_of(tmp_path / "again"), delivered)
    assert not any("finder" in note for note in again.notes)


def test_the_mask_of_numbered_frames_has_their_numbers(tmp_path: Path) -> None:
    write_sequence(tmp_path / "plate", wired(), first_frame=1001)
    deliver_shot(tmp_path / "plate", "auto", tmp_path / "out", KnownErrors(), CanBeFound(), SOURCE, settings(), kept())
    names = sorted(path.name for path in (tmp_path / "out" / "mask").iterdir())
    assert names[0].endswith(".0001001.png") and len(names) == NUM_FRAMES
    given = tmp_path / "out" / "mask"
    deliver_shot(tmp_path / "plate", given, tmp_path / "again", KnownErrors(), CanBeFound(), SOURCE, settings())


def test_frames_are_asked_together_wherever_windows_end_and_looked_at_once(tmp_path: Path) -> None:
    codes = np.full((NUM_FRAMES, 32, 40, 3), 60, np.uint8)
    codes[:, :, 8:12] = 250
    # At the shot's start, and where a window ends: faint in one frame, and bright elsewhere in two.
    for number in (1, 15):
        codes[number, :, 8:12] = 140
    codes[16, :, 28:32] = codes[0, :, 28:32] = 170
    shot = write_movie(tmp_path / "shot.mkv", codes)
    found = {}
    for num_beside in (0, 1):
        finder, folder = kept(num_beside=num_beside), tmp_path / str(num_beside)
        deliver_shot(shot, "auto", folder, KnownErrors(), CanBeFound(), SOURCE, settings(), finder)
        masks = np.asarray(open_reader(folder / "mask").window(0, NUM_FRAMES))[..., 0] > 0
        found[num_beside] = [(bool(m[16, 10]), bool(m[16, 30])) for m in masks]
        assert finder.finder.num_looks == NUM_FRAMES
    alone = [(n not in (1, 15), n in (0, 16)) for n in range(NUM_FRAMES)]
    assert found == {0: alone, 1: [(True, False)] * NUM_FRAMES}


@pytest.mark.parametrize(("task", "remedy"), [(CanBeFound(), "finder.max_steps=null"), (NothingDamaged(), "")])
def test_without_a_finder_nothing_is_found(tmp_path: Path, task: NothingDamaged, remedy: str) -> None:
    shot = write_movie(tmp_path / "shot.mkv", wired())
    with pytest.raises(MaskError, match="no finder") as refused:
        deliver_shot(shot, "auto", tmp_path / "out", KnownErrors(), task, SOURCE, settings())
    assert remedy in refused.value.remedy and not (tmp_path / "out").exists()
