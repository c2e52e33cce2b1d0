"""What fusion of candidates comes to, and fusion of large frames, at which the networks look on a smaller raster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from interpositive.mini_models.kept_plate import Kept

_NETWORK_ROWS = 270
"""Networks learn on proxies of some 200 rows; on a raster several times as large they see little of what they know."""

_STEP_AREAS = 16
"""Tiles' sides are multiples of it: oneDNN writes code for each size that it meets, and keeps it (80 MiB for 240)."""


@dataclass(frozen=True)
class Fused:
    """Where fusion stands: the prior's picture, the learned choice, that corrected, and the final estimate with what is
    kept of the plate (all ``b 3 h w``).

    ``certainty`` is of the prior and of what is ``filled``; ``kept`` (``b 1 h w``) is the plate's share in the last.
    ``weight`` and ``prior_weight`` (``b n 1 h w``) are what each candidate has of choice and prior; ``score``
    (``b n 1 h w``) and ``residual`` (``b 3 h w``) are what the networks say.
    """

    prior: Tensor
    fused: Tensor
    filled: Tensor
    final: Tensor
    certainty: Tensor
    kept: Kept
    weight: Tensor
    prior_weight: Tensor
    score: Tensor
    residual: Tensor


Fuse = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Fused]


def network_factor(height: int) -> int:
    """How many times smaller the raster is that networks see frames of so many rows on."""
    return max(1, round(height / _NETWORK_ROWS))


def fuse_large(
    fuse: Fuse,
    prior_weight: Callable[[Tensor, Tensor], Tensor],
    weight: Callable[[Tensor, Tensor, Tensor], Tensor],
    prefill: Tensor,
    hole: Tensor,
    condition: Mapping[str, Tensor],
    factor: int,
) -> Fused:
    """As ``fuse`` does it, but that what the networks say is found on areas of ``factor`` pixels squared.

    Candidates are compared, weighed and copied at their own size: it is their scores, the residual, and what is kept
    of the plate and how, that are enlarged. ``prior_weight`` of errors and where candidates are valid, and ``weight``
    of these and scores, are the choices.
    """
    size = (prefill.shape[-2], prefill.shape[-1])
    candidates, valid, error = (condition[name].float() for name in ("candidates", "valid", "error"))
    plate, thin = condition["plate"].float(), condition["thin"].float()
    shown = _reduced(valid, factor)
    reduced = {
        **condition,
        # Where they are not valid they are 0.
        "candidates": _reduced(candidates, factor) / shown.clamp(min=1e-6),
        "valid": (shown > 0.5).float(),
        "error": _reduced(error, factor),
        "plate": _reduced(plate, factor),
        "thin": (_reduced(thin, factor) > 0.5).float(),
    }
    found = fuse(_reduced(prefill, factor), (_reduced(hole, factor) > 0.0).float(), reduced)

    def enlarged(planes: Tensor) -> Tensor:
        return _enlarged(planes, factor, size)

    of_prior, of_choice = prior_weight(error, valid), weight(error, valid, enlarged(found.score))
    fused = (of_choice * candidates).sum(1)
    residual = enlarged(found.residual)
    filled = fused + residual * hole
    share = enlarged(found.kept.share) * thin
    mended = plate + enlarged(found.kept.mended - reduced["plate"])
    return Fused(
        prior=(of_prior * candidates).sum(1),
        fused=fused,
        filled=filled,
        final=filled + share * (mended - filled),
        certainty=enlarged(found.certainty),
        kept=Kept(share, mended, enlarged(found.kept.logit)),
        weight=of_choice,
        prior_weight=of_prior,
        score=enlarged(found.score),
        residual=residual,
    )


def _reduced(planes: Tensor, factor: int) -> Tensor:
    """Means over areas, ``... h w``, whole steps of these high and wide: the last pixels go on downward and right."""
    flat = planes.reshape(-1, 1, *planes.shape[-2:])
    down, right = (-side % (factor * _STEP_AREAS) for side in flat.shape[-2:])
    if down or right:
        flat = F.pad(flat, (0, right, 0, down), mode="replicate")
    # Rows first, which lie side by side: half the time of pooling.
    rows = flat.reshape(*flat.shape[:-2], -1, factor, flat.shape[-1]).sum(-2)
    small = rows[..., ::factor].clone()
    for first in range(1, factor):
        small += rows[..., first::factor]
    small /= factor**2
    return small.reshape(*planes.shape[:-2], *small.shape[-2:])


def _enlarged(planes: Tensor, factor: int, size: tuple[int, int]) -> Tensor:
    """The way back, ``... h w`` of a ``size``, linear between areas' centres."""
    flat = planes.reshape(-1, 1, *planes.shape[-2:])
    large = F.interpolate(flat, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return large[..., : size[0], : size[1]].reshape(*planes.shape[:-2], *size)
