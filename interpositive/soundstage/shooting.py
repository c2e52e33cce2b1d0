"""One frame: sub-frames through the open shutter summed in scene-linear light, then lens and film."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpositive.soundstage import optics
from interpositive.soundstage.cameras import project
from interpositive.soundstage.cloth import Piece
from interpositive.soundstage.performers import Performer, joints_in_world
from interpositive.soundstage.scenes import StagedTake
from interpositive.soundstage.shadows import shadow_on_floor
from interpositive.soundstage.spec import StageSpec, stream
from interpositive.soundstage.surfaces import Array, Box, Matrix, overlap, place, reach, union
from interpositive.soundstage.wardrobe import dress, with_virtual_joints

MAX_SUBFRAMES = 10


SET_BLUR_STEP_PX = 1.3


PERFORMER_BLUR_STEP_PX = 1.6


class Placed(NamedTuple):
    """One set surface as it falls into a frame: its box, premultiplied pixels, and whether it catches
    shadows.
    """

    box: Box
    pixels: Array
    catches_shadow: bool
    order: int


class SetView(NamedTuple):
    """The set at one instant: all placed surfaces, the clean composite, and the composite of the hindmost
    ones.
    """

    placed: list[Placed]
    clean: Array
    behind: Array


class Exposure(NamedTuple):
    """Scene-linear light of one frame before film grain: with performers, without, and what tells them
    apart.
    """

    light: Array
    clean: Array
    alpha: Array
    shadow: Array


class Shoot:
    """Renders the frames of one staged take; frames may be asked for in any order."""

    def __init__(self, spec: StageSpec, staged: StagedTake) -> None:
        """Dress the performers and find where each stands among the set's surfaces."""
        self.spec, self.staged = spec, staged
        self.size = (spec.width, spec.height)
        focal = staged.camera.focal_px
        self.pieces: list[list[Piece]] = [
            dress(performer, 1.4 * focal / performer.z, spec.seed, 1.4 * performer.blur_px * spec.scale)
            for performer in staged.performers
        ]
        self.after = [self._standing_after(performer) for performer in staged.performers]
        floors = [i for i, surface in enumerate(staged.surfaces) if surface.catches_shadow]
        self.first_touched = min([*floors, *[after + 1 for after in self.after]], default=0)
        fall = optics.vignette(spec.width, spec.height, spec.vignette)
        self.gain = (fall * np.float32(staged.exposure)).astype(np.float32)
        self._still: SetView | None = None
        self._still_clean: tuple[Array, Array] | None = None

    def _standing_after(self, performer: Performer) -> int:
        """Index of the last surface behind a performer."""
        behind = [
            index
            for index, surface in enumerate(self.staged.surfaces)
            if surface.catches_shadow or surface.axes[2, 2] >= performer.z
        ]
        return max(behind, default=-1)

    def time(self, frame: int) -> float:
        """Seconds at the centre of a frame's exposure."""
        return float(frame / self.spec.rate)

    def set_view(self, camera: Matrix) -> SetView:
        """The set through one camera position."""
        width, height = self.size
        placed = []
        canvas = np.zeros((height, width, 3), np.float32)
        behind = canvas
        for index, surface in enumerate(self.staged.surfaces):
            if index == self.first_touched:
                behind = canvas.copy()
            homography = surface.homography(camera)
            box = reach(homography, surface.paint.shape[1::-1], self.size)
            if box is None:
                continue
            pixels = place(surface.paint, homography, box)
            placed.append(Placed(box, pixels, surface.catches_shadow, index))
            _over(canvas, pixels, box)
        return SetView(placed, canvas, behind)

    def expose(self, frame: int) -> Exposure:
        """Light on the film for one frame, softened by the lens, without grain."""
        width, height = self.size
        num_set, num_performer = self._num_subframes(frame)
        open_seconds = self.spec.shutter / float(self.spec.rate)
        centre = self.time(frame)
        casts = [self._lit(index, centre) for index in range(len(self.pieces))]
        shadow = shadow_on_floor(self.staged, self.pieces, centre, self.size, self.spec.scale)
        region = self._region(centre, open_seconds, shadow)
        clean = np.zeros((height, width, 3), np.float32)
        x0, y0, x1, y1 = region or (0, 0, 0, 0)
        light = np.zeros((y1 - y0, x1 - x0, 3), np.float32)
        alpha, shade = np.zeros(light.shape[:2], np.float32), np.zeros(light.shape[:2], np.float32)
        for step in range(num_set):
            view = self._view(centre + open_seconds * ((step + 0.5) / num_set - 0.5))
            clean += view.clean
            if region is None:
                continue
            share = num_performer // num_set
            for part in range(share):
                moment = centre + open_seconds * ((step * share + part + 0.5) / num_performer - 0.5)
                seen = self._with_performers(view, moment, casts, shadow, region)
                light += seen[0]
                alpha += seen[1]
                shade += seen[2]
        clean *= np.float32(1 / num_set)
        full_alpha, full_shadow = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
        full = clean.copy()
        if region is not None:
            scale = np.float32(1 / num_performer)
            full[y0:y1, x0:x1] = light * scale
            full_alpha[y0:y1, x0:x1], full_shadow[y0:y1, x0:x1] = alpha * scale, shade * scale
        return self._through_lens(full, clean, full_alpha, full_shadow)

    def _through_lens(self, full: Array, clean: Array, alpha: Array, shadow: Array) -> Exposure:
        sigma = self.spec.softness_px * self.spec.scale
        full, alpha, shadow = (optics.soften(image, sigma) for image in (full, alpha, shadow))
        finished = self._still_clean
        if finished is None:
            scatter = optics.glow(clean, 0.16, 7.0 * self.spec.scale)
            finished = (optics.soften(clean, sigma), scatter)
            if not self.staged.camera.moves:
                self._still_clean = finished
        soft_clean, scatter = finished
        return Exposure((full + scatter) * self.gain, (soft_clean + scatter) * self.gain, alpha, shadow)

    def _view(self, time: float) -> SetView:
        if self.staged.camera.moves:
            return self.set_view(self.staged.camera.matrix(time))
        if self._still is None:
            self._still = self.set_view(self.staged.camera.matrix(0.0))
        return self._still

    def _num_subframes(self, frame: int) -> tuple[int, int]:
        """Sub-frames for the set and (a multiple) for performers, enough that steps stay near a pixel."""
        half = self.spec.shutter / float(self.spec.rate) / 2
        if half == 0:
            return 1, 1
        centre, camera = self.time(frame), self.staged.camera
        first, last = camera.matrix(centre - half), camera.matrix(centre + half)
        points = np.array([[x * z, -1.0, z] for z in (3.0, 6.0, 40.0) for x in (-0.4, 0.0, 0.4)])
        travel = np.linalg.norm((project(last, points) - project(first, points))[:, :2], axis=1).max()
        num_set = int(np.clip(np.ceil(travel / self.spec.scale**0.5 / SET_BLUR_STEP_PX), 1, MAX_SUBFRAMES))
        reach_px = 0.0
        for performer in self.staged.performers:
            before = project(first, joints_in_world(performer, centre - half))
            after = project(last, joints_in_world(performer, centre + half))
            reach_px = max(reach_px, float(np.linalg.norm((after - before)[:, :2], axis=1).max()))
        wanted = int(np.clip(np.ceil(reach_px / self.spec.scale**0.5 / PERFORMER_BLUR_STEP_PX), num_set, MAX_SUBFRAMES))
        return num_set, num_set * int(np.ceil(wanted / num_set))

    def _lit(self, index: int, time: float) -> list[Array]:
        """Every piece of a performer with the light it gets at ``time``."""
        performer, rig = self.staged.performers[index], self.staged.rig
        joints = with_virtual_joints(performer, time)
        level = float(rig.level(np.float32(joints["neck"][0]), np.float32(performer.z)))
        veiled = []
        for piece in self.pieces[index]:
            paint = piece.lit(piece.axes(joints, performer.z, performer.facing(time)), rig, level)
            cover = paint[..., 3:]
            colour = rig.veil(paint[..., :3] / np.maximum(cover, 1e-4), performer.z) * cover
            veiled.append(np.concatenate([colour, cover], -1).astype(np.float32))
        return veiled

    def _region(self, centre: float, open_seconds: float, shadow: tuple[Box, Array] | None) -> Box | None:
        """The box that performers and their shadows can touch during the exposure."""
        boxes = [] if shadow is None else [shadow[0]]
        for moment in (centre - open_seconds / 2, centre, centre + open_seconds / 2):
            camera = self.staged.camera.matrix(moment)
            for performer, pieces in zip(self.staged.performers, self.pieces, strict=True):
                joints, face = with_virtual_joints(performer, moment), performer.facing(moment)
                for piece in pieces:
                    homography = camera @ piece.axes(joints, performer.z, face)
                    box = reach(homography, piece.alpha.shape[::-1], self.size, margin=4)
                    if box is not None:
                        boxes.append(box)
        return union(boxes)

    def _with_performers(
        self,
        view: SetView,
        time: float,
        casts: list[list[Array]],
        shadow: tuple[Box, Array] | None,
        region: Box,
    ) -> tuple[Array, Array, Array]:
        """Light, performer coverage and shadow inside ``region`` at one instant."""
        x0, y0, x1, y1 = region
        light = view.behind[y0:y1, x0:x1].copy()
        alpha, shade = np.zeros(light.shape[:2], np.float32), np.zeros(light.shape[:2], np.float32)
        camera = self.staged.camera.matrix(time)
        waiting = list(range(len(self.after)))
        for placed in view.placed:
            if placed.order < self.first_touched:
                continue
            for performer in [p for p in waiting if self.after[p] < placed.order]:
                self._draw(performer, time, camera, casts[performer], region, light, alpha, shade)
                waiting.remove(performer)
            common = overlap(placed.box, region)
            if common is None:
                continue
            pixels = _part(placed.pixels, placed.box, common)
            keep = 1 - pixels[..., 3]
            inside = _slices(common, region)
            alpha[inside] *= keep
            shade[inside] *= keep
            if placed.catches_shadow and shadow is not None:
                pixels = pixels.copy()
                touched = overlap(common, shadow[0])
                if touched is not None:
                    dark = _part(shadow[1], shadow[0], touched)
                    here = _slices(touched, common)
                    shade[_slices(touched, region)] += dark * pixels[here][..., 3]
                    pixels[here][..., :3] *= (1 - dark)[..., None]
            _over(light, pixels, (common[0] - x0, common[1] - y0, common[2] - x0, common[3] - y0))
        for performer in waiting:
            self._draw(performer, time, camera, casts[performer], region, light, alpha, shade)
        return light, alpha, shade

    def _draw(
        self,
        index: int,
        time: float,
        camera: Matrix,
        cast: list[Array],
        region: Box,
        light: Array,
        alpha: Array,
        shade: Array,
    ) -> None:
        performer = self.staged.performers[index]
        joints, face = with_virtual_joints(performer, time), performer.facing(time)
        for piece, paint in zip(self.pieces[index], cast, strict=True):
            homography = camera @ piece.axes(joints, performer.z, face)
            box = reach(homography, paint.shape[1::-1], self.size)
            common = overlap(box, region) if box is not None else None
            if common is None:
                continue
            pixels = place(paint, homography, common)
            inside = _slices(common, region)
            keep = 1 - pixels[..., 3]
            light[inside] *= keep[..., None]
            light[inside] += pixels[..., :3]
            alpha[inside] = pixels[..., 3] + alpha[inside] * keep
            shade[inside] *= keep

    def film(self, light: Array, frame: int) -> npt.NDArray[np.uint8]:
        """Grain and encoding: 8-bit codes of one frame."""
        staged = self.staged
        rng = stream(self.spec.seed, staged.scene, staged.take, "grain", frame)
        stock = self.spec.grain * float(stream(self.spec.seed, staged.scene, staged.take, "stock").uniform(0.85, 1.15))
        grainy = optics.add_grain(light, stock, 0.6 * self.spec.scale**0.5, rng)
        return optics.to_codes(optics.encode(grainy))


def _over(canvas: Array, pixels: Array, box: Box) -> None:
    """Premultiplied ``pixels`` over the part of ``canvas`` that ``box`` names, in place."""
    target = canvas[box[1] : box[3], box[0] : box[2]]
    target *= 1 - pixels[..., 3:]
    target += pixels[..., :3]


def _slices(box: Box, origin: Box) -> tuple[slice, slice]:
    return (slice(box[1] - origin[1], box[3] - origin[1]), slice(box[0] - origin[0], box[2] - origin[0]))


def _part(pixels: Array, box: Box, wanted: Box) -> Array:
    part: Array = pixels[_slices(wanted, box)]
    return part
