"""CIEDE2000 against the published pairs and scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from interpositive.errors import MaskError, MediaError
from interpositive.metrics.delta_e import BIN, DeltaE, ciede2000, delta_e00_map, lab_of_codes

# Sharma, Wu and Dalal 2005, table 1: L, a, b of each colour, and the difference.
PAIRS = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
TABLE = np.array([line.split() for line in PAIRS.split("\n") if line], dtype=np.float64)


def _frames(seed: int, num: int = 2, height: int = 20, width: int = 30) -> torch.Tensor:
    return torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _oracle(result: torch.Tensor, reference: torch.Tensor) -> np.ndarray:
    labs = [rgb2lab(frames.double().movedim(-3, -1).numpy()) for frames in (reference, result)]
    return np.asarray(deltaE_ciede2000(*labs))


def _values(metric: DeltaE, *frames: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, float]:
    metric.update(*frames, mask=mask)
    return metric.shot_values()


def test_the_published_pairs() -> None:
    assert TABLE.shape == (34, 7)
    first, second = (torch.from_numpy(part.T.copy()) for part in (TABLE[:, :3], TABLE[:, 3:6]))
    found = ciede2000(first, second).numpy()
    np.testing.assert_allclose(found, TABLE[:, 6], atol=5.1e-5)
    np.testing.assert_allclose(deltaE_ciede2000(TABLE[:, :3], TABLE[:, 3:6]), TABLE[:, 6], atol=5.1e-5)
    # Single precision cannot tell which side of opposite hues it is on (pairs 9 to 15).
    single, clear = ciede2000(first.float(), second.float()).numpy(), np.ones(34, dtype=bool)
    clear[8:15] = False
    np.testing.assert_allclose(single[clear], TABLE[clear, 6], atol=1.5e-4)
    np.testing.assert_allclose(single, TABLE[:, 6], atol=0.06)


def test_lab_and_difference_are_those_of_scikit_image() -> None:
    result, reference = _frames(0), _frames(1)
    lab = rgb2lab(result.movedim(-3, -1).numpy())
    np.testing.assert_allclose(lab_of_codes(result.movedim(-3, 0)).movedim(0, -1).numpy(), lab, atol=1e-9)
    for t in range(2):
        expected = _oracle(result[t], reference[t])
        np.testing.assert_allclose(delta_e00_map(result[t], reference[t]).numpy(), expected, atol=1e-9)
        single = delta_e00_map(result[t].float(), reference[t].float())
        assert single.dtype == torch.float32
        np.testing.assert_allclose(single.numpy(), expected, atol=1e-3)


def test_every_colour_of_a_coarse_cube_against_its_neighbours() -> None:
    """Greys, primaries, black and white, where hue or chroma vanish."""
    steps = torch.linspace(0, 1, 8, dtype=torch.float64)
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, 16, 32)
    for other in (cube.roll(1, 2), cube.roll(5, 1), cube.flip(0), 1 - cube):
        np.testing.assert_allclose(delta_e00_map(other, cube).numpy(), _oracle(other, cube), atol=1e-7)


def test_only_what_differs_is_computed_and_the_rest_is_zero() -> None:
    reference = _frames(2)[0]
    result = reference.clone()
    result[0, 3, 4] += 0.01
    result[:, 10:12, 7:9] = 0.5
    found = delta_e00_map(result, reference)
    np.testing.assert_allclose(found.numpy(), _oracle(result, reference), atol=1e-9)
    assert int((found > 0).sum()) == 5
    assert float(delta_e00_map(reference, reference).max()) == 0.0


def test_overshoot_is_what_a_display_shows() -> None:
    white, beyond = torch.ones(3, 4, 4), torch.full((3, 4, 4), 1.2)
    assert float(delta_e00_map(beyond, white).max()) == 0.0
    assert float(delta_e00_map(-beyond, 0 * white).max()) == 0.0


def test_half_precision_is_widened() -> None:
    half, reference = _frames(14)[0].half(), _frames(15)[0]
    np.testing.assert_allclose(delta_e00_map(half, reference).numpy(), _oracle(half, reference), atol=1e-9)
    assert bool(delta_e00_map(half, reference.half()).isfinite().all())


def test_grey_steps_in_closed_form() -> None:
    """For two greys the formula is the gap in L over S_L; black to white is 100."""
    black, white = torch.zeros(3, 1, 1, dtype=torch.float64), torch.ones(3, 1, 1, dtype=torch.float64)
    assert float(delta_e00_map(white, black)) == pytest.approx(100.0, abs=1e-3)


def test_values_are_means_over_pixels_of_all_frames() -> None:
    result, reference = _frames(3, 3).float(), _frames(4, 3).float()
    mask = torch.zeros(3, 1, 20, 30)
    mask[0, 0, 2:5, 3:9], mask[2, 0, 10:, 20:] = 1.0, 1.0
    metric = DeltaE()
    values, expected = _values(metric, result, reference, mask=mask), _oracle(result, reference)
    inside = expected[mask[:, 0].numpy() > 0.5]
    assert values["delta_e00"] == pytest.approx(expected.mean(), rel=1e-5)
    assert values["delta_e00_hole"] == pytest.approx(inside.mean(), rel=1e-5)
    for name, among in (("delta_e00_p95", expected), ("delta_e00_p95_hole", inside)):
        exact = np.percentile(among, 95, method="inverted_cdf")
        assert exact - 1e-3 <= values[name] <= exact + BIN + 1e-3
    assert metric.curves["delta_e00"] == pytest.approx(expected.mean((1, 2)), rel=1e-5)
    assert metric.curves["delta_e00_hole"][0] == pytest.approx(expected[0][mask[0, 0].numpy() > 0.5].mean(), rel=1e-5)
    assert math.isnan(metric.curves["delta_e00_hole"][1])


def test_percentile_is_zero_while_few_pixels_differ() -> None:
    reference = _frames(5, 1)
    result = reference.clone()
    result[..., :1, :20] = 1 - result[..., :1, :20]  # 20 of 600 pixels
    values = _values(DeltaE(), result, reference)
    assert values["delta_e00_p95"] == 0.0 and values["delta_e00"] > 0
    result[..., 1:2, :20] = 1 - result[..., 1:2, :20]
    assert _values(DeltaE(), result, reference)["delta_e00_p95"] > 0


def test_worse_pictures_measure_worse() -> None:
    reference, noise = _frames(6), _frames(7) - 0.5
    found = [_values(DeltaE(), (reference + s * noise).clamp(0, 1), reference) for s in (0.0, 0.02, 0.1, 0.5)]
    for name in ("delta_e00", "delta_e00_p95"):
        values = [value[name] for value in found]
        assert values[0] == 0.0 and values == sorted(values) and values[1] < values[3]


def test_windows_equal_the_whole_and_shots_are_averaged() -> None:
    result, reference = _frames(8, 5).float(), _frames(9, 5).float()
    mask = (_frames(10, 5)[:, :1] > 0.5).float()
    whole, streamed = DeltaE(), DeltaE()
    expected = _values(whole, result, reference, mask=mask)
    for part in (slice(0, 1), slice(1, 4), slice(4, 5)):
        streamed.update(result[part], reference[part], mask=mask[part])
    assert streamed.shot_values() == pytest.approx(expected, rel=1e-12)
    assert streamed.curves == whole.curves
    streamed.end_shot()
    other = _values(streamed, result[:1], reference[1:2])
    means = streamed.compute()
    assert float(means["delta_e00"]) == pytest.approx((expected["delta_e00"] + other["delta_e00"]) / 2)
    assert float(means["delta_e00_hole"]) == pytest.approx(expected["delta_e00_hole"])  # the other shot has no mask


def test_empty_mask_and_no_frame_are_not_defined() -> None:
    result, reference = _frames(11, 1), _frames(12, 1)
    values = _values(DeltaE(), result, reference, mask=torch.zeros(1, 1, 20, 30))
    assert math.isnan(values["delta_e00_hole"]) and math.isnan(values["delta_e00_p95_hole"])
    assert values["delta_e00"] > 0
    assert all(math.isnan(value) for value in DeltaE().shot_values().values())


def test_bad_input_is_named() -> None:
    frames = _frames(13, 1)
    with pytest.raises(MediaError, match=r"(?s)\(1, 3, 20, 30\).*\(1, 3, 20, 29\)"):
        DeltaE().update(frames, frames[..., 1:])
    with pytest.raises(MediaError, match=r"(?s)not in \[0, 1\].*255"):
        DeltaE().update(frames, frames * 0 + 255)
    with pytest.raises(MaskError, match=r"(?s)\(1, 1, 20, 29\).*\(1, 3, 20, 30\)"):
        DeltaE().update(frames, frames, mask=torch.zeros(1, 1, 20, 29))
    with pytest.raises(MediaError, match=r"(?s)colour.*1 channels.*3"):
        DeltaE().update(frames[:, :1], frames[:, :1])
    with pytest.raises(MediaError, match="without a reference"):
        DeltaE().update(frames)
