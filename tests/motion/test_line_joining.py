"""Pieces of one line are joined; what does not continue it, or is no line, is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from interpositive.motion.line_joining import join_lines


def drawn(*lines: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
    canvas = np.zeros((120, 160), np.uint8)
    for start, end in lines:
        cv2.line(canvas, start, end, 1, 2)
    return canvas > 0


@pytest.mark.parametrize(("dx", "dy"), [(1.0, 0.0), (0.0, 1.0), (0.8, 0.6), (-0.57, 0.82)])
def test_a_gap_between_pieces_of_one_line_is_filled(dx: float, dy: float) -> None:
    def at(along: float) -> tuple[int, int]:
        return round(80 + along * dx), round(60 + along * dy)

    whole = drawn((at(-50), at(50)))
    pieces = drawn((at(-50), at(-14)), (at(14), at(50)))
    joined = join_lines(pieces, 41)
    assert (joined & pieces).sum() == pieces.sum()
    wide = cv2.dilate(joined.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert wide[whole].all()
    assert not (joined & ~(cv2.dilate(whole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)).any()
    assert not join_lines(pieces, 15)[55:66, 75:86].any(), "a gap that is too long stays"


def test_what_does_not_continue_a_line_is_left_alone() -> None:
    beside = drawn(((20, 30), (60, 30)), ((80, 50), (120, 50)))
    dots = np.zeros((120, 160), bool)
    dots[100, 20:140:10] = True
    mask = beside | dots
    assert np.array_equal(join_lines(mask, 41), mask)
    assert not join_lines(np.zeros_like(mask), 41).any()
