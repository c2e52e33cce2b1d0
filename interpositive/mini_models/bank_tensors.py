"""Banks, pictures and planes as the tensors that candidate fusion works on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from interpositive.mini_models.candidate_bank import KINDS, NUM_SPATIAL, Bank


def picture_tensor(picture: NDArray[np.float32]) -> Tensor:
    """A picture ``h w 3`` as ``1 3 h w``."""
    return rearrange(torch.from_numpy(np.ascontiguousarray(picture)), "h w c -> 1 c h w")


def plane_tensor(where: NDArray[np.bool_]) -> Tensor:
    """A plane ``h w`` as ``1 h w``, 1 where it is true."""
    return torch.from_numpy(where.astype(np.float32))[None]


def bank_tensors(bank: Bank, *, half: bool = True) -> dict[str, Tensor]:
    """A bank as ``candidates`` ``n 3 h w``, ``valid`` and ``error`` ``n 1 h w``, ``kinds`` and ``distances`` ``n``."""
    candidates = rearrange(torch.from_numpy(bank.pictures), "n h w c -> n c h w")
    error = torch.from_numpy(bank.error)[:, None]
    return {
        "candidates": candidates.half() if half else candidates,
        "valid": torch.from_numpy(bank.valid)[:, None],
        "error": error.half() if half else error,
        "kinds": torch.from_numpy(bank.kinds),
        "distances": torch.from_numpy(bank.distances),
    }


def describe(kinds: Tensor, distances: Tensor) -> Tensor:
    """Words about candidates (``b n``) for their scorer, ``b n w``."""
    one_hot = nn.functional.one_hot(kinds, len(KINDS)).float()
    return torch.cat((one_hot, torch.log2(1.0 + distances.float())[..., None] / 4.0), -1)


def choose_candidates(condition: Mapping[str, Tensor], num_shown: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A condition of a batch with ``num_shown`` of its candidates, the spatial ones among them."""
    num = condition["candidates"].shape[1]
    if num_shown >= num:
        return dict(condition)
    shown = NUM_SPATIAL + torch.randperm(num - NUM_SPATIAL, generator=generator)[: num_shown - NUM_SPATIAL]
    index = torch.cat((torch.arange(NUM_SPATIAL), shown.sort().values))
    names = ("candidates", "valid", "error", "kinds", "distances")
    chosen = {name: condition[name].index_select(1, index.to(condition[name].device)) for name in names}
    return {**condition, **chosen}


def add_lent(lent: Tensor, of_candidates: NDArray[np.int64], weight: Tensor) -> None:
    """Add to ``lent`` (``m``) how many pixels each lent frame gave, of candidates' weights ``n ...`` in a hole.

    ``of_candidates`` (``n``) says which frame each candidate shows, -1 for those of the shot itself.
    """
    is_lent = torch.from_numpy(of_candidates >= 0)
    lent.index_add_(0, torch.from_numpy(of_candidates)[is_lent], weight[is_lent].flatten(1).sum(1).float())
