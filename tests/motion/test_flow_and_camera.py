"""Flow, warps, occlusion and the camera, against motion that is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import panning_shot, textured_wall

from interpositive.errors import MaskError
from interpositive.metrics.pair_motion import PairMotion
from interpositive.motion import optical_flow
from interpositive.motion.camera_motion import CameraPath, fit_homography, homography_flow
from interpositive.motion.flow_completion import FlowCompletion, complete_flow
from interpositive.motion.occlusion import hidden, inconsistent, motion_boundary
from interpositive.motion.optical_flow import dis_flow, luma_u8
from interpositive.motion.warping import warp_backward
from interpositive.motion.window_motion import WindowMotion

HEIGHT, WIDTH = 64, 96


def wall(seed: int = 0) -> NDArray[np.float32]:
    return textured_wall(np.random.default_rng(seed), HEIGHT + 24, WIDTH + 24)


@pytest.mark.parametrize("shift", [(3, 0), (0, -2), (-4, 5)])
def test_a_known_shift_is_found(shift: tuple[int, int]) -> None:
    picture = wall()
    dx, dy = shift
    source = luma_u8(picture[10 : 10 + HEIGHT, 10 : 10 + WIDTH])
    # What lies at x in the source lies at x + shift in the target.
    target = luma_u8(picture[10 - dy : 10 - dy + HEIGHT, 10 - dx : 10 - dx + WIDTH])
    flow = dis_flow(source, target)
    assert flow.shape == (HEIGHT, WIDTH, 2) and flow.dtype == np.float32
    inner = flow[8:-8, 8:-8]
    assert np.abs(inner - shift).mean() < 0.1
    assert np.abs(np.median(inner, (0, 1)) - shift).max() < 0.05


def test_the_same_frames_have_the_same_flow_and_a_still_has_none() -> None:
    one, other = (luma_u8(frame) for frame in panning_shot(3, num_frames=2))
    assert np.array_equal(dis_flow(one, other), dis_flow(one, other))
    assert np.abs(dis_flow(one, one)).max() < 0.02


@pytest.mark.parametrize("size", [(5, 7), (15, 40), (16, 16)])
def test_frames_smaller_than_the_engine_allows_have_flow(size: tuple[int, int]) -> None:
    codes = luma_u8(wall()[: size[0], : size[1]])
    assert dis_flow(codes, codes).shape == (*size, 2)


def test_luma_is_that_of_bt709_rounded() -> None:
    colours = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [2, 2, 2], [-1, 0, 0]]], np.float32)
    assert luma_u8(colours).tolist() == [[54, 182, 18, 255, 255, 0]]


def test_a_warp_by_whole_pixels_reads_exactly_those() -> None:
    image = torch.from_numpy(wall()[:HEIGHT, :WIDTH].transpose(2, 0, 1))[None]
    flow = torch.zeros(1, 2, HEIGHT, WIDTH)
    flow[:, 0], flow[:, 1] = 3.0, -2.0
    warped, inside = warp_backward(image, flow)
    assert torch.allclose(warped[..., 2:, :-3], image[..., :-2, 3:], atol=1e-5)
    expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    expected[2:, : WIDTH - 3] = True
    assert torch.equal(inside[0, 0], expected)
    assert torch.allclose(warped[0, :, 10, -1], image[0, :, 8, -1], atol=1e-5), "beyond the border, the border repeats"


def test_a_warp_between_pixels_is_their_mean() -> None:
    image = torch.arange(6.0).reshape(1, 1, 1, 6)
    flow = torch.zeros(1, 2, 1, 6)
    flow[:, 0] = 0.5
    assert warp_backward(image, flow)[0][0, 0, 0, :5].tolist() == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5], abs=1e-5)


def square_flows() -> tuple[torch.Tensor, torch.Tensor]:
    """A square of 16 px moving right by 6 px over a still ground: exact flows there and back."""
    forward, backward = torch.zeros(1, 2, 48, 64), torch.zeros(1, 2, 48, 64)
    forward[:, 0, 16:32, 20:36] = 6.0
    backward[:, 0, 16:32, 26:42] = -6.0
    return forward, backward


def test_a_moving_square_occludes_the_ground_before_it() -> None:
    forward, backward = square_flows()
    lost = inconsistent(forward, warp_backward(backward, forward)[0])[0, 0]
    expected = torch.zeros(48, 64, dtype=torch.bool)
    expected[16:32, 36:42] = True
    assert torch.equal(lost, expected)
    revealed = inconsistent(backward, warp_backward(forward, backward)[0])[0, 0]
    assert torch.equal(revealed, expected.roll(-16, 1)), "on the way back, what the square left behind"


def test_motion_boundaries_are_the_outline_of_the_square() -> None:
    forward, backward = square_flows()
    edge = motion_boundary(forward)[0, 0]
    outline = torch.zeros(48, 64, dtype=torch.bool)
    outline[15, 20:36] = outline[31, 20:36] = True
    outline[16:32, 19] = outline[16:32, 35] = True
    assert torch.equal(edge, outline)
    returned, _ = warp_backward(backward, forward)
    assert torch.equal(hidden(forward, returned)[0, 0], outline | inconsistent(forward, returned)[0, 0])


def test_flow_that_leaves_the_frame_is_occluded() -> None:
    flow = torch.zeros(1, 2, 20, 30)
    flow[:, 0] = 5.0
    visible = PairMotion(flow, -flow).visible[0, 0]
    assert not visible[:, 25:].any() and visible[:, :25].all()


@pytest.mark.parametrize("hole", [np.s_[20:30, 30:50], np.s_[:, 40:44], np.s_[:12, :], np.s_[:, :70]])
def test_constant_flow_is_completed_exactly(hole: tuple[slice, slice]) -> None:
    flow = np.full((HEIGHT, WIDTH, 2), (2.5, -1.25), np.float32)
    missing = np.zeros((HEIGHT, WIDTH), bool)
    missing[hole] = True
    broken = np.where(missing[..., None], 77.0, flow).astype(np.float32)
    completed = complete_flow(broken, missing)
    np.testing.assert_allclose(completed, flow, atol=1e-4)
    assert np.array_equal(completed[~missing], flow[~missing])


def test_flow_is_completed_from_its_own_side() -> None:
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[:, WIDTH // 2 :, 0] = 4.0
    missing = np.zeros((HEIGHT, WIDTH), bool)
    missing[:, 20:24] = missing[:, 70:74] = True
    completed = complete_flow(np.where(missing[..., None], -9.0, flow).astype(np.float32), missing)
    assert np.abs(completed - flow).max() < 0.05


def test_completion_on_smaller_rasters_hardly_differs() -> None:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    flow = np.dstack((4 * np.sin(xs / 40), 3 * np.cos(ys / 30))).astype(np.float32)
    missing = np.hypot(ys - HEIGHT / 2, xs - WIDTH / 2) < 0.35 * HEIGHT
    broken = np.where(missing[..., None], 77.0, flow).astype(np.float32)
    whole, pooled = (FlowCompletion(missing, pooled=each)(broken) for each in (False, True))
    assert np.array_equal(pooled[~missing], flow[~missing])
    assert 0.0 < np.abs(pooled - whole).max() < 0.25
    still = FlowCompletion(missing, pooled=True)(
        np.where(missing[..., None], 77.0, 2.5).astype(np.float32).repeat(2, -1)
    )
    np.testing.assert_allclose(still, 2.5, atol=1e-4)


def test_flow_without_any_known_vector_is_still() -> None:
    assert np.all(complete_flow(np.ones((8, 8, 2), np.float32), np.ones((8, 8), bool)) == 0)


TURN = np.array([[1.01, 0.012, 2.0], [-0.008, 0.995, -1.5], [2e-5, -1e-5, 1.0]])


def test_the_camera_is_found_among_outliers() -> None:
    random = np.random.default_rng(0)
    flow = homography_flow(TURN, HEIGHT, WIDTH)
    truth = flow.copy()
    flow += random.normal(0, 0.05, flow.shape).astype(np.float32)
    flow[10:50, 20:50] += (7.0, 3.0)  # someone walks through the frame
    found = fit_homography(flow, np.ones((HEIGHT, WIDTH), bool))
    assert np.abs(homography_flow(found, HEIGHT, WIDTH) - truth).max() < 0.3
    again = fit_homography(flow, np.ones((HEIGHT, WIDTH), bool))
    assert np.array_equal(found, again)


def test_flow_that_must_not_be_trusted_is_not_used() -> None:
    flow = homography_flow(TURN, HEIGHT, WIDTH)
    usable = np.zeros((HEIGHT, WIDTH), bool)
    usable[:, :60] = True
    flow[~usable] = 50.0
    found = fit_homography(flow, usable)
    np.testing.assert_allclose(
        homography_flow(found, HEIGHT, WIDTH)[:, :60], homography_flow(TURN, HEIGHT, WIDTH)[:, :60], atol=0.05
    )


def test_with_few_vectors_the_camera_only_shifts() -> None:
    flow = np.full((HEIGHT, WIDTH, 2), (1.5, -2.0), np.float32)
    usable = np.zeros((HEIGHT, WIDTH), bool)
    usable[:8, :8] = True
    found = fit_homography(flow, usable)
    assert np.allclose(found, [[1, 0, 1.5], [0, 1, -2.0], [0, 0, 1]])
    assert np.array_equal(fit_homography(flow, np.zeros((HEIGHT, WIDTH), bool)), np.eye(3))


def test_a_camera_path_composes() -> None:
    random = np.random.default_rng(1)
    steps = []
    for _ in range(5):
        step = np.eye(3) + random.normal(0, 0.01, (3, 3))
        step[:2, 2] = random.normal(0, 3, 2)
        step[2] = (1e-5, -2e-5, 1)
        steps.append(step)
    path = CameraPath(steps)
    for index, step in enumerate(steps):
        np.testing.assert_allclose(path.between(index, index + 1), step / step[2, 2], atol=1e-9)
    for source in range(6):
        np.testing.assert_allclose(path.between(source, source), np.eye(3), atol=1e-9)
        for target in range(6):
            around = path.between(target, source) @ path.between(source, target)
            np.testing.assert_allclose(around / around[2, 2], np.eye(3), atol=1e-8)
            through = path.between(3, target) @ path.between(source, 3)
            np.testing.assert_allclose(through / through[2, 2], path.between(source, target), atol=1e-8)


def test_a_window_knows_the_pan_behind_its_masks() -> None:
    frames = panning_shot(5, num_frames=8, speed_px=(2.0, 0.0), actor=False)
    masks = np.zeros(frames.shape[:3], np.float32)
    masks[:, :, 46:50] = 1.0  # a wire that does not move with the wall
    frames[masks > 0] = 0.0
    motion = WindowMotion(frames, masks)
    inner = np.s_[8:-8, 20:-20]
    assert np.abs(motion.flow(4, 3)[inner] - (2.0, 0.0)).mean() < 0.25
    assert np.abs(motion.camera_flow(6, 2)[inner] - (8.0, 0.0)).max() < 0.5
    assert motion.consistent(4, 3)[inner].mean() > 0.95
    clear = motion.clear(3, motion.flow(4, 3))
    assert not clear[20, 45:47].any() and clear[20, 10:40].all()


def test_a_window_refuses_masks_of_another_raster() -> None:
    with pytest.raises(MaskError, match="masks do not fit"):
        WindowMotion(np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 8, 9), np.float32))


@pytest.mark.parametrize("size", [(24, 32), (40, 40), (20, 200), (90, 40), (1, 1)])
@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
def test_a_tiny_frame_does_not_change_the_flow_of_those_after_it(
    size: tuple[int, int], preset: optical_flow.Preset
) -> None:
    optical_flow._engine.cache_clear()
    draw = np.random.default_rng(0)
    large, tiny = (draw.integers(0, 255, (2, *size)).astype(np.uint8) for size in ((72, 96), size))
    before = dis_flow(large[0], large[1], preset)
    once, again = dis_flow(tiny[0], tiny[1], preset), dis_flow(tiny[0], tiny[1], preset)
    assert once.shape == (*size, 2)
    np.testing.assert_array_equal(dis_flow(large[0], large[1], preset), before)
    np.testing.assert_array_equal(once, again)
