"""Warping error: anchors of Lai et al.'s definition, a loop oracle, streaming."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from interpositive.errors import MaskError, MediaError
from interpositive.metrics.warp_error import (
    FlowEngine,
    PairMotion,
    RelativeWarpError,
    WarpError,
    mean_gap,
    pair_gap,
    relative_warp_error,
)

SIGMA = 0.02


def _constant_flow(x: float, y: float = 0.0) -> FlowEngine:
    """An engine that knows the motion: ``x, y`` forward for the even call of a pair, back for the odd one."""
    calls = [0]

    def flow(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        sign = 1.0 if calls[0] % 2 == 0 else -1.0
        calls[0] += 1
        return sign * torch.tensor([x, y]).view(2, 1, 1).expand(2, *source.shape[-2:]).clone()

    return FlowEngine("known", flow)


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
    assert float(WarpError(engine=_constant_flow(-3.0))(shot, shot)) == pytest.approx(0.0, abs=1e-9)
    assert float(WarpError(engine=_constant_flow(-3.0))(noisy, shot)) == pytest.approx(2 * SIGMA**2, rel=0.02)


def test_half_pixel_shift_hides_a_quarter_of_the_grain() -> None:
    grain = _grain(torch.full((6, 3, 96, 128), 0.5), SIGMA)
    measured = float(WarpError(engine=_constant_flow(0.5))(grain, grain))
    assert measured == pytest.approx(1.5 * SIGMA**2, rel=0.02)


def test_one_pair_by_the_definition() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.random((3, 12, 15)), generator.random((3, 12, 15))
    flow = generator.uniform(-1.5, 1.5, (2, 12, 15))
    ys, xs = np.mgrid[:12, :15].astype(float)
    warped = np.stack([map_coordinates(c, (ys + flow[1], xs + flow[0]), order=1, mode="nearest") for c in second])
    counted = generator.random((12, 15)) > 0.4
    expected = ((warped - first) ** 2)[:, counted].mean()
    gap = pair_gap(torch.from_numpy(first), torch.from_numpy(second), torch.from_numpy(flow)[None])
    measured = mean_gap(gap, torch.from_numpy(counted)[None, None])
    assert measured == pytest.approx(expected, rel=1e-9)


def test_mean_over_pairs_not_over_pixels() -> None:
    shot = torch.full((3, 3, 16, 16), 0.5)
    shot[1] += 0.1
    mask = torch.zeros(3, 1, 16, 16)
    mask[0, 0, :2, :2] = 1.0  # pair 0: a small hole, jump of 0.1
    mask[2, 0, 8:, :] = 1.0  # pair 1: a large one, the same jump, of 0.2 in the end
    shot[2] -= 0.1
    measured = float(WarpError("hole", _constant_flow(0.0))(shot, shot, mask))
    assert measured == pytest.approx((0.1**2 + 0.2**2) / 2, rel=1e-4)


def test_hole_counts_motion_that_starts_or_ends_in_it() -> None:
    motion = PairMotion(torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 16), torch.ones(1, 1, 8, 16).bool())
    first, second = torch.zeros(1, 8, 16), torch.zeros(1, 8, 16)
    first[0, 2, 3] = 1.0
    second[0, 5, 10] = 1.0  # entered from x = 6
    assert motion.counted(first, second)[0, 0].nonzero().tolist() == [[2, 3], [5, 6]]


def test_occlusions_are_left_out() -> None:
    shot = _panning_shot(2, 3)
    motion = PairMotion.between(shot[0], shot[1], _constant_flow(-3.0))
    assert not motion.visible[..., :2].any() and motion.visible[..., 4:].all()


def test_measured_flow_finds_the_anchor() -> None:
    shot = _panning_shot(5, 2)
    clean = float(WarpError()(shot, shot))
    assert clean < 1e-4
    noisy = float(WarpError()(_grain(shot, SIGMA), shot)) - clean
    assert 1.5 * SIGMA**2 < noisy < 2.1 * SIGMA**2


def test_a_boiling_fill_measures_worse_in_the_hole_only() -> None:
    shot = _panning_shot(5, 2)
    mask = torch.zeros(5, 1, 96, 128)
    mask[:, :, 30:60, 40:80] = 1.0
    errors = []
    for strength in (0.0, 0.05, 0.15):
        boiling = torch.where(mask > 0, _grain(shot, strength), shot).clamp(0, 1)
        errors.append(float(WarpError("hole")(boiling, shot, mask)))
    assert errors[0] < errors[1] < errors[2]
    calm = torch.where(mask > 0, shot, _grain(shot, 0.1).clamp(0, 1))
    far = torch.zeros_like(mask)
    far[:, :, 35:55, 46:74] = 1.0
    assert float(WarpError("hole")(calm, shot, far)) == pytest.approx(
        float(WarpError("hole")(shot, shot, far)), rel=1e-6
    )


def test_relative_is_one_for_the_reference_and_tells_blur_from_boil() -> None:
    shot = _grain(_panning_shot(5, 2), SIGMA).clamp(0, 1)
    mask = torch.zeros(5, 1, 96, 128)
    mask[:, :, 30:60, 40:80] = 1.0
    soft = torch.nn.functional.avg_pool2d(shot, 5, 1, 2, count_include_pad=False)
    boil = _grain(shot, SIGMA, seed=9).clamp(0, 1)
    values = [float(RelativeWarpError("hole")(result, shot, mask)) for result in (soft, shot, boil)]
    assert values[1] == pytest.approx(1.0)
    assert values[0] < 0.5 and values[2] > 1.5
    assert math.isnan(relative_warp_error(0.1, 0.0))


def test_windows_equal_the_whole_and_cuts_are_not_pairs() -> None:
    shot = _grain(_panning_shot(7, 2, 48, 64), SIGMA)
    mask = (torch.rand(7, 1, 48, 64, generator=torch.Generator().manual_seed(4)) > 0.5).float()
    for kind in (WarpError, RelativeWarpError):
        streamed = kind("hole")
        for start, stop in ((0, 1), (1, 4), (4, 7)):
            streamed.update(shot[start:stop] * 0.9, shot[start:stop], mask[start:stop])
        whole = float(kind("hole")(shot * 0.9, shot, mask))
        assert float(streamed.compute()) == pytest.approx(whole, rel=1e-12)
        streamed.end_shot()
        streamed.update(1 - shot, 1 - shot, mask)
        alone = float(kind("hole")(1 - shot, 1 - shot, mask))
        assert float(streamed.compute()) == pytest.approx((whole + alone) / 2, rel=1e-12)


def test_frames_may_be_overwritten_after_an_update() -> None:
    shot = _grain(_panning_shot(4, 2, 48, 64), SIGMA)
    whole = float(WarpError()(shot, shot))
    streamed, window = WarpError(), torch.empty_like(shot[:2])
    for part in shot.split(2):
        window.copy_(part)
        streamed.update(window, window)
    assert float(streamed.compute()) == pytest.approx(whole, rel=1e-12)


def test_undefined_for_one_frame_or_an_empty_mask() -> None:
    shot = _panning_shot(3, 2, 48, 64)
    assert math.isnan(float(WarpError()(shot[:1], shot[:1])))
    assert math.isnan(float(WarpError("hole")(shot, shot, torch.zeros(3, 1, 48, 64))))


def test_names_carry_the_engine() -> None:
    names = [WarpError().name, WarpError("hole").name, RelativeWarpError("hole", _constant_flow(0.0)).name]
    assert names == ["e_warp_dis", "e_warp_dis_hole", "e_warp_rel_known_hole"]


def test_bad_input_is_named() -> None:
    shot = _panning_shot(3, 2, 48, 64)
    with pytest.raises(MediaError, match=r"(?s)flow source.*\(3, 3, 48, 63\)"):
        WarpError().update(shot, shot[..., :63])
    with pytest.raises(MediaError, match="one shot at a time"):
        WarpError().update(shot[None], shot[None])
    with pytest.raises(MaskError, match="does not fit"):
        WarpError("hole").update(shot, shot, torch.zeros(3, 1, 48, 63))
    meter = WarpError()
    meter.update(shot, shot)
    with pytest.raises(MediaError, match="window before it"):
        meter.update(shot[..., :40], shot[..., :40])
