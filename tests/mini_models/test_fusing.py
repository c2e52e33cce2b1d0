"""On large frames the networks look at a smaller raster, and pixels are copied at their own size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from shots import small_model, waken, wired_example
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.mini_models import chosen_once
from interpositive.mini_models.candidate_bank import BankBuilder
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.fusing import Fused, fuse_large, network_factor

FACTOR = 2


def given(height: int = 32, width: int = 46) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(4)
    hole = torch.zeros(1, 1, height, width)
    hole[..., 8:20, 10:36] = 1.0
    valid = torch.ones(1, 5, 1, height, width)
    valid[:, 3, :, :, 20:] = 0.0
    condition = {
        "candidates": torch.rand(1, 5, 3, height, width, generator=generator) * valid,
        "valid": valid,
        "error": 0.05 * torch.rand(1, 5, 1, height, width, generator=generator),
        "kinds": torch.tensor([[0, 0, 1, 1, 3]]),
        "distances": torch.tensor([[0.0, 1.0, 1.0, 2.0, 4.0]]),
        "plate": torch.rand(1, 3, height, width, generator=generator),
        "thin": hole,
    }
    return torch.rand(1, 3, height, width, generator=generator), hole, condition


def twice_as_large(planes: Tensor) -> Tensor:
    return planes.repeat_interleave(FACTOR, -1).repeat_interleave(FACTOR, -2) if planes.ndim > 2 else planes


def large(model: CandidateFusion, prefill: Tensor, hole: Tensor, condition: dict[str, Tensor]) -> Fused:
    with torch.no_grad():
        return fuse_large(model.fuse, model._prior_weight, model._weight, prefill, hole, condition, FACTOR)


def test_frames_like_those_that_were_learned_from_keep_their_raster() -> None:
    assert [network_factor(height) for height in (216, 288, 404, 540, 1080, 2160)] == [1, 1, 1, 2, 4, 8]


def test_untrained_it_is_its_prior_to_the_last_bit_at_the_frames_own_size() -> None:
    model = small_model().eval()
    with torch.no_grad():
        whole = model.fuse(*given(33, 47))
    found = large(model, *given(33, 47))
    for picture in (found.fused, found.filled, found.final, found.prior):
        assert torch.equal(picture, whole.prior)


def test_networks_say_of_a_large_frame_what_they_say_of_the_small_one() -> None:
    model, (prefill, hole, condition) = waken(small_model()).eval(), given()
    with torch.no_grad():
        small = model.fuse(prefill, hole, condition)
    enlarged = {name: twice_as_large(value) for name, value in condition.items()}
    found = large(model, twice_as_large(prefill), twice_as_large(hole), enlarged)
    inside = hole.expand_as(small.final) > 0
    for name in ("final", "filled", "fused"):
        came = torch.nn.functional.avg_pool2d(getattr(found, name), FACTOR)
        moved = (getattr(small, name) - small.prior)[inside].abs().mean()
        # Bilinear enlarging evens out neighbours, which random last layers make unlike; anything unrelated is above 1.
        assert (came - getattr(small, name))[inside].abs().mean() < 0.6 * moved, name
    assert not torch.equal(found.kept.share, torch.zeros_like(found.kept.share))
    # What is not in the hole, and what may not be looked at, is not touched.
    assert torch.equal((found.kept.share * (1 - twice_as_large(hole))), torch.zeros_like(found.kept.share))


def test_networks_see_few_sizes() -> None:
    model, sizes = small_model().eval(), set()

    def noted(prefill: Tensor, hole: Tensor, condition: Any) -> Fused:
        sizes.add(tuple(condition["candidates"].shape[-2:]))
        return model.fuse(prefill, hole, condition)

    for height, width in ((33, 47), (40, 58), (48, 64)):
        with torch.no_grad():
            found = fuse_large(noted, model._prior_weight, model._weight, *given(height, width), FACTOR)
        assert found.final.shape[-2:] == (height, width)
    assert sizes == {(32, 32)}


def chosen_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames that mini-models choose for, noted as they do."""
    asked: list[int] = []
    choose = CandidateFusion._choose

    def noting(self: CandidateFusion, builder: BankBuilder, frame: int, *rest: Any) -> Any:
        asked.append(frame)
        return choose(self, builder, frame, *rest)

    monkeypatch.setattr(CandidateFusion, "_choose", noting)
    return asked


def part(example: Example, first: int, last: int) -> Example:
    return Example(example.input[first:last], example.mask[first:last])


def test_of_large_frames_windows_choose_once_for_those_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    example, model = wired_example(), waken(small_model()).eval()
    monkeypatch.setattr(chosen_once, "network_factor", lambda height: FACTOR)
    asked = chosen_frames(monkeypatch)
    first = model.restore(example, range(1, 4), ["trained"])["trained"].frames
    second = model.restore(example, range(3, 6), ["trained"])["trained"].frames
    assert asked == [1, 2, 3, 4, 5]
    # With nothing to blend along the flow, it is the same to the last bit; and what it would have been alone.
    again = model.restore(example, range(3, 4), ["trained"])["trained"].frames
    assert asked == [1, 2, 3, 4, 5]
    alone = waken(small_model()).eval().restore(example, range(3, 4), ["trained"])["trained"].frames
    assert torch.equal(again, alone)
    assert first.shape == second.shape


def test_other_weights_other_methods_and_other_neighbours_choose_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    example, model = wired_example(), waken(small_model()).eval()
    monkeypatch.setattr(chosen_once, "network_factor", lambda height: FACTOR)
    asked = chosen_frames(monkeypatch)
    model.restore(example, range(3, 4), ["trained"])
    model.restore(example, range(3, 4), ["prior"])
    model.log_temperature.data += 0.1
    model.restore(example, range(3, 4), ["trained"])
    model.restore(part(example, 0, 5), range(3, 4), ["trained"])
    assert asked == [3, 3, 3, 3]


def test_of_frames_that_networks_see_as_they_are_each_window_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    example, model = wired_example(), waken(small_model()).eval()
    asked = chosen_frames(monkeypatch)
    for _ in range(2):
        model.restore(example, range(3, 4), ["trained"])
    assert asked == [3, 3]
