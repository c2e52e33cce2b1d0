"""A wire found in pieces is followed along its curve, as far as something speaks for it, and nothing else changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.motion.line_tracing import trace_lines

HEIGHT, WIDTH = 216, 384


def sagging_wire(upright: bool) -> NDArray[np.bool_]:
    """A wire from one edge of the frame to the other, three pixels broad, that sags."""
    canvas = np.zeros((WIDTH, HEIGHT) if upright else (HEIGHT, WIDTH), np.uint8)
    along = np.arange(0.0, canvas.shape[1])
    away = 60.0 + 40.0 * ((along - 120.0) / 230.0) ** 2
    cv2.polylines(canvas, [np.rint(np.stack((along, away), 1)).astype(np.int32)[:, None]], False, 1, 2)
    wire: NDArray[np.bool_] = np.ascontiguousarray(canvas) > 0
    return wire


def in_pieces(wire: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With a gap in its midst, and its end not found."""
    found = wire.copy()
    found[:, 70:130] = False
    found[:, 175:] = False
    return found


def grown(mask: NDArray[np.bool_], by: int = 1) -> NDArray[np.bool_]:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


def unlikely(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.exp(np.random.default_rng(3).normal(-11.0, 1.0, shape)).astype(np.float32)


def grey(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A picture with some grain and nothing in it."""
    return np.random.default_rng(4).normal(0.5, 0.01, (*shape, 3)).astype(np.float32)


@pytest.mark.parametrize("upright", [False, True])
def test_a_wire_is_followed_over_gaps_and_to_the_edge(upright: bool) -> None:
    wire = sagging_wire(upright)
    found = in_pieces(wire)
    likely = unlikely(wire.shape)
    likely[wire] = 0.03
    likely[found] = 0.9
    traced = trace_lines(found, likely, grey(likely.shape), patience_px=24.0)
    assert (traced & found).sum() == found.sum()
    assert (wire & grown(traced)).sum() > 0.97 * wire.sum(), "all of it, to the edge"
    assert not (traced & ~grown(wire, 2)).any()
    assert traced.sum() < 1.25 * wire.sum(), "as broad as its pieces"


def test_a_wire_ends_where_nothing_speaks_for_it() -> None:
    wire = sagging_wire(False)
    found = in_pieces(wire)
    likely = unlikely(wire.shape)
    likely[found] = 0.9
    traced = trace_lines(found, likely, grey(likely.shape), patience_px=24.0)
    assert not traced[:, 185:].any(), "it does not run to the edge"
    assert not traced[:, 85:115].any(), "a gap with nothing in it is left, where it is longer than patience allows"


@pytest.mark.parametrize(("shade", "further", "goes_on"), [(0.5, 0.5, True), (1.4, 1.4, True), (0.5, 1.4, False)])
def test_a_wire_goes_on_where_the_picture_shows_it_alike(shade: float, further: float, goes_on: bool) -> None:
    wire = sagging_wire(False)
    found = wire.copy()
    found[:, 175:] = False
    likely = unlikely(wire.shape)
    likely[found] = 0.9
    picture = grey(wire.shape)
    picture[found] *= shade
    picture[wire & ~found] *= further
    traced = trace_lines(found, likely, picture, patience_px=24.0)
    beyond = (wire & ~found)[:, 185:]
    assert (beyond & grown(traced)[:, 185:]).sum() == (beyond.sum() if goes_on else 0)
    assert not (traced & ~grown(wire, 2)).any()


def test_wires_that_cross_are_each_followed() -> None:
    # One piece, bent at their crossing like no wire; both go on where only the likelihood tells.
    wires = [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(3)]
    for wire, ends in zip(wires, [((0, 40), (383, 150)), ((40, 215), (300, 0)), ((230, 215), (90, 0))], strict=True):
        cv2.line(wire, *ends, 1, 3)
    drawn = np.max(wires, 0) > 0
    found = drawn.copy()
    found[:, :70] = found[:, 280:] = found[:25] = found[170:] = False
    assert cv2.connectedComponents(found.astype(np.uint8))[0] == 2
    likely = unlikely(drawn.shape)
    likely[drawn] = 0.03
    likely[found] = 0.9
    traced = trace_lines(found, likely, grey(likely.shape), patience_px=24.0)
    for wire in wires:
        assert ((wire > 0) & grown(traced)).sum() > 0.97 * (wire > 0).sum()
    assert not (traced & ~grown(drawn, 2)).any()


@pytest.mark.parametrize(("end", "reaches"), [(374, True), (364, False)])
def test_a_wire_that_ends_near_the_frames_edge_is_not_drawn_to_it(end: int, reaches: bool) -> None:
    wire = np.zeros((HEIGHT, WIDTH), bool)
    wire[100:103, :end] = True
    likely = unlikely(wire.shape)
    likely[wire] = 0.9
    traced = trace_lines(wire, likely, grey(likely.shape), patience_px=24.0)
    assert traced[:, 383].any() == reaches


def test_short_pieces_are_not_followed() -> None:
    wire = np.zeros((HEIGHT, WIDTH), bool)
    wire[100:103, 100:200] = True
    likely = unlikely(wire.shape)
    likely[wire] = 0.03
    for length, goes_on in ((25, False), (40, True)):
        found = wire.copy()
        found[:, 100 + length :] = False
        traced = trace_lines(found, likely, grey(likely.shape), patience_px=24.0)
        assert traced[101, 100:195].all() == goes_on and (traced == found).all() != goes_on


def test_what_is_no_line_stays_as_it_is() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[100, 20:140:10] = True
    mask[30:70, 200:260] = True
    likely = np.where(mask, 0.9, unlikely(mask.shape)).astype(np.float32)
    assert np.array_equal(trace_lines(mask, likely, grey(likely.shape), 24.0), mask)
    assert not trace_lines(np.zeros_like(mask), likely, grey(likely.shape), 24.0).any()
