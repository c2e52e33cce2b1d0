"""FLIP against NVIDIA's package on whole frames."""

import math

import flip_evaluator
import numpy as np
import pytest
import torch

from interpositive.errors import ConfigError, MaskError, MediaError
from interpositive.metrics.flip import PIXELS_PER_DEGREE, Flip, flip_map, reach_px


def _frames(seed: int, num: int = 2, height: int = 40, width: int = 56) -> torch.Tensor:
    return torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(seed))


def _oracle(result: torch.Tensor, reference: torch.Tensor, ppd: float = PIXELS_PER_DEGREE) -> np.ndarray:
    arrays = [np.ascontiguousarray(frame.permute(1, 2, 0).numpy()) for frame in (reference, result)]
    found, _, _ = flip_evaluator.evaluate(*arrays, "LDR", applyMagma=False, parameters={"ppd": ppd})
    return np.array(found[..., 0])


def _values(metric: Flip, *frames: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, float]:
    metric.update(*frames, mask=mask)
    return metric.shot_values()


def test_whole_frames_are_those_of_the_package() -> None:
    result, reference = _frames(0)[0], _frames(1)[0]
    np.testing.assert_allclose(flip_map(result, reference).numpy(), _oracle(result, reference), atol=1e-6)
    np.testing.assert_allclose(flip_map(reference, result).numpy(), _oracle(reference, result), atol=1e-6)


def test_default_viewing_condition_is_that_of_the_package() -> None:
    frames = [np.zeros((2, 2, 3), np.float32)] * 2
    assert flip_evaluator.evaluate(*frames, "LDR")[2]["ppd"] == pytest.approx(PIXELS_PER_DEGREE, abs=1e-4)


@pytest.mark.parametrize("ppd", [3.0, 20.0, 67.0206, 90.0])
@pytest.mark.parametrize("place", ["middle", "corner", "edge", "two"])
def test_the_box_gives_what_the_whole_frame_gives(ppd: float, place: str) -> None:
    reference = _frames(2, 1, 120, 150)[0]
    result = reference.clone()
    if place in ("middle", "two"):
        result[:, 60, 70] = 1 - result[:, 60, 70]
    if place in ("corner", "two"):
        result[:, :2, :3] = 0.5
    if place == "edge":
        result[1, 80:90, 147:] = 0.0
    found = flip_map(result, reference, ppd)
    np.testing.assert_allclose(found.numpy(), _oracle(result, reference, ppd), atol=1e-5)
    differs = (result != reference).any(0)
    assert bool((found[differs] > 0).any())


@pytest.mark.parametrize("ppd", [10.0, 30.0, 67.0206, 120.0])
def test_the_reach_is_that_of_the_filters(ppd: float) -> None:
    """A changed pixel is felt as far as the reach and no farther."""
    size = 2 * reach_px(ppd) + 9
    reference = torch.full((3, size, size), 0.5)
    result = reference.clone()
    middle = size // 2
    result[:, middle, middle] = torch.tensor([1.0, 0.0, 0.0])
    felt = torch.from_numpy(_oracle(result, reference, ppd)).nonzero()
    assert int((felt - middle).abs().max()) == reach_px(ppd)


def test_equal_is_zero_and_noise_is_worse() -> None:
    reference, noise = _frames(3), _frames(4) - 0.5
    found = [_values(Flip(every=1), (reference + s * noise).clamp(0, 1), reference)["flip"] for s in (0, 0.05, 0.2, 1)]
    assert found[0] == 0.0 and found == sorted(found) and found[1] < found[3] <= 1


def test_equal_frames_are_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = _frames(5, 1)[0]
    monkeypatch.setattr(flip_evaluator, "evaluate", None)
    assert float(flip_map(frames, frames).max()) == 0.0
    assert float(flip_map(frames.new_full((3, 4, 4), 1.3), frames.new_ones(3, 4, 4)).max()) == 0.0  # one white


def test_every_third_frame_is_measured() -> None:
    result, reference = _frames(6, 8), _frames(7, 8)
    mask = torch.zeros(8, 1, 40, 56)
    mask[:4, 0, 5:20, 5:30] = 1.0
    metric = Flip()
    values = _values(metric, result, reference, mask=mask)
    maps = {t: _oracle(result[t], reference[t]) for t in (0, 3, 6)}
    assert values["flip"] == pytest.approx(np.mean(list(maps.values())), rel=1e-5)
    assert values["flip_hole"] == pytest.approx(np.mean([maps[t][5:20, 5:30] for t in (0, 3)]), rel=1e-5)
    assert [t for t, value in enumerate(metric.curves["flip"]) if not math.isnan(value)] == [0, 3, 6]
    assert [t for t, value in enumerate(metric.curves["flip_hole"]) if not math.isnan(value)] == [0, 3]
    assert len(metric.curves["flip"]) == 8


def test_a_fault_in_every_other_frame_cannot_hide() -> None:
    reference = _frames(8, 12)
    for first in (0, 1):
        result = reference.clone()
        result[first::2] = 1 - result[first::2]
        curve = Flip()
        sampled, whole = _values(curve, result, reference)["flip"], _values(Flip(every=1), result, reference)["flip"]
        assert sampled == pytest.approx(whole, rel=0.05)


def test_windows_equal_the_whole_and_shots_are_averaged() -> None:
    result, reference = _frames(9, 7), _frames(10, 7)
    mask = (_frames(11, 7)[:, :1] > 0.5).float()
    whole, streamed = Flip(), Flip()
    expected = _values(whole, result, reference, mask=mask)
    for part in (slice(0, 2), slice(2, 3), slice(3, 7)):
        streamed.update(result[part], reference[part], mask=mask[part])
    assert streamed.shot_values() == expected
    np.testing.assert_array_equal(streamed.curves["flip"], whole.curves["flip"])
    streamed.end_shot()
    other = _values(streamed, 0.9 * reference[:1], reference[:1])  # one frame is a shot, and its first is measured
    assert other["flip"] == pytest.approx(_oracle(0.9 * reference[0], reference[0]).mean(), rel=1e-5)
    means = streamed.compute()
    assert float(means["flip"]) == pytest.approx((expected["flip"] + other["flip"]) / 2)
    assert float(means["flip_hole"]) == pytest.approx(expected["flip_hole"])


def test_empty_mask_and_no_frame_are_not_defined() -> None:
    result, reference = _frames(12, 1), _frames(13, 1)
    values = _values(Flip(), result, reference, mask=torch.zeros(1, 1, 40, 56))
    assert math.isnan(values["flip_hole"]) and values["flip"] > 0
    assert all(math.isnan(value) for value in Flip().shot_values().values())


def test_bad_input_is_named() -> None:
    frames = _frames(14, 1)
    with pytest.raises(MediaError, match=r"(?s)\(1, 3, 40, 56\).*\(1, 3, 40, 55\)"):
        Flip().update(frames, frames[..., 1:])
    with pytest.raises(MediaError, match=r"(?s)not in \[0, 1\].*255"):
        Flip().update(frames, frames * 0 + 255)
    with pytest.raises(MaskError, match=r"(?s)\(1, 1, 40, 55\).*\(1, 3, 40, 56\)"):
        Flip().update(frames, frames, mask=torch.zeros(1, 1, 40, 55))
    with pytest.raises(MediaError, match=r"(?s)colour.*1 channels.*3"):
        Flip().update(frames[:, :1], frames[:, :1])
    for wrong in (0, 2, -1):
        with pytest.raises(ConfigError, match=rf"(?s){wrong}.*odd"):
            Flip(every=wrong)
    for ppd in (0.0, -3.0, math.nan):
        with pytest.raises(ConfigError, match="above 0"):
            Flip(pixels_per_degree=ppd)
