"""Warping error: anchors of Lai et al.'s definition, a loop oracle, streaming."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from interpositive.errors import ConfigError, MaskError, MediaError
from interpositive.metrics.pair_motion import FlowEngine, PairMotion
from interpositive.metrics.warp_error import WarpError, mean_gap

SIGMA = 0.02


def _constant_flow(x: float, y: float = 0.0) -> FlowEngine:
    """An engine that knows the motion: ``x, y`` forward for the even call of a pair, back for the odd one."""
    calls = [0]

    def flow(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        sign = 1.0 if calls[0] % 2 == 0 else -1.0
        calls[0] += 1
        return np.broadcast_to(np.float32([sign * x, sign * y]), (*source.shape, 2)).copy()

    return FlowEngine("known", flow)


def _known(x: float, result: torch.Tensor, reference: torch.Tensor, **given: torch.Tensor) -> dict[str, float]:
    """All values under a known motion."""
    measured = WarpError(_constant_flow(x))(result, reference, **given)
    return {name.replace("_known", ""): float(value) for name, value in measured.items()}


def _measured(result: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, float]:
    """All values under measured motion."""
    measured = WarpError()(result, reference, mask=mask)
    return {name.replace("_dis", ""): float(value) for name, value in measured.items()}


def _texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    smooth = gaussian_filter(noise, (2.0, 2.0, 0.0))
    return (0.5 + 0.15 * smooth / smooth.std()).clip(0, 1)


def _panning_shot(num_frames: int, step_px: int, height: int = 96, width: int = 128) -> torch.Tensor:
    wide = _texture(height, width + step_px * num_frames)
    frames = [wide[:, t * step_px : t * step_px + width] for t in range(num_frames)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float().contiguous()


def _grain(shot: torch.Tensor, sigma: float, seed: int = 1) -> torch.Tensor:
    return shot + sigma * torch.randn(shot.shape, generator=torch.Generator().manual_seed(seed))


def test_integer_shift_with_grain_is_twice_its_variance() -> None:
    shot = _panning_shot(6, 3)
    noisy = _grain(shot, SIGMA)
    assert _known(-3.0, shot, shot)["e_warp"] == pytest.approx(0.0, abs=1e-9)
    assert _known(-3.0, noisy, shot)["e_warp"] == pytest.approx(2 * SIGMA**2, rel=0.02)


def test_half_pixel_shift_hides_a_quarter_of_the_grain() -> None:
    grain = _grain(torch.full((6, 3, 96, 128), 0.5), SIGMA)
    measured = _known(0.5, grain, grain)["e_warp"]
    assert measured == pytest.approx(1.5 * SIGMA**2, rel=0.02)


def test_one_pair_by_the_definition() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.random((3, 12, 15)), generator.random((3, 12, 15))
    flow = generator.uniform(-1.5, 1.5, (2, 12, 15))
    ys, xs = np.mgrid[:12, :15].astype(float)
    warped = np.stack([map_coordinates(c, (ys + flow[1], xs + flow[0]), order=1, mode="nearest") for c in second])
    counted = generator.random((12, 15)) > 0.4
    expected = ((warped - first) ** 2)[:, counted].mean()
    known = torch.from_numpy(flow)[None]
    gap = PairMotion(known, -known).gap(torch.from_numpy(first), torch.from_numpy(second))
    measured = mean_gap(gap, torch.from_numpy(counted)[None, None])
    assert measured == pytest.approx(expected, rel=1e-9)


def test_mean_over_pairs_not_over_pixels() -> None:
    shot = torch.full((3, 3, 16, 16), 0.5)
    shot[1] += 0.1
    mask = torch.zeros(3, 1, 16, 16)
    mask[0, 0, :2, :2] = 1.0  # pair 0: a small hole, jump of 0.1
    mask[2, 0, 8:, :] = 1.0  # pair 1: a large one, the same jump, of 0.2 in the end
    shot[2] -= 0.1
    measured = _known(0.0, shot, shot, mask=mask)["e_warp_hole"]
    assert measured == pytest.approx((0.1**2 + 0.2**2) / 2, rel=1e-4)


def test_hole_counts_motion_that_starts_or_ends_in_it() -> None:
    forward = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 16)
    motion = PairMotion(forward, -forward)
    first, second = torch.zeros(1, 8, 16).bool(), torch.zeros(1, 8, 16).bool()
    first[0, 2, 3] = True
    second[0, 5, 10] = True  # entered from x = 6
    assert motion.counted(first, second)[0, 0].nonzero().tolist() == [[2, 3], [5, 6]]


def test_occlusions_are_left_out() -> None:
    shot = _panning_shot(2, 3)
    grey = np.zeros(shot.shape[-2:], np.uint8)
    motion = PairMotion.between(grey, grey, _constant_flow(-3.0))
    assert not motion.visible[..., :2].any() and motion.visible[..., 4:].all()


def test_measured_flow_finds_the_anchor() -> None:
    shot = _panning_shot(5, 2)
    clean = _measured(shot, shot)["e_warp"]
    assert clean < 1e-4
    noisy = _measured(_grain(shot, SIGMA), shot)["e_warp"] - clean
    assert 1.5 * SIGMA**2 < noisy < 2.1 * SIGMA**2


def test_a_boiling_fill_measures_worse_in_the_hole_only() -> None:
    shot = _panning_shot(5, 2)
    mask = torch.zeros(5, 1, 96, 128)
    mask[:, :, 30:60, 40:80] = 1.0
    errors = []
    for strength in (0.0, 0.05, 0.15):
        boiling = torch.where(mask > 0, _grain(shot, strength), shot).clamp(0, 1)
        errors.append(_measured(boiling, shot, mask)["e_warp_hole"])
    assert errors[0] < errors[1] < errors[2]
    calm = torch.where(mask > 0, shot, _grain(shot, 0.1).clamp(0, 1))
    far = torch.zeros_like(mask)
    far[:, :, 35:55, 46:74] = 1.0
    expected = _measured(shot, shot, far)["e_warp_hole"]
    assert _measured(calm, shot, far)["e_warp_hole"] == pytest.approx(expected, rel=1e-6)


def test_windows_equal_the_whole_and_cuts_are_not_pairs() -> None:
    shot = _grain(_panning_shot(7, 2, 48, 64), SIGMA)
    mask = (torch.rand(7, 1, 48, 64, generator=torch.Generator().manual_seed(4)) > 0.5).float()
    streamed = WarpError()
    for start, stop in ((0, 1), (1, 4), (4, 7)):
        streamed.update(shot[start:stop] * 0.9, shot[start:stop], mask=mask[start:stop])
    whole = WarpError()(shot * 0.9, shot, mask=mask)
    torch.testing.assert_close(streamed.compute(), whole, rtol=1e-12, atol=0.0)
    streamed.end_shot()
    streamed.update(1 - shot, 1 - shot, mask=mask)
    alone = WarpError()(1 - shot, 1 - shot, mask=mask)
    expected = {name: (whole[name] + alone[name]) / 2 for name in whole}
    torch.testing.assert_close(streamed.compute(), expected, rtol=1e-12, atol=0.0)


def test_frames_may_be_overwritten_after_an_update() -> None:
    shot = _grain(_panning_shot(4, 2, 48, 64), SIGMA)
    whole = WarpError()(shot, shot)
    streamed, window = WarpError(), torch.empty_like(shot[:2])
    for part in shot.split(2):
        window.copy_(part)
        streamed.update(window, window)
    assert float(streamed.compute()["e_warp_dis"]) == pytest.approx(float(whole["e_warp_dis"]), rel=1e-12)


def test_undefined_for_one_frame_or_an_empty_mask() -> None:
    shot = _panning_shot(3, 2, 48, 64)
    assert all(math.isnan(value) for value in _measured(shot[:1], shot[:1]).values())
    empty = _measured(shot, shot, torch.zeros(3, 1, 48, 64))
    assert math.isnan(empty["e_warp_hole"]) and not math.isnan(empty["e_warp"])


def test_names_carry_the_engine() -> None:
    names = [info.name for info in WarpError(_constant_flow(0.0)).infos]
    assert names == ["e_warp_known_hole", "e_warp_known"]
    assert WarpError().infos[1].name == "e_warp_dis" and WarpError("farneback").infos[1].name == "e_warp_farneback"


def test_bad_input_is_named() -> None:
    shot = _panning_shot(3, 2, 48, 64)
    with pytest.raises(MediaError, match=r"(?s)reference.*\(3, 3, 48, 63\)"):
        WarpError().update(shot, shot[..., :63])
    with pytest.raises(MediaError, match="one shot at a time"):
        WarpError().update(shot[None], shot[None])
    with pytest.raises(MaskError, match="does not fit"):
        WarpError().update(shot, shot, mask=torch.zeros(3, 1, 48, 63))
    with pytest.raises(ConfigError, match="raft"):
        WarpError("raft")
    with pytest.raises(MediaError, match="without a reference or a plate"):
        WarpError().update(shot)
    meter = WarpError()
    meter.update(shot, shot)
    with pytest.raises(MediaError, match="window before it"):
        meter.update(shot[..., :40], shot[..., :40])
