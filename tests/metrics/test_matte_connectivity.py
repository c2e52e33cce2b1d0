"""Conn against flood filling written out; floating pieces, cut-off pieces, what is forgiven, streaming."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from interpositive.errors import MediaError
from interpositive.metrics.matte_connectivity import MatteConnectivity, connectivity_error, largest_piece

NAME = "matte_connectivity"


def _largest_by_filling(mask: np.ndarray) -> set[tuple[int, int]]:
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    best: set[tuple[int, int]] = set()
    while left:
        piece, todo = set(), [left.pop()]
        while todo:
            y, x = todo.pop()
            piece.add((y, x))
            for beside in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if beside in left:
                    left.remove(beside)
                    todo.append(beside)
        best = max(best, piece, key=len)
    return best


def _error_by_filling(result: np.ndarray, true: np.ndarray) -> float:
    """Pixel by pixel: the last level before it first drops out of the largest piece of both mattes."""
    sources = [_largest_by_filling((result >= np.float32(k / 10)) & (true >= np.float32(k / 10))) for k in range(1, 11)]
    total = 0.0
    for y in range(result.shape[0]):
        for x in range(result.shape[1]):
            level = 0.0
            for k, source in enumerate(sources, start=1):
                if (y, x) not in source:
                    break
                level = k / 10
            phi = [1 - (d if d >= 0.15 else 0.0) for d in (float(m[y, x]) - level for m in (result, true))]
            total += abs(phi[0] - phi[1])
    return total / 1000


def _mattes(num_frames: int, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).standard_normal((num_frames, 30, 40))
    smooth = gaussian_filter(noise, (0, 4, 4))
    return torch.from_numpy((0.5 + smooth / (2 * smooth.std())).clip(0, 1)).float()[:, None]


def _value(result: torch.Tensor, reference: torch.Tensor) -> float:
    metric = MatteConnectivity()
    metric.update(result, reference)
    return float(metric.compute()[NAME])


def _figure() -> torch.Tensor:
    matte = torch.zeros(2, 1, 30, 40)
    matte[..., 5:25, 5:20] = 1.0
    return matte


def test_agrees_with_flood_filling() -> None:
    result, true = _mattes(4), torch.lerp(_mattes(4), _mattes(4, seed=1), 0.4)
    expected = [_error_by_filling(a[0].numpy(), b[0].numpy()) for a, b in zip(result, true, strict=True)]
    assert min(expected) > 0.01
    assert _value(result, true) == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_floating_piece_costs_its_opacity() -> None:
    floating = _figure()
    floating[..., 10:14, 30:35] = 0.8
    assert _value(floating, _figure()) == pytest.approx(20 * 0.8 / 1000, rel=1e-5)
    bigger = floating.clone()
    bigger[..., 15:25, 30:35] = 0.8
    assert _value(bigger, _figure()) > _value(floating, _figure())


def test_a_faint_piece_is_forgiven() -> None:
    faint = _figure()
    faint[..., 10:14, 30:35] = 0.14
    assert _value(faint, _figure()) == 0.0


def test_corners_do_not_join_pixels() -> None:
    mask = np.zeros((6, 6), dtype=bool)
    mask[:3, :3] = True
    mask[3:5, 3:5] = True
    assert largest_piece(mask).sum() == 9
    assert not largest_piece(np.zeros((4, 4), dtype=bool)).any()


def test_empty_mattes() -> None:
    empty = torch.zeros(2, 1, 30, 40)
    assert _value(empty, empty) == 0.0
    assert _value(empty, _figure()) == pytest.approx(300 / 1000)
    assert math.isnan(MatteConnectivity().shot_values()[NAME])


def test_a_level_that_is_reached_exactly_counts() -> None:
    for step in range(1, 11):
        matte = np.full((4, 4), step / 10, np.float32)
        assert connectivity_error(matte, np.ones((4, 4), np.float32)) == pytest.approx(
            16 * ((1 - step / 10) if 1 - step / 10 >= 0.15 else 0) / 1000, abs=1e-7
        )


def test_windows_equal_the_whole() -> None:
    result, true = _mattes(5), _mattes(5, seed=1)
    metric = MatteConnectivity()
    for start, stop in ((0, 1), (1, 3), (3, 5)):
        metric.update(result[start:stop], true[start:stop])
    assert float(metric.compute()[NAME]) == pytest.approx(_value(result, true), rel=1e-12)
    assert len(metric.curves[NAME]) == 5


def test_bad_input_is_named() -> None:
    with pytest.raises(MediaError, match="one channel"):
        MatteConnectivity().update(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8))
    with pytest.raises(MediaError, match="without a reference"):
        MatteConnectivity().update(_mattes(2))
