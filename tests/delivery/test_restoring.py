"""A whole shot through windows: in order, untouched where it must be, whatever the windows are."""

from __future__ import annotations

import weakref
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stand_ins import ERRORS, GREY, KnownErrors, WindowMean, bar_mask, noise_codes

from interpositive.delivery.filled_frame import RestoredFrame, composite
from interpositive.delivery.restoring import (
    WindowPlan,
    changed_pixels,
    frames_to_float,
    hole_pixels,
    restore_shot,
)
from interpositive.errors import ConfigError
from interpositive.media.plate_colour import PlateColour
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored

NUM_FRAMES = 17


class Footage:
    """Frames and masks that note what was read."""

    def __init__(self, dtype: type[np.generic] = np.uint8, num_frames: int = NUM_FRAMES) -> None:
        self.codes = noise_codes(num_frames, dtype)
        self.mask: NDArray[np.float32] = bar_mask(num_frames) / np.float32(255)
        self.reads: list[tuple[int, int]] = []

    def frames(self, start: int, stop: int) -> Any:
        self.reads.append((start, stop))
        return self.codes[start:stop]

    def masks(self, start: int, stop: int) -> NDArray[np.float32]:
        return self.mask[start:stop]

    def restore(self, mini_model: MiniModel, plan: WindowPlan, methods: tuple[str, ...]) -> list[RestoredFrame]:
        num_frames = len(self.codes)
        return list(restore_shot(self.frames, self.masks, num_frames, mini_model, methods, plan))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("plan", [WindowPlan(1, 0, 0), WindowPlan(5, 2, 3), WindowPlan(8, 4), WindowPlan(40, 4, 2)])
def test_untouched_pixels_do_not_depend_on_windows(plan: WindowPlan, dtype: type[np.generic]) -> None:
    footage = Footage(dtype)
    outside = footage.mask == 0
    for frame in footage.restore(WindowMean(), plan, ("trained", "telea")):
        for codes in frame.results.values():
            assert codes.dtype == dtype
            kept = codes[outside[frame.number]]
            assert kept.tobytes() == footage.codes[frame.number][outside[frame.number]].tobytes()


@pytest.mark.parametrize("plan", [WindowPlan(1, 0, 0), WindowPlan(5, 2, 3), WindowPlan(7, 9, 0), WindowPlan(64)])
def test_every_frame_comes_once_and_in_order(plan: WindowPlan) -> None:
    footage = Footage()
    restored = footage.restore(KnownErrors(), plan, ("trained",))
    assert [frame.number for frame in restored] == list(range(NUM_FRAMES))
    for frame in restored:
        np.testing.assert_array_equal(frame.plate, footage.codes[frame.number])
        np.testing.assert_array_equal(frame.mask, footage.mask[frame.number])


def test_what_windows_agree_on_comes_out_the_same_from_any_of_them() -> None:
    results = [
        np.stack([frame.results["trained"] for frame in Footage().restore(KnownErrors(), plan, ("trained",))])
        for plan in (WindowPlan(4, 2, 1), WindowPlan(9, 3, 2), WindowPlan(99))
    ]
    inside = Footage().mask > 0
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert np.all(results[0][inside] == round((GREY + ERRORS["trained"]) * 255))


def test_windows_that_disagree_fade_from_one_to_the_next() -> None:
    footage = Footage(num_frames=12)
    footage.codes[:6], footage.codes[6:] = 0, 200
    footage.mask[:] = 0
    footage.mask[:, 4, 4] = 1
    footage.codes[:, 4, 4] = 90
    plan = WindowPlan(size=8, overlap=4, reach=0)
    inside = [int(f.results["flat"][4, 4, 0]) for f in footage.restore(WindowMean({"flat": 0.0}), plan, ("flat",))]
    first, last = inside[0], inside[-1]
    assert inside[:4] == [first] * 4 and inside[8:] == [last] * 4 and last - first > 50
    steps = np.diff(inside[3:9])
    assert np.all(steps > 0) and steps.max() - steps.min() <= 1, "a straight fade over the four frames they share"


def test_shared_frames_are_decoded_once() -> None:
    footage = Footage()
    footage.restore(KnownErrors(), WindowPlan(5, 2, 3), ("trained",))
    read = [n for start, stop in footage.reads for n in range(start, stop)]
    assert read == list(range(NUM_FRAMES))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_frames_kept_as_codes_are_restored_to_the_same_bits(
    dtype: type[np.generic], monkeypatch: pytest.MonkeyPatch
) -> None:
    footage = Footage(dtype)
    footage.mask[footage.mask > 0] = 0.75
    kinds = []

    class Looking(CandidateFusion):
        def restore(self, example, keep, methods=None):  # type: ignore[no-untyped-def]
            kinds.append(example.input.is_floating_point())
            return super().restore(example, keep, methods)

    results = []
    for reads_codes in (True, False):
        monkeypatch.setattr(Looking, "reads_codes", reads_codes)
        model = Looking(camera_offsets=(2,), scorer_width=4, residual_widths=(4, 4, 4)).eval()
        results.append(footage.restore(model, WindowPlan(6, 2, 3), ("trained", "recursive_flow")))
        assert set(kinds) == {not reads_codes or dtype is np.float32}
        kinds.clear()
    for one, other in zip(*results, strict=True):
        for name in ("plate", "mask", "confidence", "busy"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        for method in one.results:
            np.testing.assert_array_equal(one.results[method], other.results[method])


def test_the_mini_model_says_how_far_it_reaches_unless_told() -> None:
    for reach, expected in ((None, 11), (1, 7)):
        mini_model = KnownErrors(reach_frames=3)
        Footage().restore(mini_model, WindowPlan(5, 0, reach), ("trained",))
        assert mini_model.asked[1][0] == expected
        assert mini_model.asked[1][1] == range(expected // 2 - 2, expected // 2 + 3)


def test_windows_of_no_frames_are_refused() -> None:
    with pytest.raises(ConfigError, match="size 0"):
        Footage().restore(KnownErrors(), WindowPlan(0, 0, 0), ("trained",))


class TestComposite:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_every_code_survives_outside_the_mask(self, dtype: type[np.integer[Any]]) -> None:
        top = np.iinfo(dtype).max
        plate = np.arange(256 * 256 * 3, dtype=np.int64).reshape(256, 256, 3).clip(0, None) % (top + 1)
        result = composite(plate.astype(dtype), torch.zeros(3, 0), np.zeros((256, 256), np.float32))
        np.testing.assert_array_equal(result, plate)

    def test_float_codes_survive_whatever_they_are(self) -> None:
        plate = np.array([[-0.0, 1e-40, 65504.0], [np.inf, -np.inf, np.nan]], np.float32)[None]
        result = composite(plate, torch.zeros(3, 0), np.zeros((1, 2), np.float32))
        assert result.tobytes() == plate.tobytes()

    def test_a_full_mask_leaves_nothing_of_the_plate(self) -> None:
        plate = np.array([[[np.inf, np.nan, 6e4]]], np.float32)
        result = composite(plate, torch.full((3, 1), 0.25), np.ones((1, 1), np.float32))
        np.testing.assert_array_equal(result, np.full((1, 1, 3), 0.25, np.float32))

    def test_what_cannot_be_mixed_is_replaced_under_the_softest_mask(self) -> None:
        plate = np.array([[[np.inf, np.nan, 0.5]]], np.float32)
        result = composite(plate, torch.full((3, 1), 0.25), np.full((1, 1), 0.5, np.float32))
        np.testing.assert_array_equal(result, [[[0.25, 0.25, 0.375]]])

    def test_light_beyond_what_a_file_of_halves_holds_is_the_brightest_half(self) -> None:
        plate, mask = np.full((1, 1, 3), 0.5, np.float32), np.ones((1, 1), np.float32)
        result = composite(plate, torch.full((3, 1), 9.0), mask, PlateColour("acescg", "acescct"))
        assert np.isfinite(result.astype(np.float16)).all() and result.max() == 65504.0

    @pytest.mark.parametrize(("dtype", "tolerance"), [(np.uint8, 0.5), (np.uint16, 0.51), (np.float32, 1e-6)])
    def test_a_soft_mask_blends_by_its_share(self, dtype: type[np.generic], tolerance: float) -> None:
        top = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)  # type: ignore[type-var]
        plate = np.full((4, 5, 3), 0.2 * top).astype(dtype)
        shares = np.broadcast_to(np.linspace(0, 1, 5, dtype=np.float32), (4, 5)).copy()
        result = composite(plate, hole_pixels(torch.full((3, 4, 5), 0.8), shares > 0), shares).astype(np.float64)
        start = float(plate.flat[0])
        expected = start + shares[..., None].astype(np.float64) * (0.8 * top - start)
        assert np.abs(result - expected).max() <= tolerance
        np.testing.assert_array_equal(result[:, 0], plate[:, 0])


def test_frames_for_the_mini_model_are_numbers_between_0_and_1() -> None:
    codes = np.array([np.nan, np.inf, -np.inf, -1, 0.5, 7], np.float32).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(frames_to_float(codes).permute(0, 2, 3, 1).flatten(), [0, 1, 0, 0, 0.5, 1])


def test_changed_pixels_sees_one_bit_in_one_channel_and_is_calm_about_nan() -> None:
    plate = noise_codes(1, np.float32)[0]
    plate[0, 0] = np.nan
    found = plate.copy()
    assert not changed_pixels(found, plate).any()
    found[3, 4, 2] = np.nextafter(found[3, 4, 2], np.float32(9))
    found[5, 6, 0] = np.nan
    assert np.argwhere(changed_pixels(found, plate)).tolist() == [[3, 4], [5, 6]]


def test_grain_is_given_to_the_first_method_s_fill_whatever_the_windows_are() -> None:
    noise = np.random.default_rng(0).normal(128.0, 4.0, (6, 96, 128, 3))
    codes = np.rint(noise).clip(0, 255).astype(np.uint8)
    mask = np.zeros((6, 96, 128), np.float32)
    mask[:, 30:70, 40:90] = 1.0

    def restored(plan: WindowPlan, grain: Any) -> list[RestoredFrame]:
        frames, masks = (lambda first, last, of=of: of[first:last] for of in (codes, mask))
        return list(restore_shot(frames, masks, 6, KnownErrors(), ("trained", "telea"), plan, grain=grain))

    matched, otherwise, plain = (
        restored(*given)
        for given in ((WindowPlan(2, 0, 0), "match"), (WindowPlan(6), "match"), (WindowPlan(6), "as_filled"))
    )
    for one, other, smooth in zip(matched, otherwise, plain, strict=True):
        assert one.grain is not None and one.grain[0] < 0.4 and 0.8 < one.grain[1] < 1.2 and smooth.grain is None
        assert np.array_equal(one.results["trained"], other.results["trained"])
        assert np.array_equal(one.results["telea"], smooth.results["telea"])
        inside = one.results["trained"][40:60, 50:80].astype(np.float64)
        assert smooth.results["trained"][40:60, 50:80].std() == 0 and 3.0 < inside.std() < 5.0
    assert not np.array_equal(matched[0].results["trained"], matched[1].results["trained"])


def test_large_frames_are_restored_fewer_at_a_time() -> None:
    plan = WindowPlan(size=24, overlap=4, most_mib=128)
    small, large = (plan.windows(200, 8, height, 16 * height // 9) for height in (108, 270))
    assert small[1].last - small[1].first == 40 and large[1].stop - large[1].start == 24
    larger = plan.windows(200, 8, 360, 640)
    for before, after in pairwise(larger):
        held = (before.last - before.first) + (before.stop - before.start)
        assert held * 16 * 360 * 640 <= 128 * 2**20 and before.stop - after.start == 2
    assert {window.stop - window.start for window in larger[:-1]} == {10}
    # Whole pictures that are kept of each frame count too.
    kept = plan.windows(200, 8, 270, 480, 3)
    assert {window.stop - window.start for window in kept[:-1]} == {11}
    assert {window.stop - window.start for window in plan.windows(200, 8, 2160, 3840)[:-1]} == {4}
    # Codes of 8 bit take a quarter of what values do, in nine sixteenths of the room.
    coded = plan.windows(200, 8, 360, 640, held_bytes=4)
    assert {window.stop - window.start for window in coded[:-1]} == {13}
    # As many are new in each window of 1080 lines as two cores share evenly.
    of_1080 = WindowPlan().windows(200, 18, 1080, 1920, held_bytes=4)
    assert {after.start - before.start for before, after in pairwise(of_1080[:-1])} == {6}
    assert {before.stop - after.start for before, after in pairwise(of_1080[:-1])} == {1}


def test_what_a_window_is_given_is_there_once() -> None:
    """Values of frames that the next window shares move up where they are."""
    places, seen = set(), []

    class Looking(KnownErrors):
        def restore(self, example, keep, methods=None):  # type: ignore[no-untyped-def]
            places.add(example.input.data_ptr())
            first = int(example.condition["first_frame"])
            seen.append([round(255 * float(value)) - first for value in example.input[:, 0, 0, 0]])
            return super().restore(example, keep, methods)

    footage = Footage()
    footage.codes[:, 0, 0, 0] = np.arange(NUM_FRAMES)
    footage.restore(Looking(), WindowPlan(5, 2, 3), ("trained",))
    assert len(places) == 1 and len(seen) > 2
    assert all(window == list(range(len(window))) for window in seen)


def test_of_all_methods_one_is_whole_at_a_time() -> None:
    """Of a repair only what lies in the hole is kept until its frame is given out."""
    alive: list[weakref.ref[Any]] = []
    most = 0

    class Counted(KnownErrors):
        def restore(self, example, keep, methods=None):  # type: ignore[no-untyped-def]
            found = super().restore(example, keep, methods)

            def made(method: str) -> Restored:
                nonlocal most
                frames = found[method].frames.clone()
                alive.append(weakref.ref(frames))
                most = max(most, sum(one() is not None for one in alive))
                return Restored(frames, found[method].confidence)

            return MadeWhenAsked({method: partial(made, method) for method in found})

    footage = Footage()
    lazily = footage.restore(Counted(), WindowPlan(5, 2, 3), ("trained", "prior", "telea"))
    assert len(alive) > 3 * 4 and most == 1
    for frame, other in zip(lazily, footage.restore(KnownErrors(), WindowPlan(5, 2, 3), tuple(ERRORS)), strict=True):
        for method, codes in frame.results.items():
            np.testing.assert_array_equal(codes, other.results[method])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_code_comes_back_from_the_values_that_windows_keep(dtype: type[np.unsignedinteger[Any]]) -> None:
    top = int(np.iinfo(dtype).max)
    codes = np.resize(np.arange(top + 1, dtype=dtype), (1, 256, 512, 3))
    unmasked = np.zeros((1, 256, 512), np.float32)
    (frame,) = restore_shot(lambda *_: codes, lambda *_: unmasked, 1, KnownErrors(), ["prior"], WindowPlan())
    assert frame.plate.dtype == dtype and np.array_equal(frame.plate, codes[0])
    assert np.array_equal(frame.results["prior"], codes[0])
