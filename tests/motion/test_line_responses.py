"""Lines stand out from noise, whichever way they run, and say whether they are bright or dark."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from interpositive.motion.line_responses import PieceMeans, line_responses, piece_kernel


@pytest.mark.parametrize("angle", [0.0, 33.0, 90.0, 147.0])
@pytest.mark.parametrize("step", [0.1, -0.1])
def test_a_line_fainter_than_the_noise_stands_out(angle: float, step: float) -> None:
    random = np.random.default_rng(3)
    plane = np.zeros((96, 96), np.float32)
    reach = 60 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    ends = [tuple(int(v) for v in np.rint(48 + side * reach)) for side in (-1, 1)]
    line = cv2.line(plane.copy(), ends[0], ends[1], 1.0, 2) > 0
    noisy = 0.5 + step * line + random.normal(0.0, 0.12, plane.shape).astype(np.float32)
    brighter, darker = line_responses(noisy.astype(np.float32), 31, 2.0)
    wanted, other = (brighter, darker) if step > 0 else (darker, brighter)
    inside = cv2.erode(np.ones_like(plane, np.uint8), np.ones((33, 33)), borderValue=0) > 0
    off = inside & (cv2.dilate(line.astype(np.uint8), np.ones((9, 9))) == 0)
    assert np.median(wanted[line & inside]) > 1.2 * np.quantile(wanted[off], 0.95)
    assert np.median(wanted[line & inside]) > 2.0 * np.median(other[line & inside])


def test_even_light_gives_none_and_neither_does_an_edge() -> None:
    plane = np.full((60, 80), 0.7, np.float32)
    assert all(response.max() < 1e-5 for response in line_responses(plane, 15, 1.5))
    plane[:, 40:] = 0.1
    edge = max(response[:, 36:44].max() for response in line_responses(plane, 31, 2.0))
    plane[:, 42:] = 0.7
    line = line_responses(plane, 31, 2.0)[1][:, 40:42].min()
    assert edge < 0.05 and line > 0.3


@pytest.mark.parametrize("angle", [2.8, 8.5, 41.0])
def test_a_long_line_is_as_good_between_two_directions(angle: float) -> None:
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    ends = [tuple(int(v) for v in np.rint(16 * (64 + side * 120 * along))) for side in (-1, 1)]
    plane = cv2.line(np.zeros((128, 128), np.float32), ends[0], ends[1], 1.0, 3, cv2.LINE_AA, 4)
    assert line_responses(plane, 61, 2.5)[0][60:68, 60:68].max() > 0.7


@pytest.mark.parametrize("shape", [(54, 96), (51, 83), (20, 30)])
@pytest.mark.parametrize(("length_px", "width_px"), [(5, 2.0), (15, 1.5), (31, 4.0)])
def test_means_over_pieces_are_what_filtering_gives(shape: tuple[int, int], length_px: int, width_px: float) -> None:
    plane = np.random.default_rng(0).random(shape).astype(np.float32)
    means = PieceMeans(plane, length_px, width_px)
    for angle in (0.0, 0.4, 1.6, 2.9):
        kernel = piece_kernel(length_px, width_px, angle)
        filtered = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(means.along(angle), filtered, atol=1e-6)
