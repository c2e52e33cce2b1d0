"""Mini flow: copy what other frames show, and make up what none does, there alone.

Candidate fusion repairs whatever a real view of the hole exists for. What is left is filled by a small video
network of the production's own, which goes from noise to picture (flow matching, Lipman et al., 2022). It works on
film that is laid on the plate, from noise that lies on the plate too: what it makes up stays where it is in the scene.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.backbones.video_unet import VideoUNet
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.plate_noise import plate_noise
from interpositive.functional.seeds import generators_of, seed_from
from interpositive.mini_models.candidate_bank import motion_of
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.classical_fills import CLASSICAL_FILLS
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored
from interpositive.mini_models.exportable import Exportable
from interpositive.mini_models.film_learning import film_tensors
from interpositive.mini_models.hole_fills import Blend, blend_along_flow
from interpositive.mini_models.plate_film import CameraTracks, PlateBox, bridge, on_one_plate, read_through
from interpositive.mini_models.sampling import LatentWindows, averaged_over
from interpositive.motion.camera_motion import Homography
from interpositive.motion.window_motion import Boolean, Plane, WindowMotion
from interpositive.objectives.levels import logit_normal_levels, uniform_schedule
from interpositive.objectives.paths import StraightPath
from interpositive.objectives.solvers import Solver, euler, heun, multistep
from interpositive.records.bounds import Bounds, refuse_outside

SOLVERS: dict[str, Solver] = {"euler": euler, "heun": heun, "multistep": multistep}

_NUM_FEATURES = 3 + 3 + 3 + 1 + 3
_STRENGTH = 1.5
"""What a hole lacks is that many times as strong as the detail around it."""
_HOLD = Blend(guessed=(0.9, 0.6))
"""What is made up takes more of its neighbour than other guesses do: it has detail, and detail that jumps is seen."""
_FEATHER_PX = 2.0
_MARGIN_PX = 24
_OPPONENT = torch.tensor([[2.0, 2.0, 2.0], [6.0**0.5, 0.0, -(6.0**0.5)], [2.0**0.5, -(8.0**0.5), 2.0**0.5]]) / 12.0**0.5
"""Orthonormal: brightness, red against blue, green against both."""
_BOUNDS: Bounds = {
    "video_widths": (8, 1024),
    "film_px": (16, 4096),
    "film_frames": (1, 1000),
    "num_steps": (1, 1000),
    "stretch_frames": (1, 10_000),
    "shared_frames": (0, 10_000),
}


class MiniFlow(MiniModel):
    """Candidate fusion, and a flow-matching network for what no frame shows.

    Its methods are candidate fusion's (whose trained form is called ``regression`` here) and ``trained``, which equals
    ``regression`` where a frame shows the hole. ``film_px`` and ``film_frames`` shape the film it learns from; a fill
    takes ``num_steps`` of ``solver``, asking the network about ``stretch_frames`` frames at once.
    """

    trained_method = "trained"
    makes_up = MappingProxyType({"trained": "regression"})

    def __init__(
        self,
        *,
        flow_offsets: Sequence[int] = (1, 2, 4, 8),
        camera_offsets: Sequence[int] = (2, 4, 8, 16),
        recursive: bool = True,
        scorer_width: int = 16,
        residual_widths: Sequence[int] = (24, 48, 64),
        crop_px: int = 72,
        crops_per_frame: int = 3,
        frames_per_window: int = 4,
        candidates_per_step: int = 10,
        temperature: float = 0.02,
        motion_rows: int = 432,
        plate_px_at_1080: float = 64.0,
        video_widths: Sequence[int] = (32, 64, 96),
        film_px: int = 64,
        film_frames: int = 5,
        solver: str = "euler",
        num_steps: int = 8,
        stretch_frames: int = 12,
        shared_frames: int = 4,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if solver not in SOLVERS:
            raise ConfigError("mini_model.solver is unknown", found=solver, expected=", ".join(SOLVERS))
        if len(video_widths) != 3 or film_px % 8:
            raise ConfigError(
                "mini_flow was given sizes it cannot build",
                found=f"video_widths={list(video_widths)}, film_px={film_px}",
                expected="three widths, and film that is a multiple of 8 wide",
            )
        self.fusion = CandidateFusion(
            flow_offsets=flow_offsets,
            camera_offsets=camera_offsets,
            recursive=recursive,
            scorer_width=scorer_width,
            residual_widths=residual_widths,
            crop_px=crop_px,
            crops_per_frame=crops_per_frame,
            frames_per_window=frames_per_window,
            candidates_per_step=candidates_per_step,
            temperature=temperature,
            motion_rows=motion_rows,
            plate_px_at_1080=plate_px_at_1080,
        )
        first, second, third = video_widths
        self.video = VideoUNet(_NUM_FEATURES, (first, second, third))
        self.film_px, self.film_frames = film_px, film_frames
        self.solver, self.num_steps = SOLVERS[solver], num_steps
        self.stretches = LatentWindows(stretch_frames, shared_frames)
        self.reach_frames = self.fusion.reach_frames
        self.methods = (*CLASSICAL_FILLS, "prior", "regression", self.trained_method)
        self.path = StraightPath()
        self._tracks = CameraTracks()

    # -- learning -----------------------------------------------------------------

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Candidate fusion's crops, and with each a stretch of clean film with a hole in it that no frame shows."""
        motion = motion_of(example)
        return [
            replace(
                prepared,
                condition={
                    **prepared.condition,
                    **film_tensors(example, motion, self.film_px, self.film_frames, generator),
                },
            )
            for prepared in self.fusion.prepare_moving(example, motion, generator)
        ]

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Candidate fusion's, and the squared error of the velocity inside the film's holes."""
        film, hole, target, weight = (
            example.condition[name].float() for name in ("film", "film_hole", "film_target", "film_weight")
        )
        numbers = torch.arange(len(film)) if example.numbers is None else example.numbers
        own = generators_of(generator, numbers)
        level = torch.cat([logit_normal_levels(1, each) for each in own]).to(film)
        # One field for all frames of a stretch, as the plate has it.
        noise = torch.stack([torch.randn(film.shape[2:], generator=each) for each in own])[:, None].to(film)
        surroundings = FilmSurroundings(film, hole)
        clean = surroundings.to_clean(target)
        at = level[:, None, None, None, None]
        noisy = self.path.noisy(clean, noise, at)
        velocity = self._velocity(noisy, level, surroundings)
        # Weighted so that what the network is to say has unit variance at every level.
        error = (velocity - self.path.velocity(clean, noise, at)).square() * _power(at) * weight
        own_means = error.flatten(1).sum(1) / (3.0 * weight.flatten(1).sum(1)).clamp_min(1.0)
        return {**self.fusion.losses(example, generator), "flow": own_means.mean()}

    def _velocity(self, noisy: Tensor, level: Tensor, surroundings: FilmSurroundings) -> Tensor:
        """The straight path's, from what the network says, scaled as Karras et al. (2022) derive it for this path.

        With ``v = ((2 t - 1) x - sqrt(p) F) / p`` and ``p = (1 - t)^2 + t^2``, ``F`` is to be of unit variance at all
        levels where what is clean is, and the error of ``F`` never grows on its way to the velocity by more than 1.42.
        """
        said = self.video(surroundings.features(noisy), level)
        at = level[:, None, None, None, None]
        power = _power(at)
        velocity: Tensor = ((2.0 * at - 1.0) * noisy - power.sqrt() * said) / power
        return velocity

    # -- restoring ----------------------------------------------------------------

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Restore frames ``keep``; a shot's windows that say where they begin share one noise."""
        wanted = self.wanted(methods)
        motion = self.fusion.motion_of(example)
        names = {name: {"regression": "trained", "trained": "trained"}.get(name, name) for name in wanted}
        restored, never_seen = self.fusion.restore_moving(motion, keep, sorted(set(names.values())))
        makers: dict[str, Callable[[], Restored]]
        makers = {name: partial(restored.__getitem__, names[name]) for name in wanted}
        if self.trained_method in wanted:
            # Shots' frames are placed in their order, so this is not left until somebody asks.
            made_up = self._made_up(example, motion, keep, restored["trained"], never_seen)
            makers[self.trained_method] = lambda: made_up
        return MadeWhenAsked(makers)

    def exportable(self, plate_height: int) -> Sequence[Exportable]:
        """Candidate fusion's part; what makes things up asks for a whole shot, and stays."""
        return self.fusion.exportable(plate_height)

    def _made_up(
        self, example: Example, motion: WindowMotion, keep: range, copied: Restored, never_seen: Sequence[Boolean]
    ) -> Restored:
        """The copied picture, with what no frame shows made up."""
        made_up = torch.from_numpy(np.stack(never_seen))[:, None]
        shot, first = (int(example.condition.get(name, torch.tensor(0))) for name in ("shot", "first_frame"))
        tracks = self._tracks if "shot" in example.condition else CameraTracks()
        # Where nothing is made up too: later windows are to lie on the plate that the shot's first frames lie on.
        placed = tracks.follow(shot, first, motion)[keep.start : keep.stop]
        if not made_up.any():
            return replace(copied, made_up=made_up)
        pictures = [rearrange(frame.cpu().numpy(), "c h w -> h w c") for frame in copied.frames]
        made = list(pictures)
        for frames in on_one_plate(placed):
            if made_up[frames].any():
                to_plate = [homography for _, homography in placed[frames]]
                made[frames] = self._generated(
                    pictures[frames], never_seen[frames], to_plate, seed_from("mini flow", shot)
                )
        holes = [motion.holes[frame] for frame in keep]
        fills = [picture[hole] for picture, hole in zip(made, holes, strict=True)]
        seen = [1.0 - area[hole].astype(np.float32) for area, hole in zip(never_seen, holes, strict=True)]
        steady = blend_along_flow(motion, keep, fills, seen, _HOLD)
        mixed = []
        for picture, new, area, hole in zip(pictures, steady, never_seen, holes, strict=True):
            whole = picture.copy()
            whole[hole] += _feathered(area)[hole][:, None] * (new - picture[hole])
            mixed.append(whole)
        whole = rearrange(torch.from_numpy(np.stack(mixed)), "t h w c -> t c h w").clamp(*motion.value_range)
        return replace(copied, frames=torch.where(made_up, whole, copied.frames.cpu()), made_up=made_up)

    def _generated(
        self, pictures: Sequence[Plane], never_seen: Sequence[Boolean], to_plate: Sequence[Homography], seed: int
    ) -> list[Plane]:
        """Each frame's picture ``h w 3`` with what is never seen made anew, on the plate of all and brought back."""
        box = PlateBox.around(never_seen, to_plate, _MARGIN_PX)
        bridged = [bridge(picture, area) for picture, area in zip(pictures, never_seen, strict=True)]
        device = self.device
        film = _stacked([box.read(p, h, cv2.INTER_LANCZOS4) for p, h in zip(bridged, to_plate, strict=True)])
        areas = [a.astype(np.float32)[..., None] for a in never_seen]
        hole = _stacked([box.read(a, h, cv2.INTER_LINEAR)[..., None] for a, h in zip(areas, to_plate, strict=True)])
        surroundings = FilmSurroundings(film.to(device), (hole > 0.01).float().to(device))
        noise = torch.from_numpy(plate_noise(seed, box.rows, box.columns)).to(film)
        noise = noise.expand(film.shape).to(device)

        def velocity(noisy: Tensor, level: Tensor) -> Tensor:
            return averaged_over(
                self.stretches.over(noisy.shape[1]),
                noisy,
                lambda part: self._velocity(noisy[:, part], level[None], surroundings.part(part)),
            )

        levels = uniform_schedule(self.num_steps)
        clean = self.solver(velocity, noise.contiguous(), levels, self.path)
        made = surroundings.to_film(clean).cpu()
        results = []
        for picture, area, homography, frame in zip(pictures, never_seen, to_plate, made[0], strict=True):
            back = np.asarray([[1, 0, -box.columns.start], [0, 1, -box.rows.start], [0, 0, 1]]) @ homography
            height, width = area.shape
            on_plate = np.ascontiguousarray(rearrange(frame.numpy(), "c h w -> h w c"))
            brought = read_through(on_plate, back, range(height), range(width), cv2.INTER_LANCZOS4)
            results.append(np.where(area[..., None], brought, picture))
        return results


class FilmSurroundings:
    """What is known around the holes of film ``b t 3 h w``: how it looks, and how strong its detail is.

    ``film`` has its ``hole`` (``b t 1 h w``, 0 or 1) bridged. ``scale`` (``b 1 3 h w``) is the local deviation of what
    is known, of brightness and of two colour differences, the same for all frames of a stretch: what is made up is
    told in those, and has their strength. Colour varies far less than brightness, whatever the footage.
    """

    def __init__(self, film: Tensor, hole: Tensor) -> None:
        self.film, self.hole = film, hole
        known = 1.0 - hole
        self.detail = _turned(film - _pooled(film, 3.0), _OPPONENT)
        energy = (self.detail.square() * known).mean(1, keepdim=True)
        weight = known.mean(1, keepdim=True)
        local, support = _pooled(energy, 12.0), _pooled(weight, 12.0)
        whole = energy.mean((-2, -1), keepdim=True) / weight.mean((-2, -1), keepdim=True).clamp_min(1e-3)
        self.scale = _STRENGTH * (((local + 0.02 * whole) / (support + 0.02)).sqrt() + 0.002)

    def to_clean(self, target: Tensor) -> Tensor:
        """What the bridged film lacks, at unit strength."""
        return _turned(target - self.film, _OPPONENT) / self.scale

    def to_film(self, clean: Tensor) -> Tensor:
        """The film with that added inside the hole."""
        return self.film + _turned(clean * self.scale, _OPPONENT.T) * self.hole

    def features(self, noisy: Tensor) -> Tensor:
        """What the network sees, ``b t f h w``."""
        detail = (_STRENGTH * self.detail / self.scale).clamp(-4.0, 4.0)
        scale = (self.scale.log() * 0.5 + 1.5).expand_as(self.film)
        return torch.cat((noisy * self.hole, 2.0 * self.film - 1.0, detail, self.hole, scale), 2)

    def part(self, frames: slice) -> FilmSurroundings:
        """Of some of the frames; the strength stays that of all."""
        other = copy.copy(self)
        other.film, other.hole, other.detail = (v[:, frames] for v in (self.film, self.hole, self.detail))
        return other


def _turned(film: Tensor, axes: Tensor) -> Tensor:
    return torch.einsum("dc,btchw->btdhw", axes.to(film), film)


def _power(level: Tensor) -> Tensor:
    """That of what is noisy, where what is clean has 1."""
    return (1.0 - level).square() + level.square()


def _pooled(values: Tensor, sigma_px: float) -> Tensor:
    """A Gaussian blur of ``b t c h w``; borders repeat."""
    reach = int(np.ceil(2.5 * sigma_px))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32, device=values.device)
    kernel = torch.exp(-0.5 * (at / sigma_px).square())
    kernel = kernel / kernel.sum()
    flat = values.flatten(0, 2)[:, None]
    padded = torch.nn.functional.pad(flat, (reach, reach, reach, reach), mode="replicate")
    across = torch.nn.functional.conv2d(padded, kernel[None, None, None])
    return torch.nn.functional.conv2d(across, kernel[None, None, :, None]).reshape(values.shape)


def _feathered(area: Boolean) -> NDArray[np.float32]:
    """1 inside an area ``h w``, falling to 0 towards its edge, 0 outside."""
    padded = np.pad(area.astype(np.uint8), 1, mode="edge")
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.asarray(np.clip(distance / _FEATHER_PX, 0.0, 1.0), np.float32)


def _stacked(frames: Sequence[NDArray[np.float32]]) -> Tensor:
    return rearrange(torch.from_numpy(np.stack(frames)), "t h w c -> 1 t c h w").contiguous()
