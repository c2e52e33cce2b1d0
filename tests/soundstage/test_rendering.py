"""Frames are repeatable, look exposed like film, and differ between takes as takes do."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from interpositive.errors import ConfigError
from interpositive.soundstage.rendering import RenderedTake, render_take
from interpositive.soundstage.scenes import build_set, stage_take
from interpositive.soundstage.shooting import Shoot
from interpositive.soundstage.spec import SCENE_NAMES, SceneName, StageSpec, stream

Takes = dict[SceneName, RenderedTake]


def spec_with(**changes: object) -> StageSpec:
    return StageSpec.from_values({"seed": 3, "width": 128, "height": 72, "num_frames": 2, **changes})


def test_equal_specs_give_equal_bits_in_another_process_and_order() -> None:
    program = (
        "import hashlib; from interpositive.soundstage.spec import StageSpec;"
        "from interpositive.soundstage.rendering import render_take;"
        "s = StageSpec.from_values(dict(seed=3, width=128, height=72, num_frames=2));"
        "print(hashlib.sha256(render_take(s, '44C', 2, with_truth=False).frames.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(digests) == 1
    spec = spec_with()
    shoot = Shoot(spec, stage_take(spec, "44C", 2))
    backwards = [shoot.film(shoot.expose(frame).light, frame) for frame in (1, 0)]
    in_order = render_take(spec, "44C", 2, with_truth=False).frames
    assert np.array_equal(in_order, np.stack(backwards[::-1]))


def test_seed_and_take_change_the_frames_but_takes_share_the_set() -> None:
    spec = spec_with()
    first = render_take(spec, "27", 1, with_truth=False).frames
    assert not np.array_equal(first, render_take(spec, "27", 2, with_truth=False).frames)
    assert not np.array_equal(first, render_take(spec_with(seed=4), "27", 1, with_truth=False).frames)
    assert build_set(spec, "12A") is build_set(spec_with(num_frames=5, grain=0.0), "12A")


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_frames_are_exposed_like_footage(small_takes: Takes, scene: SceneName) -> None:
    frames = small_takes[scene].frames
    assert frames.dtype == np.uint8 and frames.shape == (4, 144, 256, 3)
    dark, middle, bright = np.quantile(frames, [0.02, 0.5, 0.98])
    assert dark < 70 and 20 < middle < 150 and bright > 110
    assert (frames == 255).mean() < 0.02
    detail = np.abs(np.diff(frames[..., 1].astype(float), axis=2)).mean()
    assert 2.0 < detail < 20.0, "texture that is neither mush nor noise"


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_grain_is_fresh_each_frame_and_grows_with_strength(small_takes: Takes, scene: SceneName) -> None:
    take = small_takes[scene]
    assert take.truth is not None
    grain = take.frames.astype(float) - take.truth.noiseless * 255
    assert 0.8 < grain.std() < 6.0
    assert abs(grain.mean()) < 0.6
    between = np.corrcoef(grain[0].ravel(), grain[1].ravel())[0, 1]
    beside = np.corrcoef(grain[0][:, 1:].ravel(), grain[0][:, :-1].ravel())[0, 1]
    assert abs(between) < 0.08 and 0.15 < beside < 0.8


def test_no_grain_is_the_noiseless_frame_rounded() -> None:
    take = render_take(spec_with(grain=0.0), "12A", 1)
    assert take.truth is not None
    assert np.abs(take.frames - take.truth.noiseless * 255).max() <= 0.5 + 1e-3


def test_locked_off_camera_stays_and_the_others_move(small_takes: Takes) -> None:
    for scene, take in small_takes.items():
        still = bool((take.cameras == take.cameras[0]).all())
        assert still == (scene == "27")


def test_performers_walk_without_sliding() -> None:
    """While a foot is on the floor it stays put: the planted foot is far slower than the hips."""
    spec = spec_with(num_frames=48)
    walker = stage_take(spec, "31B", 1).performers[1]
    step = 1 / 96
    ratios = []
    for time in np.arange(0.2, 1.8, step):
        now, later = walker.joints(time), walker.joints(time + step)
        planted = min(("left_ankle", "right_ankle"), key=lambda name: -now[name][1])
        ratios.append(abs(later[planted][0] - now[planted][0]) / abs(later["neck"][0] - now["neck"][0]))
    assert np.median(ratios) < 0.45


def test_streams_depend_on_names_only() -> None:
    assert stream(1, "a").integers(1 << 30) == stream(1, "a").integers(1 << 30)
    assert stream(1, "a").integers(1 << 30) != stream("1a").integers(1 << 30)


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="odd frame size"):
        spec_with(width=129)
    with pytest.raises(ConfigError, match="no such take"):
        render_take(spec_with(), "12A", 0)
    with pytest.raises(ConfigError, match="no such take"):
        render_take(spec_with(), "99Z", 1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="scenes must be named once"):
        spec_with(scenes=("27", "27"))
