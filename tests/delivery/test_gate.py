"""The held-out choice: the best method wins, by pixels whose truth is known and by no others."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import panning_shot
from stand_ins import ERRORS, FEW, GREY, HEIGHT, WIDTH, KnownErrors, bar_mask

from interpositive.delivery.gate import GatePlan, GateResult, choose_method
from interpositive.errors import MediaError
from interpositive.functional.examples import Example
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MiniModel
from interpositive.tasks.holding_out import AS_PLANNED, TryingOut, move_mask

NUM_FRAMES = 12
ORDER = ("trained", "prior", "flow", "telea")


def grey_codes() -> NDArray[np.uint16]:
    return np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), round(GREY * 65535), np.uint16)


def choose(
    mini_model: MiniModel,
    codes: NDArray[Any],
    mask: NDArray[Any],
    methods: tuple[str, ...] = ORDER,
    plan: GatePlan = FEW,
    seed: int = 0,
    trying_out: TryingOut = AS_PLANNED,
) -> GateResult:
    shares = mask.astype(np.float32) / 255

    def frames(start: int, stop: int) -> Any:
        return codes[start:stop]

    def masks(start: int, stop: int) -> NDArray[np.float32]:
        return shares[start:stop]

    return choose_method(frames, masks, len(codes), mini_model, methods, plan, seed, trying_out=trying_out)


@pytest.mark.parametrize("best", ORDER)
def test_the_planted_best_method_is_chosen_and_scored(best: str) -> None:
    errors = {**ERRORS, best: 0.01}
    result = choose(KnownErrors(errors), grey_codes(), bar_mask(NUM_FRAMES))
    assert result.chosen == best and result.note == "" and result.num_pixels > 100
    for method, score in result.scores.items():
        assert score == pytest.approx(-20 * np.log10(errors[method]), abs=0.02)


class MakesUp(KnownErrors):
    """Its ``trained`` is ``prior`` where a frame shows the hole, and worse by PSNR elsewhere, in a share of it."""

    makes_up = MappingProxyType({"trained": "prior"})

    def __init__(self, share: float, error: float = 0.014) -> None:
        super().__init__({**ERRORS, "prior": 0.01, "trained": error})
        self.share = share

    def restore(self, example: Example, keep: range, methods: Any = None) -> Any:
        restored = dict(super().restore(example, keep, methods))
        hole = example.mask[keep.start : keep.stop] > 0
        rows = torch.arange(hole.shape[-2])[:, None] < self.share * hole.shape[-2]
        restored["trained"] = replace(restored["trained"], made_up=hole & rows)
        return restored


@pytest.mark.parametrize(("share", "chosen"), [(0.0, "prior"), (0.5, "trained")])
def test_what_is_made_up_is_taken_where_psnr_cannot_judge_and_the_note_says_so(share: float, chosen: str) -> None:
    result = choose(MakesUp(share), grey_codes(), bar_mask(NUM_FRAMES))
    assert result.chosen == chosen and result.scores["trained"] < result.scores["prior"]  # type: ignore[operator]
    assert (result.note == "") == (share == 0) and ("50%" in result.note) == (share == 0.5)
    for best, expected in ((0.0098, chosen if share else "flow"), (0.001, "flow")):
        rivalled = MakesUp(share)
        rivalled.errors["flow"] = best
        assert choose(rivalled, grey_codes(), bar_mask(NUM_FRAMES)).chosen == expected, "what it copies must be near"


def test_what_is_no_texture_but_noise_is_not_delivered_and_the_note_says_so() -> None:
    result = choose(MakesUp(0.5, error=0.016), grey_codes(), bar_mask(NUM_FRAMES))
    assert result.chosen == "prior" and "trained is not trusted" in result.note and "4.1 dB below prior" in result.note
    diverged = choose(MakesUp(0.5, error=np.nan), grey_codes(), bar_mask(NUM_FRAMES))
    assert diverged.chosen == "prior" and diverged.scores["trained"] is None


class OnlyCompares(KnownErrors):
    only_compared = frozenset({"flow"})


@pytest.mark.parametrize(("error", "is_noted"), [(0.01, True), (0.01999, False), (0.03, False)])
def test_what_is_only_compared_is_never_chosen_and_the_note_says_where_it_was_ahead(
    error: float, is_noted: bool
) -> None:
    result = choose(OnlyCompares({**ERRORS, "trained": 0.02, "flow": error}), grey_codes(), bar_mask(NUM_FRAMES))
    assert result.chosen == "trained" and result.scores["flow"] == pytest.approx(-20 * np.log10(error), abs=0.02)
    assert ("flow is 6.0 dB ahead of trained" in result.note) == bool(result.note) == is_noted
    with pytest.raises(MediaError, match="no method repairs this shot"):
        choose(OnlyCompares({**dict.fromkeys(ERRORS, np.nan), "flow": 0.01}), grey_codes(), bar_mask(NUM_FRAMES))


def test_a_tie_goes_to_the_preferred_method_but_a_clear_win_does_not() -> None:
    mask, codes = bar_mask(NUM_FRAMES), grey_codes()
    assert choose(KnownErrors({**ERRORS, "prior": 0.01999}), codes, mask).chosen == "trained"
    assert choose(KnownErrors({**ERRORS, "prior": 0.0198}), codes, mask).chosen == "prior"
    # What is a tie is the task's to say.
    wider = TryingOut(tie_db=0.1)
    assert choose(KnownErrors({**ERRORS, "prior": 0.0198}), codes, mask, trying_out=wider).chosen == "trained"
    assert choose(KnownErrors({**ERRORS, "prior": 0.0197}), codes, mask, trying_out=wider).chosen == "prior"


def test_a_training_run_gone_wrong_cannot_ship() -> None:
    assert choose(KnownErrors({**ERRORS, "trained": 0.4}), grey_codes(), bar_mask(NUM_FRAMES)).chosen == "prior"
    diverged = choose(KnownErrors({**ERRORS, "trained": np.nan}), grey_codes(), bar_mask(NUM_FRAMES))
    assert diverged.chosen == "prior" and diverged.scores["trained"] is None
    with pytest.raises(MediaError, match="no method repairs this shot"):
        choose(KnownErrors(dict.fromkeys(ERRORS, np.nan)), grey_codes(), bar_mask(NUM_FRAMES))


@pytest.mark.parametrize("seed", range(4))
def test_what_lies_under_the_real_mask_changes_nothing(seed: int) -> None:
    mask = bar_mask(NUM_FRAMES)
    changed = grey_codes()
    changed[mask > 0] = np.random.default_rng(seed).integers(0, 65536, (int((mask > 0).sum()), 3))
    first, second = (choose(KnownErrors(), codes, mask, seed=seed) for codes in (grey_codes(), changed))
    assert first == second


def test_what_lies_under_the_real_mask_changes_nothing_for_the_real_mini_model() -> None:
    codes = np.rint(panning_shot(3, num_frames=8) * 255).astype(np.uint8)
    mask = np.zeros(codes.shape[:3], np.uint8)
    for t in range(8):
        mask[t, :, 40 + t : 43 + t] = 255
    changed = codes.copy()
    changed[mask > 0] = np.random.default_rng(0).integers(0, 256, (int((mask > 0).sum()), 3))
    torch.manual_seed(0)
    mini_model = CandidateFusion(
        flow_offsets=(1, 2), camera_offsets=(2,), scorer_width=4, residual_widths=(4, 4, 4), crop_px=32
    ).eval()
    plan = GatePlan(num_trials=1, num_frames=2, reach=2)
    methods = ("trained", "prior", "recursive_flow", "telea")
    results = [choose(mini_model, c, mask, methods, plan) for c in (codes, changed)]
    assert results[0].num_pixels > 20
    assert results[0] == results[1]


def test_the_mini_model_is_told_of_the_real_mask_and_judged_only_outside_it() -> None:
    mask = bar_mask(NUM_FRAMES)
    mini_model = KnownErrors()
    choose(mini_model, grey_codes(), mask, plan=GatePlan(1, 3, NUM_FRAMES, (0.3, 0.3)))
    (given,) = mini_model.masks
    hidden = given[:, 0].numpy() > 0
    assert np.all(hidden[mask > 0])
    assert hidden.sum() > (mask > 0).sum()


def test_it_is_deterministic_and_the_seed_moves_the_mask() -> None:
    random = np.random.default_rng(5)
    codes = random.integers(0, 65536, grey_codes().shape).astype(np.uint16)
    runs = [choose(KnownErrors(), codes, bar_mask(NUM_FRAMES), seed=seed) for seed in (7, 7, 8)]
    assert runs[0] == runs[1]
    assert runs[0].scores != runs[2].scores


@pytest.mark.parametrize(("fill", "word"), [(255, "held out"), (0, "empty")])
def test_where_nothing_can_be_held_out_the_prior_is_used_and_it_says_so(fill: int, word: str) -> None:
    mask = np.full((NUM_FRAMES, HEIGHT, WIDTH), fill, np.uint8)
    mini_model = KnownErrors()
    result = choose(mini_model, grey_codes(), mask)
    assert result.chosen == "prior" and result.num_pixels == 0 and not mini_model.asked
    assert word in result.note and "prior" in result.note
    assert set(result.scores.values()) == {None}


def test_without_a_prior_the_first_method_is_the_fallback() -> None:
    errors = {"trained": 0.1, "telea": 0.2}
    mask = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.uint8)
    result = choose(KnownErrors(errors), grey_codes(), mask, ("trained", "telea"))
    assert result.chosen == "trained" and "trained" in result.note


def test_a_shot_of_one_frame_is_tried_too() -> None:
    codes, mask = grey_codes()[:1], bar_mask(1)
    assert choose(KnownErrors(), codes, mask).chosen == "trained"


@pytest.mark.parametrize("upright", [True, False])
def test_a_wire_is_not_moved_along_itself(upright: bool) -> None:
    mask = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.uint8)
    mask[:, :, 18:21] = 255
    if not upright:
        mask = np.ascontiguousarray(np.rot90(mask, axes=(1, 2)))
    codes = np.full((*mask.shape, 3), 128, np.uint8)
    for seed in range(12):
        plan = GatePlan(1, 1, 0, (0.2, 0.2))
        assert choose(KnownErrors(), codes, mask, plan=plan, seed=seed).num_pixels >= 0.5 * 3 * HEIGHT


def test_the_mask_moves_as_a_whole_and_by_the_share_it_is_told() -> None:
    mask = np.zeros((3, 60, 80), np.float32)
    for t in range(3):
        mask[t, 28:32, 38 + t] = 0.5
    for angle in (0.0, 0.2, 0.4, 0.7, 0.9):
        moved = move_mask(mask, angle, 0.15)
        ys, xs = np.nonzero(moved[0])
        shift = np.array([ys.mean() - 29.5, xs.mean() - 38])
        assert np.hypot(*shift) == pytest.approx(0.15 * 60, abs=0.8)
        assert np.arctan2(*shift) % (2 * np.pi) == pytest.approx(2 * np.pi * angle, abs=0.1)
        for t in range(3):
            np.testing.assert_array_equal(np.argwhere(moved[t]) - [0, t], np.argwhere(moved[0]))
        assert set(np.unique(moved)) == {0.0, 0.5}


def test_a_task_says_how_far_a_try_must_see_and_how_small_it_may_be() -> None:
    model, mask = KnownErrors(), bar_mask(NUM_FRAMES)
    codes = np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), round(GREY * 65535), np.uint16)
    read: list[int] = []

    def frames(start: int, stop: int) -> Any:
        read.append(stop - start)
        return codes[start:stop]

    def masks(start: int, stop: int) -> Any:
        return mask[start:stop].astype(np.float32) / 255

    looks = TryingOut(reach=NUM_FRAMES, long_side_px=WIDTH // 2)
    found = choose_method(frames, masks, NUM_FRAMES, model, ORDER, FEW, 0, trying_out=looks)
    assert found.chosen == "trained" and {asked[0] for asked in model.asked} == {NUM_FRAMES}
    assert {tuple(seen.shape[2:]) for seen in model.masks} == {(HEIGHT // 2, WIDTH // 2)}
    assert max(read) < NUM_FRAMES, "no more of the plate at a time than fits into memory"
