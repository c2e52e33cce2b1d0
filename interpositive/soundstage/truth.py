"""The exact truth of a take, read off the scene model: what is seen, how far, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from interpositive.soundstage.cloth import Piece
from interpositive.soundstage.scenes import StagedTake
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.surfaces import Array, Matrix, place, reach
from interpositive.soundstage.wardrobe import with_virtual_joints

EDGE_PX = 1e-3


@dataclass(frozen=True)
class Truth:
    """Truth arrays of one take; geometry holds at frame centres, light over the open shutter.

    ``noiseless`` and ``clean_plate`` are ``t h w 3`` float32 display codes in [0, 1] before grain and
    rounding (``clean_plate``: same camera, no performers, no shadows of theirs). ``performer_alpha`` and
    ``shadow`` are ``t h w`` in [0, 1], motion-blurred like the frame: the visible share of performers, and
    the share of floor light their shadows take. ``layers`` names the set's surfaces and performers back to
    front, ``layer_alpha`` (``t k h w`` uint8, 255 opaque) is each one's own cover, hidden parts included.
    ``visible`` is ``t h w`` int16, the layer seen (foremost with cover >= 1/2), ``depth`` ``t h w`` metres
    along the lens axis, ``forward_flow`` and ``backward_flow`` ``t 2 h w`` pixels (x, y) to where the seen
    point is one frame later or earlier; also defined past both ends of the take, since the scene goes on.
    ``forward_hidden`` and ``backward_hidden`` are True where that point is then out of frame or covered by
    something else.
    """

    noiseless: Array
    clean_plate: Array
    performer_alpha: Array
    shadow: Array
    layers: tuple[str, ...]
    layer_alpha: npt.NDArray[np.uint8]
    visible: npt.NDArray[np.int16]
    depth: Array
    forward_flow: Array
    backward_flow: Array
    forward_hidden: npt.NDArray[np.bool_]
    backward_hidden: npt.NDArray[np.bool_]


class Part(NamedTuple):
    """One flat thing in the scene at one time: its layer, its cover texture and its way into the picture."""

    layer: int
    cover: Array
    homography: Matrix


class View(NamedTuple):
    """What one frame centre shows: parts back to front, the foremost part per pixel, and every layer's
    cover.
    """

    parts: list[Part]
    foremost: npt.NDArray[np.int16]
    covers: Array


def layer_names(staged: StagedTake, after: list[int]) -> tuple[tuple[str, ...], list[tuple[str, int]]]:
    """Names of all layers back to front, and what each is: ("surface" or "performer", index)."""
    order: list[tuple[str, int]] = []
    for index in range(-1, len(staged.surfaces)):
        if index >= 0:
            order.append(("surface", index))
        standing = [p for p, last in enumerate(after) if last == index]
        order.extend(("performer", p) for p in sorted(standing, key=lambda p: -staged.performers[p].z))
    names = [staged.surfaces[i].name if kind == "surface" else staged.performers[i].name for kind, i in order]
    return tuple(names), order


def look(staged: StagedTake, pieces: list[list[Piece]], after: list[int], time: float, size: tuple[int, int]) -> View:
    """Find the foremost part of every pixel at ``time``."""
    camera = staged.camera.matrix(time)
    _, order = layer_names(staged, after)
    width, height = size
    parts: list[Part] = []
    foremost = np.full((height, width), -1, np.int16)
    covers = np.zeros((len(order), height, width), np.float32)
    for layer, (kind, index) in enumerate(order):
        if kind == "surface":
            surface = staged.surfaces[index]
            drawn = [(np.ascontiguousarray(surface.paint[..., 3]), surface.homography(camera))]
        else:
            performer = staged.performers[index]
            joints, face = with_virtual_joints(performer, time), performer.facing(time)
            drawn = [(piece.alpha, camera @ piece.axes(joints, performer.z, face)) for piece in pieces[index]]
        for cover, homography in drawn:
            box = reach(homography, cover.shape[::-1], size)
            if box is not None:
                placed = place(cover, homography, box)
                inside = (slice(box[1], box[3]), slice(box[0], box[2]))
                foremost[inside][placed >= 0.5] = len(parts)
                covers[layer][inside] = placed + covers[layer][inside] * (1 - placed)
            parts.append(Part(layer, cover, homography))
    return View(parts, foremost, covers)


def follow(view: View, other: View) -> tuple[Array, Array]:
    """Depth ``h w`` of what ``view`` sees and its flow ``2 h w`` to where ``other`` has the same points."""
    height, width = view.foremost.shape
    depth = np.zeros((height, width), np.float32)
    flow = np.zeros((2, height, width), np.float32)
    for index in np.unique(view.foremost):
        if index < 0:
            continue
        y, x = np.nonzero(view.foremost == index)
        pixels = np.stack([x, y, np.ones_like(x)]).astype(np.float64)
        texels = np.linalg.solve(view.parts[index].homography, pixels)
        texels /= texels[2]
        depth[y, x] = view.parts[index].homography[2] @ texels
        landed = other.parts[index].homography @ texels
        flow[:, y, x] = landed[:2] / landed[2] - pixels[:2]
    return depth, flow


def hidden(view: View, other: View, flow: Array) -> npt.NDArray[np.bool_]:
    """Where a seen point lands out of frame, or on pixels that all show another part."""
    height, width = view.foremost.shape
    y, x = np.mgrid[0:height, 0:width]
    column, row = x + flow[0], y + flow[1]
    right, low = width - 1 + EDGE_PX, height - 1 + EDGE_PX
    outside = (column < -EDGE_PX) | (row < -EDGE_PX) | (column > right) | (row > low)
    seen = np.zeros((height, width), bool)
    for dy in (0, 1):
        for dx in (0, 1):
            there = other.foremost[
                np.clip(np.floor(row).astype(int) + dy, 0, height - 1),
                np.clip(np.floor(column).astype(int) + dx, 0, width - 1),
            ]
            seen |= there == view.foremost
    unseen: npt.NDArray[np.bool_] = outside | ~seen
    return unseen


def observe(
    staged: StagedTake,
    pieces: list[list[Piece]],
    after: list[int],
    exposures: list[tuple[Array, Array, Array, Array]],
    spec: StageSpec,
) -> Truth:
    """Gather the truth of a whole take; ``exposures`` are (noiseless, clean plate, alpha, shadow) per
    frame.
    """
    size = (spec.width, spec.height)
    names, _ = layer_names(staged, after)
    gathered: dict[str, list[npt.NDArray[Any]]] = {key: [] for key in _GEOMETRY}
    before, now = (look(staged, pieces, after, float(frame / spec.rate), size) for frame in (-1, 0))
    for frame in range(spec.num_frames):
        later = look(staged, pieces, after, float((frame + 1) / spec.rate), size)
        depth, forward = follow(now, later)
        _, backward = follow(now, before)
        layer_of_part = np.array([*(part.layer for part in now.parts), -1], np.int16)
        found: tuple[npt.NDArray[Any], ...] = (
            np.round(now.covers * 255).astype(np.uint8),
            layer_of_part[now.foremost],
            depth,
            forward,
            backward,
            hidden(now, later, forward),
            hidden(now, before, backward),
        )
        for key, array in zip(_GEOMETRY, found, strict=True):
            gathered[key].append(array)
        before, now = now, later
    arrays: dict[str, Any] = {key: np.stack(stacked) for key, stacked in gathered.items()}
    for key, light in zip(_LIGHT, zip(*exposures, strict=True), strict=True):
        arrays[key] = np.stack(light)
    return Truth(layers=names, **arrays)


_LIGHT = ("noiseless", "clean_plate", "performer_alpha", "shadow")
_GEOMETRY = (
    "layer_alpha",
    "visible",
    "depth",
    "forward_flow",
    "backward_flow",
    "forward_hidden",
    "backward_hidden",
)
