from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpositive.errors import MediaError, RunFolderError
from interpositive.review.encoding import (
    BLOCK_PX,
    Patch,
    block_runs,
    differing_blocks,
    encode_patch,
    mask_centre,
    to_8_bit,
)
from interpositive.review.pictures import choose_frames, embed_shot, frame_timecode
from interpositive.review.subjects import read_subject

Build = Callable[..., Path]


def test_short_shots_are_embedded_whole() -> None:
    assert choose_frames(5, [3], 120) == ([0, 1, 2, 3, 4], (0, 5))


def test_long_shots_play_around_the_worst_frame_and_hold_all_worst() -> None:
    chosen, (start, stop) = choose_frames(1000, [500, 7, 998], 100)
    assert (start, stop) == (450, 550)
    assert chosen == [7, *range(450, 550), 998]


@pytest.mark.parametrize("worst", [0, 999])
def test_playable_range_stays_inside_the_shot(worst: int) -> None:
    chosen, (start, stop) = choose_frames(1000, [worst], 100)
    assert stop - start == 100
    assert 0 <= start <= worst < stop <= 1000
    assert chosen == list(range(start, stop))


def test_codes_of_any_depth_become_8_bit() -> None:
    codes = np.array([0, 1, 128, 255], np.uint8).reshape(1, 1, 4, 1)
    assert np.array_equal(to_8_bit(codes), codes)
    assert np.array_equal(to_8_bit(codes.astype(np.uint16) * 257), codes)
    assert np.array_equal(to_8_bit(codes.astype(np.float32) / 255), codes)
    assert to_8_bit(np.array([-1.0, 2.0, np.nan], np.float32)).tolist() == [0, 255, 0]


def test_mask_centre() -> None:
    mask = np.zeros((10, 20), bool)
    assert mask_centre(mask) is None
    mask[2:4, 10:20] = True
    assert mask_centre(mask) == (0.75, 0.3)


def decoded(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"), np.float32)


def laid(patch: Patch, plate: np.ndarray) -> np.ndarray:
    """What the page's script does: stored blocks over the plate."""
    stored = decoded(patch.jpeg)
    if patch.runs is None:
        return stored
    whole = plate.copy()
    for row, column, length in patch.runs:
        rows = slice(row * BLOCK_PX, (row + 1) * BLOCK_PX)
        columns = slice(column * BLOCK_PX, (column + length) * BLOCK_PX)
        whole[rows, columns] = stored[rows, columns]
    return whole


def test_pictures_show_their_own_movie(make_run: Build) -> None:
    subject = read_subject(make_run(8))
    pictures = embed_shot(subject, subject.measures.shots[0], 10_000_000)
    assert set(pictures.tracks) == {"plate", "target", "result", "telea", "recursive_flow"}
    assert {len(held) for held in pictures.tracks.values()} == {8}
    assert len(pictures.matte) == len(pictures.centres) == 8
    inside = decoded(pictures.matte[4])[..., 0] > 127
    plate = decoded(pictures.tracks["plate"][4].jpeg)
    result, target = (laid(pictures.tracks[role][4], plate) for role in ("result", "target"))
    assert 0.02 < inside.mean() < 0.1
    assert (target - plate)[inside].mean() > 15, "the wire is in the plate"
    assert abs((target - result)[inside].mean()) < 3, "the result has no wire"
    assert np.abs(result - plate)[~inside].mean() < 1


def test_repairs_are_stored_where_they_differ_and_cost_less(make_run: Build) -> None:
    subject = read_subject(make_run(8))
    pictures = embed_shot(subject, subject.measures.shots[0], 10_000_000)
    plate, result = pictures.tracks["plate"][4], pictures.tracks["result"][4]
    assert result.runs
    assert len(result.jpeg) < 0.6 * len(plate.jpeg)


def test_a_change_outside_the_mask_is_never_hidden() -> None:
    plate = np.full((50, 70, 3), 100, np.uint8)
    frame = plate.copy()
    frame[40, 60, 1] = 160
    nothing = np.zeros((50, 70), bool)
    blocks = differing_blocks(frame, plate, nothing)
    assert blocks.shape == (4, 5)
    assert np.argwhere(blocks).tolist() == [[2, 3]]
    patch = encode_patch(frame, plate, nothing, 95)
    assert patch.runs == [(2, 3, 1)]
    assert laid(patch, plate.astype(np.float32))[40, 60, 1] > 130


def test_masked_blocks_are_stored_even_when_equal() -> None:
    plate = np.full((32, 32, 3), 100, np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[20, 3] = True
    assert np.argwhere(differing_blocks(plate, plate, mask)).tolist() == [[1, 0]]


def test_block_runs() -> None:
    blocks = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    assert block_runs(blocks) == [(0, 0, 2), (0, 3, 1), (2, 0, 4)]


def test_small_budget_gives_fewer_bytes_and_keeps_the_worst_frames(make_run: Build) -> None:
    subject = read_subject(make_run(40))
    shot = subject.measures.shots[0]
    whole = embed_shot(subject, shot, 10_000_000)
    tight = embed_shot(subject, shot, whole.num_bytes // 3)
    assert tight.num_bytes <= whole.num_bytes // 3
    assert len(tight.frames) < len(whole.frames) == 40
    assert set(shot.worst_frames) <= set(tight.frames)


def test_short_movie_is_refused(make_run: Build) -> None:
    folder = make_run(8)
    subject = read_subject(folder)
    longer = subject.measures.shots[0].model_copy(update={"num_frames": 9})
    with pytest.raises(MediaError, match="8 frames"):
        embed_shot(subject, longer, 10_000_000)


def test_picture_outside_its_folder_is_refused(make_run: Build) -> None:
    subject = read_subject(make_run(8))
    with pytest.raises(RunFolderError, match="outside its folder"):
        subject.picture_path("../run.json")
    with pytest.raises(RunFolderError, match="missing"):
        subject.picture_path("nowhere.mp4")


def test_timecode_of_a_frame(make_run: Build) -> None:
    shot = read_subject(make_run(8)).measures.shots[0]
    assert frame_timecode(shot, shot.first_frame + 25) == "01:00:01:01"
    assert frame_timecode(shot.model_copy(update={"start_timecode": None}), 1001) is None
    midnight = shot.model_copy(update={"start_timecode": "23:59:59:20"})
    assert frame_timecode(midnight, shot.first_frame + 5) == "00:00:00:01"
