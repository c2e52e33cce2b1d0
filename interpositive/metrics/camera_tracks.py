"""How far a solved camera move is from the true one: absolute and relative trajectory error.

Sturm, Engelhard, Endres, Burgard and Cremers, A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012;
alignment after Umeyama, IEEE TPAMI 1991.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from interpositive.errors import ConfigError, MediaError
from interpositive.metrics.contract import CAMERA, Measured
from interpositive.records.measures import MetricInfo

LEAST_SPREAD = 1e-12
"""A track whose places lie this close together, beside their distance from the origin, does not move."""


def check_poses(poses: Tensor, name: str) -> Tensor:
    """The poses (``n 4 4``, camera to world) in float64; ``MediaError`` for anything that is not a rigid pose."""
    shape = tuple(poses.shape)
    if len(shape) != 3 or shape[1:] != (4, 4) or shape[0] == 0:
        raise MediaError(f"the {name} camera track has another shape", found=shape, expected="n 4 4, one pose or more")
    poses = poses.detach().to(torch.float64)
    lost = torch.nonzero(~poses.isfinite().all(-1).all(-1)).flatten().tolist()
    if lost:
        raise MediaError(
            f"the {name} camera track has poses that are not numbers",
            found=f"poses {lost[:8]}",
            expected="finite numbers",
            remedy="leave frames that were not solved out of both tracks",
        )
    rotation = poses[:, :3, :3]
    unit = torch.eye(3, dtype=torch.float64, device=poses.device)
    last_row = poses[:, 3] - poses.new_tensor([0.0, 0.0, 0.0, 1.0])
    gap = (rotation @ rotation.mT - unit).abs().amax((-1, -2)) + last_row.abs().amax(-1)
    wrong = torch.nonzero((gap > 1e-4) | (torch.linalg.det(rotation) < 0)).flatten().tolist()
    if wrong:
        raise MediaError(
            f"the {name} camera track has matrices that are no rotation and place",
            found=f"poses {wrong[:8]}",
            expected="a rotation, a place, and 0 0 0 1 in the last row",
        )
    return poses


def _still(centred: Tensor, places: Tensor) -> bool:
    spread = float(centred.square().sum(-1).mean().sqrt())
    return spread <= LEAST_SPREAD * max(1.0, float(places.abs().max()))


def umeyama(estimated: Tensor, true: Tensor, *, scale: bool) -> tuple[float, Tensor, Tensor]:
    """Scale s, rotation R and shift t that bring places ``n 3`` nearest to the true: least mean ``|s R p + t - q|^2``.

    Without ``scale`` s is 1. It is NaN if the true camera does not move but the
    estimated one does: the best scale is then 0 and says nothing. Places on a
    line leave a turn about it open; any that is best is given, the distances are the same.
    """
    centre, true_centre = estimated.mean(0), true.mean(0)
    centred, true_centred = estimated - centre, true - true_centre
    left, sizes, right = torch.linalg.svd(true_centred.T @ centred / len(true))
    mirror = torch.ones_like(sizes)
    mirror[-1] = torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    rotation = left @ torch.diag(mirror) @ right
    factor = 1.0
    if scale and not _still(centred, estimated):
        moves = not _still(true_centred, true)
        factor = float((sizes * mirror).sum() / centred.square().sum(-1).mean()) if moves else math.nan
    return factor, rotation, true_centre - factor * rotation @ centre


def absolute_error(estimated: Tensor, true: Tensor, *, scale: bool) -> float:
    """RMS distance of the places ``n 3`` after :func:`umeyama`, in units of the true track; NaN for one pose."""
    if len(estimated) < 2:
        return math.nan
    factor, rotation, shift = umeyama(estimated, true, scale=scale)
    gap = factor * estimated @ rotation.T + shift - true
    return math.sqrt(float(gap.square().sum(-1).mean()))


def relative_errors(estimated: Tensor, true: Tensor, delta: int, factor: float = 1.0) -> tuple[float, float]:
    """RMS errors of the move over ``delta`` frames: its translation, and its rotation in degrees; poses ``n 4 4``.

    All pairs that are ``delta`` apart count. ``factor`` scales the estimated
    places first. NaN if there is no pair.
    """
    if len(estimated) <= delta:
        return math.nan, math.nan
    moves = [torch.linalg.solve(poses[:-delta], poses[delta:]) for poses in (estimated, true)]
    moves[0][:, :3, 3] *= factor
    gap = torch.linalg.solve(moves[1], moves[0])
    rotation = gap[:, :3, :3]
    # Not the arc cosine alone: near 0 it turns rounding of 1e-16 into an angle of 1e-8.
    twist = rotation - rotation.mT
    sine = torch.stack((twist[:, 2, 1], twist[:, 0, 2], twist[:, 1, 0])).norm(dim=0)
    cosine = rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - 1.0
    degrees = torch.rad2deg(torch.atan2(sine, cosine))
    translation = math.sqrt(float(gap[:, :3, 3].square().sum(-1).mean()))
    return translation, math.sqrt(float(degrees.square().mean()))


class CameraTracks(Measured):
    """``ate``, ``rpe_translation`` and ``rpe_rotation`` of a solved camera against the true one, mean over shots.

    Tracks are given as poses ``n 4 4``, camera to world; pieces of a shot are added in
    order, of any length, :meth:`end_shot` between shots. One pose leaves all
    undefined. With ``scale``, a true camera that only turns leaves the two that have a length undefined.
    """

    group = CAMERA
    higher_is_better = False

    def __init__(self, scale: bool = True, delta: int = 1, **kwargs: Any) -> None:
        """``scale`` lets alignment choose the scale (a single camera cannot see it); ``delta`` in frames."""
        if delta < 1:
            raise ConfigError("the distance of the poses to compare", found=f"delta: {delta}", expected="1 or more")
        self.scale, self.delta = scale, delta
        over = "over one frame" if delta == 1 else f"over {delta} frames"
        moved = "with the scene moved, turned and scaled" if scale else "with the scene moved and turned"
        infos = (
            MetricInfo(
                name="ate",
                unit="scene units",
                direction="lower",
                meaning=f"How far the solved camera is from where it stood, {moved} to fit best.",
            ),
            MetricInfo(
                name="rpe_translation",
                unit="scene units",
                direction="lower",
                meaning=f"How wrong the camera's travel {over} is; errors do not add up along the shot.",
            ),
            MetricInfo(
                name="rpe_rotation",
                unit="degrees",
                direction="lower",
                meaning=f"How wrong the camera's turn {over} is; errors do not add up along the shot.",
            ),
        )
        super().__init__(infos, **kwargs)

    def _begin(self) -> None:
        self._estimated: list[Tensor] = []
        self._true: list[Tensor] = []

    def update(self, estimated: Tensor, true: Tensor) -> None:
        """Add the open shot's next poses, ``n 4 4`` each; ``MediaError`` if they are no poses or not as many."""
        estimated, true = check_poses(estimated, "estimated"), check_poses(true, "true")
        if len(estimated) != len(true):
            raise MediaError(
                "the camera tracks differ in length",
                found=f"estimated {len(estimated)}, true {len(true)}",
                expected="one pose of each for every frame",
            )
        self._estimated.append(estimated)
        self._true.append(true)

    def shot_values(self) -> dict[str, float]:
        """The errors over the open shot's track."""
        if not self._true:
            return {info.name: math.nan for info in self.infos}
        estimated, true = torch.cat(self._estimated), torch.cat(self._true)
        places, true_places = estimated[:, :3, 3], true[:, :3, 3]
        factor = umeyama(places, true_places, scale=self.scale)[0] if len(true) > 1 else math.nan
        translation, rotation = relative_errors(estimated, true, self.delta, factor)
        return {
            "ate": absolute_error(places, true_places, scale=self.scale),
            "rpe_translation": translation,
            "rpe_rotation": rotation,
        }
