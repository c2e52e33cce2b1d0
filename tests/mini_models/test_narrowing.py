"""What a frame's plate shows clean is taken out of its hole, and serves its neighbours too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from shots import LEFT, RIGHT, small_model, tensor, wired_shot

from interpositive.delivery.restoring import WindowPlan, restore_shot
from interpositive.functional.examples import Example
from interpositive.mini_models import candidate_fusion, chosen_once, narrowing
from interpositive.mini_models.candidate_bank import BankBuilder
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.kept_plate import Beside, Kept
from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.lent_frames import LentFrames
from interpositive.motion.motion_memory import MotionMemory, ShotMemory, fingerprint
from interpositive.motion.window_frames import MendedPicture
from interpositive.motion.window_motion import WindowMotion

KEEP, MARGIN = range(2, 6), 2
WIRE = slice(LEFT + MARGIN, RIGHT + MARGIN)


def masked_wire(dtype: Any = np.float32, num_frames: int = 8) -> tuple[Example, torch.Tensor]:
    """A thin dark wire whose mask is two pixels wider on both sides, and the shot without it."""
    truth, _ = wired_shot(2, num_frames)
    masks = np.zeros(truth.shape[:3], np.float32)
    masks[:, :, LEFT : RIGHT + 2 * MARGIN] = 1.0
    plate = truth.copy()
    plate[:, :, WIRE] = 0.05
    frames = tensor(plate)
    if dtype != np.float32:
        frames = torch.from_numpy(np.rint(frames.numpy() * np.iinfo(dtype).max).astype(dtype))
    return Example(frames, torch.from_numpy(masks)[:, None]), tensor(truth)


class KnowsTheWire(torch.nn.Module):
    """Keeps the plate wherever it is not as dark as the wire, as if it had learned that."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, plate: torch.Tensor, thin: torch.Tensor, hole: torch.Tensor, beside: Beside) -> Kept:
        if thin.any():
            self.seen.append(tuple(plate.shape))
        clean = ((plate - 0.05).abs().mean(1, keepdim=True) > 0.02).to(plate.dtype)
        return Kept(clean * thin, plate, clean)


def knowing_model(**changes: Any) -> CandidateFusion:
    model = small_model(**changes).eval()
    model.keeper = KnowsTheWire()  # type: ignore[assignment]
    return model


def error(frames: torch.Tensor, truth: torch.Tensor, columns: slice) -> float:
    return float((frames - truth[KEEP.start : KEEP.stop])[..., columns].square().mean().sqrt())


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_what_is_clean_comes_from_the_plate_and_the_rest_is_filled_better(dtype: Any) -> None:
    example, truth = masked_wire(dtype)
    model = knowing_model()
    restored = model.restore(example, KEEP, ["prior", "trained"])
    step = 0.0 if dtype == np.float32 else 0.5 / 255
    for margin in (slice(LEFT, WIRE.start), slice(WIRE.stop, RIGHT + 2 * MARGIN)):
        assert error(restored["trained"].frames, truth, margin) < 1e-6 + step
        assert error(restored["prior"].frames, truth, margin) > 0.005
    # Untrained but for that: what is left of the hole is filled as the prior fills, and it is less.
    assert error(restored["trained"].frames, truth, WIRE) < 0.8 * error(restored["prior"].frames, truth, WIRE)
    assert (restored["trained"].seen >= restored["prior"].seen).all()
    assert restored["trained"].confidence[..., LEFT].min() > 0.99 > restored["trained"].confidence[..., WIRE].min()


def test_the_same_at_a_size_that_networks_see_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    example, truth = masked_wire()
    large = [
        torch.nn.functional.interpolate(planes, scale_factor=4.0, mode="nearest")
        for planes in (example.input, example.mask, truth)
    ]
    for module in (narrowing, chosen_once):
        monkeypatch.setattr(module, "network_factor", lambda height: 4 if height > 200 else 1)
    kept: list[Mapping[int, narrowing.CleanPart]] = []

    def noted(motion: WindowMotion, clean: Mapping[int, narrowing.CleanPart]) -> WindowMotion:
        kept.append(clean)
        return narrowing.narrowed(motion, clean)

    monkeypatch.setattr(candidate_fusion, "narrowed", noted)
    model = knowing_model(plate_px_at_1080=60.0)
    restored = model.restore(Example(large[0], large[1]), KEEP, ["prior", "trained"])
    assert model.keeper.seen and max(shape[-2] for shape in model.keeper.seen) <= 64, "looked at smaller"
    # But for the row beside the wire, that a pixel between shares with it: of that nothing is kept.
    margin = slice(4 * LEFT, 4 * WIRE.start - 1)
    assert (
        error(restored["trained"].frames, large[2], margin) < 1e-5 < error(restored["prior"].frames, large[2], margin)
    )
    (clean,) = kept
    for frame, part in clean.items():
        xs = part.pixels.xs
        assert set(np.unique(xs)) <= {*range(4 * LEFT, 4 * WIRE.start), *range(4 * WIRE.stop, 4 * (RIGHT + 2 * MARGIN))}
        # Nor is anything added to it: what lies beside it was covered, and is to be filled, lends it nothing.
        assert np.abs(part.values - large[2][frame].numpy()[:, part.pixels.ys, xs].T).max() < 1e-5


def wire_in_large_frames(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Input, mask and truth of :func:`masked_wire`, twice as large, which networks see as it was."""
    example, truth = masked_wire()
    large = [
        torch.nn.functional.interpolate(planes, scale_factor=2.0, mode="nearest")
        for planes in (example.input, example.mask, truth)
    ]
    # One column less, so that pixels of the smaller raster show the wire and what is beside it.
    large = [torch.cat((planes[..., 1:], planes[..., -1:]), -1) for planes in large]
    for module in (narrowing, chosen_once):
        monkeypatch.setattr(module, "network_factor", lambda height: 2 if height > 100 else 1)
    return large


def test_what_is_thick_in_a_large_frame_is_judged_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    large = wire_in_large_frames(monkeypatch)
    model = knowing_model(plate_px_at_1080=240.0)
    model.restore(Example(large[0], large[1]), KEEP, ["trained"])
    assert isinstance(model.keeper, KnowsTheWire)
    assert {shape[-2] <= 64 for shape in model.keeper.seen} == {True}


def test_what_is_thin_in_a_large_frame_is_judged_at_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    large = wire_in_large_frames(monkeypatch)
    monkeypatch.setattr(narrowing, "_FINE_PX", 61)
    model = knowing_model(plate_px_at_1080=240.0)
    restored = model.restore(Example(large[0], large[1]), KEEP, ["prior", "trained"])
    assert isinstance(model.keeper, KnowsTheWire)
    assert {shape[-2] <= 64 for shape in model.keeper.seen} == {True, False}, "looked at smaller, judged as large"
    for first, last in ((LEFT, WIRE.start), (WIRE.stop, RIGHT + 2 * MARGIN)):
        margin = slice(2 * first - 1, 2 * last - 1)
        of_trained, of_prior = (error(restored[name].frames, large[2], margin) for name in ("trained", "prior"))
        assert of_trained < 1e-5 < of_prior
    assert error(restored["trained"].frames, large[2], slice(2 * WIRE.start - 1, 2 * WIRE.stop - 1)) > 1e-3, "filled"


def test_where_nothing_is_thin_or_clean_the_window_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    example, _ = masked_wire()
    never = knowing_model(plate_px_at_1080=0.0)
    monkeypatch.setattr(candidate_fusion, "narrowed", lambda *_: pytest.fail("narrowed by nothing"))
    for model in (never, small_model().eval()):
        restored = model.restore(example, KEEP, ["prior", "trained"])
        assert torch.equal(restored["trained"].frames, restored["prior"].frames)


def test_windows_of_a_shot_look_at_a_frame_once(monkeypatch: pytest.MonkeyPatch) -> None:
    example, _ = masked_wire()
    model, looked = knowing_model(), []
    look = CandidateFusion._look

    def noted(self: CandidateFusion, builder: BankBuilder, frame: int, thin: NDArray[np.bool_]) -> narrowing.Looked:
        looked.append(frame)
        assert builder.lent is None and not builder.recipe.recursive
        return look(self, builder, frame, thin)

    monkeypatch.setattr(CandidateFusion, "_look", noted)
    model.restore(example, range(3, 4), ["trained"])
    assert looked == list(range(8)), "those that only lend too"
    model.restore(Example(example.input[2:], example.mask[2:]), range(3, 4), ["trained"])
    # Its first two have other neighbours there.
    assert looked == [*range(8), 0, 1]
    model.restore(example, range(4, 5), ["prior"])
    assert looked == [*range(8), 0, 1]


def test_through_a_shot_each_frame_is_looked_at_once_beside_all_of_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example, _ = masked_wire(np.uint8, 26)
    model, looked = knowing_model(flow_offsets=(1, 2), camera_offsets=(2, 4)), []
    look = CandidateFusion._look

    def noted(self: CandidateFusion, builder: BankBuilder, frame: int, thin: NDArray[np.bool_]) -> narrowing.Looked:
        looked.append(min(frame, builder.motion.num_frames - 1 - frame))
        return look(self, builder, frame, thin)

    monkeypatch.setattr(CandidateFusion, "_look", noted)
    frames, masks = example.input.numpy().transpose(0, 2, 3, 1), example.mask[:, 0].numpy()
    plan = WindowPlan(size=4, overlap=1)
    restored = restore_shot(
        lambda first, last: frames[first:last],
        lambda first, last: masks[first:last],
        len(frames),
        model,
        ["trained"],
        plan,
    )
    assert model.reach_frames == 4 + 2
    assert len(plan.windows(26, model.reach_frames, 64, 96)) > 6 and len(list(restored)) == 26
    assert len(looked) == 26
    # But at the shot's ends, two frames on either side.
    assert sorted(looked)[:5] == [0, 0, 1, 1, 2]


def test_a_window_begins_to_ask_of_every_memory_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[MotionMemory] = []
    monkeypatch.setattr(MotionMemory, "begin_window", lambda memory: told.append(memory))
    example, _ = masked_wire()
    model = knowing_model()
    model.restore(example, KEEP, ["trained"])
    memories = [each for memory in (model._memory, model._looks) for each in vars(memory).values()]
    assert sorted(map(id, told)) == sorted(map(id, memories))


def test_some_frames_of_a_window_are_a_window_of_their_own() -> None:
    example, _ = masked_wire(np.uint8)
    frames = np.ascontiguousarray(example.input.numpy().transpose(0, 2, 3, 1))
    homographies = np.arange(8.0)[:, None, None, None] * np.ones((8, 2, 3, 3))
    lent = LentFrames(np.zeros((2, 4, 4, 3), np.float32), homographies)
    wide = WindowMotion(frames, example.mask[:, 0].numpy(), margin_px=24, memory=ShotMemory(), lent=lent)
    some = narrowing.some_of(wide, range(3, 6))
    assert some.num_frames == 3 and narrowing.some_of(wide, range(8)) is wide
    for number in range(3):
        assert some.names_around(number, 0) == wide.names_around(number + 3, 0)
    assert some.lent is not None and some.lent.homographies[:, 0, 0, 0].tolist() == [3.0, 4.0, 5.0]


def test_a_narrowed_window_shows_more_and_is_another_window() -> None:
    example, _ = masked_wire(np.uint8)
    frames = np.ascontiguousarray(example.input.numpy().transpose(0, 2, 3, 1))
    wide = WindowMotion(frames, example.mask[:, 0].numpy())
    area = wide.holes[2].copy()
    area[:, WIRE] = False
    values = np.full((int(area.sum()), 3), 0.25, np.float32)
    narrow = narrowing.narrowed(wide, {2: narrowing.CleanPart(HolePixels(area), values, values[:, 0])})
    assert np.array_equal(narrow.holes[2], wide.holes[2] & ~area) and np.array_equal(narrow.holes[3], wide.holes[3])
    mended = narrow.frames[2]
    assert isinstance(mended, MendedPicture)
    whole = np.asarray(mended)
    assert (whole[area] == 0.25).all() and np.array_equal(whole[~area], np.asarray(wide.frames[2])[~area])
    box = slice(4, 20), slice(LEFT - 2, LEFT + 4)
    assert np.array_equal(mended[box], whole[box]) and np.array_equal(mended[3], whole[3])
    assert narrow.value_range == (0.0, 1.0)
    still = np.zeros((*area.shape, 2), np.float32)
    assert narrow.clear(2, still).sum() > wide.clear(2, still).sum()
    names = {fingerprint(motion.frames[2], motion.holes[2]) for motion in (wide, narrow)}
    assert len(names) == 2 and fingerprint(mended, area) != fingerprint(
        MendedPicture(wide.frames[2], HolePixels(area), values + 0.1), area
    )
    with pytest.raises(ValueError, match="made anew"):
        np.asarray(mended, copy=False)
