"""tOF against a plain script that follows TecoGAN's protocol, and how it is streamed."""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from interpositive.errors import ConfigError, MediaError
from interpositive.metrics.tof import Tof, field_distance, grey_codes, inner_part


def _panning_shot(num_frames: int, step_px: int = 2, height: int = 72, width: int = 96, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).standard_normal((height, width + step_px * num_frames, 3))
    smooth = gaussian_filter(noise, (2.0, 2.0, 0.0))
    wide = (0.5 + 0.15 * smooth / smooth.std()).clip(0, 1)
    frames = [wide[:, t * step_px : t * step_px + width] for t in range(num_frames)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float().contiguous()


def _shaken(shot: torch.Tensor, seed: int = 1) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    moved = [torch.roll(frame, tuple(generator.integers(-2, 3, 2)), (-2, -1)) for frame in shot]
    return torch.stack(moved)


def _by_the_script(result: torch.Tensor, reference: torch.Tensor) -> list[float]:
    """The published loop, over 8-bit files: frames 2 to n - 3, pairs of neighbours, cropped fields, Euclidean norm."""
    files = [
        [cv2.cvtColor(np.rint(f.permute(1, 2, 0).numpy() * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for f in shot]
        for shot in (result, reference)
    ]
    height, width = files[0][0].shape
    kept_h, kept_w = height // 32 * 32, width // 32 * 32
    while kept_h > height - 16:
        kept_h -= 32
    while kept_w > width - 16:
        kept_w -= 32
    y, x = (height - kept_h) // 2, (width - kept_w) // 2
    values = []
    for i in range(3, len(result) - 2):
        flows = [
            cv2.calcOpticalFlowFarneback(frames[i - 1], frames[i], None, 0.5, 3, 15, 3, 5, 1.2, 0)[
                y : y + kept_h, x : x + kept_w
            ]
            for frames in files
        ]
        values.append(float(np.sqrt(((flows[0] - flows[1]) ** 2).sum(-1)).mean()))
    return values


def _value(result: torch.Tensor, reference: torch.Tensor, **settings: int) -> float:
    metric = Tof(**settings)
    metric.update(result, reference)
    return float(metric.compute()["tof_farneback"])


def test_agrees_with_the_published_protocol() -> None:
    reference = _panning_shot(11)
    result = _shaken(reference)
    expected = _by_the_script(result, reference)
    assert len(expected) == 6 and min(expected) > 0.1
    assert _value(result, reference, every=1) == pytest.approx(np.mean(expected), rel=1e-6)
    metric = Tof(every=1)
    metric.update(result, reference)
    metric.shot_values()
    curve = metric.curves["tof_farneback"]
    assert curve[3:9] == pytest.approx(expected, rel=1e-6)
    assert all(math.isnan(value) for value in curve[:3] + curve[9:])


@pytest.mark.parametrize(
    ("size", "kept"), [(48, (8, 32)), (72, (20, 32)), (80, (8, 64)), (1080, (12, 1056)), (1920, (16, 1888))]
)
def test_the_inner_part_is_theirs(size: int, kept: tuple[int, int]) -> None:
    rows, columns = inner_part(size, 48)
    assert (rows.start, rows.stop - rows.start) == kept
    assert (columns.start, columns.stop) == (8, 40)


def test_every_third_pair_and_all_of_a_few() -> None:
    reference = _panning_shot(14)
    result = _shaken(reference)
    expected = _by_the_script(result, reference)
    assert len(expected) == 9
    assert _value(result, reference) == pytest.approx(np.mean(expected[::3]), rel=1e-6)
    few = _by_the_script(result[:11], reference[:11])
    assert _value(result[:11], reference[:11]) == pytest.approx(np.mean(few), rel=1e-6)


def test_ends_may_count_too() -> None:
    reference = _panning_shot(3)
    result = _shaken(reference)
    assert math.isnan(_value(result, reference))
    assert _value(result, reference, skip_ends=0) > 0.1
    assert math.isnan(_value(result[:1], reference[:1], skip_ends=0))


def test_windows_equal_the_whole_however_often_it_is_asked() -> None:
    reference = _panning_shot(14)
    result = _shaken(reference)
    whole = _value(result, reference)
    metric = Tof()
    for start, stop in ((0, 1), (1, 8), (8, 9), (9, 14)):
        metric(result[start:stop], reference[start:stop])  # forward asks for the value each time
    assert float(metric.compute()["tof_farneback"]) == pytest.approx(whole, rel=1e-9)
    assert len(metric.curves["tof_farneback"]) == 14
    metric.end_shot()
    metric.update(reference[:8], reference[:8])
    assert float(metric.compute()["tof_farneback"]) == pytest.approx(whole / 2, rel=1e-9)


def test_a_result_that_moves_otherwise_measures_worse() -> None:
    reference = _panning_shot(8)
    frozen = reference[:1].expand_as(reference)
    soft = torch.nn.functional.avg_pool2d(reference, 3, 1, 1, count_include_pad=False)
    values = [_value(result, reference) for result in (reference, soft, frozen)]
    assert values[0] == 0.0
    assert values[0] < values[1] < values[2]
    assert values[2] == pytest.approx(2.0, rel=0.1)  # all of the pan


def test_grey_is_bt601_of_rounded_codes() -> None:
    codes = np.random.default_rng(5).integers(0, 256, (3, 8, 8))
    frame = torch.from_numpy(codes).float() / 255
    expected = 0.299 * codes[0] + 0.587 * codes[1] + 0.114 * codes[2]
    assert np.abs(grey_codes(frame) - expected).max() <= 0.51
    assert (grey_codes(frame[:1]) == codes[0]).all()


def test_the_distance_is_euclidean() -> None:
    field = np.zeros((48, 48, 2), np.float32)
    assert field_distance(field + np.float32([3.0, 4.0]), field) == pytest.approx(5.0)


def test_bad_input_is_named() -> None:
    with pytest.raises(ConfigError, match="odd"):
        Tof(every=2)
    with pytest.raises(ConfigError, match="skip_ends: -1"):
        Tof(skip_ends=-1)
    shot = _panning_shot(2)
    with pytest.raises(MediaError, match="too small"):
        Tof().update(shot[..., :40], shot[..., :40])
    with pytest.raises(MediaError, match="without a reference"):
        Tof().update(shot)
    with pytest.raises(ConfigError, match="channels"):
        Tof().update(shot[:, :2], shot[:, :2])
