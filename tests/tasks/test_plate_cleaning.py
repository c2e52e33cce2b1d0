"""What plate cleaning draws: each kind of blemish behaves in time as it does on film, and all of it is masked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import panning_shot

from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from
from interpositive.tasks.blemishes import draw_blemishes
from interpositive.tasks.plate_cleaning import PlateCleaning

KINDS = ("dust", "hair", "scratch", "sensor_spot", "intrusion")
SHAPE = (8, 108, 192)


def only(kind: str, **changes: Any) -> PlateCleaning:
    return PlateCleaning(kinds=[float(name == kind) for name in KINDS], **changes)


def drawn(kind: str, seed: int, **changes: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What one blemish changes on grey, and what it covers."""
    blemish = only(kind, **changes).random_blemishes(SHAPE, np.random.default_rng(seed))[0]
    grey = np.full((*SHAPE, 3), 0.5, np.float32)
    damaged, coverage = draw_blemishes(grey, [blemish])
    return damaged - grey, coverage


@pytest.mark.parametrize("kind", KINDS)
def test_everything_a_kind_changes_is_under_the_mask_that_would_be_painted(kind: str) -> None:
    clean = torch.from_numpy(panning_shot(0, num_frames=4).transpose(0, 3, 1, 2).copy())
    for seed in range(6):
        example = only(kind, shadow_share=1.0, mask_margin_px=(0, 0)).example(clean, generator_from(kind, seed))
        changed = (example.input != clean).any(1, keepdim=True)
        assert changed.any() and (example.mask[changed] > 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_dust_lies_on_one_frame_and_is_as_large_as_was_asked(seed: int) -> None:
    change, coverage = drawn("dust", seed, dust_px_at_1080=(60.0, 60.0))
    assert (coverage.max((1, 2)) > 0).sum() <= 1
    area = float(coverage.sum()) / max(1e-6, float(coverage.max()))
    # Six pixels across at this raster, stretched up to two and a half times; less where the edge cuts it.
    assert area < 2.5 * np.pi * (1.6 * 3.0) ** 2
    assert (change[coverage == 0] == 0).all()


def test_hairs_of_a_print_last_one_frame_and_hairs_in_the_gate_stay() -> None:
    lasting = [
        int((drawn("hair", seed, gate_hair_share=share)[1].max((1, 2)) > 0).sum())
        for share in (0.0, 1.0)
        for seed in range(30)
    ]
    assert max(lasting[:30]) <= 1
    assert max(lasting[30:]) == SHAPE[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_scratch_runs_from_top_to_bottom_through_every_frame(seed: int) -> None:
    _, coverage = drawn("scratch", seed, line_px_at_1080=(20.0, 20.0))
    places = []
    for frame in coverage:
        rows = np.nonzero(frame.max(1) > 0.01)[0]
        if len(rows):
            places.append(float(np.average(np.arange(SHAPE[2]), weights=frame.sum(0))))
            assert rows.min() < 0.2 * SHAPE[1] and rows.max() > 0.8 * SHAPE[1]
    assert np.abs(np.diff(places)).max(initial=0.0) < 3.0


@pytest.mark.parametrize("seed", range(4))
def test_a_sensor_spot_stays_in_place_and_only_dims(seed: int) -> None:
    change, coverage = drawn("sensor_spot", seed)
    assert (change <= 0).all() and (change[0] == change[-1]).all()
    assert change.min() > -0.5 * 0.5 - 1e-6
    assert (coverage[change.min(-1) < -0.01] > 0).all()


def test_a_boom_reaches_in_from_an_edge_and_its_shadow_is_covered_too() -> None:
    for seed in range(6):
        bare, shadowed = (drawn("intrusion", seed, shadow_share=share) for share in (0.0, 1.0))
        for change, coverage in (bare, shadowed):
            border = np.concatenate((coverage[:, 0], coverage[:, -1], coverage[:, :, 0], coverage[:, :, -1]), 1)
            assert (border.max(1) > 0.1).all()
            assert (coverage[np.abs(change).max(-1) > 0.01] > 0).all()
        assert shadowed[1].astype(bool).sum() > bare[1].astype(bool).sum()


def test_sizes_scale_with_the_raster() -> None:
    areas = []
    for scale in (1, 3):
        shape = (2, 108 * scale, 192 * scale)
        task = only("sensor_spot", spot_px_at_1080=(60.0, 60.0))
        spots = task.random_blemishes(shape, np.random.default_rng(1))
        _, coverage = draw_blemishes(np.full((*shape, 3), 0.5, np.float32), spots)
        areas.append(float((coverage[0] > 0).mean()))
    assert areas[1] == pytest.approx(areas[0], rel=0.2)


@pytest.mark.parametrize(
    "wrong", [{"kinds": (1, 1)}, {"kinds": (0, 0, 0, 0, 0)}, {"num_blemishes": (5, 2)}, {"dust_px_at_1080": (0, 3)}]
)
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        PlateCleaning(**wrong)
