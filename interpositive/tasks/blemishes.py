"""Procedural blemishes: how dirt, damage and things that should not be in frame look on film, drawn over clean frames.

Dust and hairs lie on one frame of a print. A scratch runs through many of them, near upright, and drifts. A spot on
the sensor stays where it is and only dims. A boom or a stand comes in from an edge, soft and moving, and throws a
shadow (Kokaram, Motion Picture Restoration, 1998, names the film kinds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.tasks.outlines import filled
from interpositive.tasks.wires import Points, draw_coverage

Plane = NDArray[np.float32]
Colour = tuple[float, float, float]

_FAINTEST = 0.01


class Blemish(Protocol):
    """One thing to be removed, over a window of frames."""

    def draw(self, picture: Plane, coverage: Plane, frame: int) -> None:
        """Draw it into a frame ``h w 3`` of the window, and what it covers into ``h w``."""


@dataclass(frozen=True)
class Speck:
    """Dust on one ``frame``: its outline ``n 2`` in pixels, its ``colour`` in [0, 1], and how opaque it is."""

    frame: int
    outline: Points
    colour: Colour
    opacity: float

    def draw(self, picture: Plane, coverage: Plane, frame: int) -> None:
        """On its own frame alone."""
        if frame == self.frame:
            _cover(picture, coverage, filled([self.outline], *coverage.shape) * self.opacity, self.colour)


@dataclass(frozen=True)
class Hair:
    """A hair along ``curve`` (``n 2``), on the frames ``first <= t < end``, where ``shift`` (``t 2``) moves it.

    Dust on a print lasts one frame; a hair in the gate stays, and trembles.
    """

    curve: Points
    width_px: float
    first: int
    end: int
    shift: Points
    colour: Colour
    opacity: float

    def draw(self, picture: Plane, coverage: Plane, frame: int) -> None:
        """While it lasts."""
        if self.first <= frame < self.end:
            alpha = draw_coverage([self.curve + self.shift[frame]], self.width_px, *coverage.shape)
            _cover(picture, coverage, alpha * self.opacity, self.colour)


@dataclass(frozen=True)
class Scratch:
    """A scratch through the window, ``x`` (``t n``) at heights ``y`` (``n``), as strong as ``strength`` (``t n``) says.

    It brightens towards its ``colour`` or darkens, and is nowhere quite opaque.
    """

    x: Plane
    y: Plane
    width_px: float
    strength: Plane
    colour: Colour

    def draw(self, picture: Plane, coverage: Plane, frame: int) -> None:
        """From top to bottom, with its gaps."""
        curve = np.stack((self.x[frame], self.y), -1).astype(np.float32)
        alpha = draw_coverage([curve], self.width_px, *coverage.shape)
        rows = np.arange(coverage.shape[0], dtype=np.float32)
        along = np.interp(rows, self.y, self.strength[frame]).astype(np.float32)
        _cover(picture, coverage, alpha * along[:, None], self.colour)


@dataclass(frozen=True)
class SensorSpot:
    """Dirt before the sensor: a soft disc that takes ``strength`` of the light, in one place for the whole take."""

    centre: tuple[float, float]
    radius_px: float
    strength: float

    def draw(self, picture: Plane, coverage: Plane, frame: int) -> None:
        """The same in every frame."""
        del frame
        height, width = coverage.shape
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        distance = np.hypot(xs - self.centre[0], ys - self.centre[1]) / self.radius_px
        dimmed = (self.strength * np.clip(1.5 - distance, 0.0, 1.0)).astype(np.float32)
        picture *= 1.0 - dimmed[..., None]
        np.maximum(coverage, np.where(dimmed > _FAINTEST, np.maximum(dimmed, 0.1), 0.0), out=coverage)


@dataclass(frozen=True)
class Intrusion:
    """A boom, stand or cable that reaches in from an edge: ``ends`` ``t 2 2`` (from outside, to its tip), in pixels.

    Its tip is a capsule of ``tip_px`` across and ``tip_length_px`` long, with fur of ``grain``; the pole behind it is
    ``pole_px`` wide. ``shadow`` is ``(dx, dy, strength)`` or None.
    """

    ends: Points
    pole_px: float
    tip_px: float
    tip_length_px: float
    colour: Colour
    grain: Plane
    shadow: tuple[float, float, float] | None

    def draw(self, picture: Plane, coverage: Plane, frame: int) -> None:
        """Its shadow first, then pole and tip."""
        shape = coverage.shape
        start, tip = self.ends[frame]
        along = (tip - start) / max(1e-6, float(np.hypot(*(tip - start))))
        neck = tip - along * self.tip_length_px
        pole, head = np.stack((start, neck)), np.stack((neck, tip))
        if self.shadow is not None:
            moved = np.asarray(self.shadow[:2], np.float32)
            cast = np.maximum(
                draw_coverage([pole + moved], 1.3 * self.pole_px, *shape),
                draw_coverage([head + moved], 1.3 * self.tip_px, *shape),
            )
            soft = cv2.GaussianBlur(cast, (0, 0), 0.25 * self.tip_px) * self.shadow[2]
            picture *= 1.0 - soft[..., None]
            np.maximum(coverage, np.where(soft > _FAINTEST, np.minimum(1.0, soft * 4.0), 0.0), out=coverage)
        _cover(picture, coverage, draw_coverage([pole], self.pole_px, *shape), self.colour)
        fur = cv2.resize(self.grain, shape[::-1], interpolation=cv2.INTER_LINEAR)[..., None]
        furred = np.clip(np.asarray(self.colour, np.float32) * fur, 0.0, 1.0)
        _cover(picture, coverage, draw_coverage([head], self.tip_px, *shape), furred)


def draw_blemishes(frames: Plane, blemishes: Sequence[Blemish]) -> tuple[Plane, Plane]:
    """Draw blemishes over ``t h w 3`` frames; returns the damaged frames and their coverage ``t h w`` in [0, 1]."""
    damaged = frames.copy()
    coverage = np.zeros(frames.shape[:3], np.float32)
    for index in range(len(frames)):
        for blemish in blemishes:
            blemish.draw(damaged[index], coverage[index], index)
    return np.clip(damaged, min(0.0, float(frames.min())), max(1.0, float(frames.max()))), coverage


def _cover(picture: Plane, coverage: Plane, alpha: Plane, colour: Colour | Plane) -> None:
    picture[:] = picture * (1.0 - alpha[..., None]) + np.asarray(colour, np.float32) * alpha[..., None]
    np.maximum(coverage, alpha, out=coverage)
