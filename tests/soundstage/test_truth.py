"""The truth that comes with a take agrees with its pixels and with an independent camera model."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from interpositive.soundstage.rendering import RenderedTake, render_take
from interpositive.soundstage.spec import SCENE_NAMES, SceneName, StageSpec
from interpositive.soundstage.truth import Truth

Takes = dict[SceneName, RenderedTake]


def truth_of(take: RenderedTake) -> Truth:
    assert take.truth is not None
    return take.truth


def warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    return cv2.remap(image, x + flow[0], y + flow[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_clean_plate_is_the_frame_where_no_performer_or_shadow_is(small_takes: Takes, scene: SceneName) -> None:
    truth = truth_of(small_takes[scene])
    touched = (truth.performer_alpha > 0) | (truth.shadow > 0)
    assert 0.005 < touched.mean() < 0.7
    gap = np.abs(truth.noiseless - truth.clean_plate).max(-1)
    assert gap[~touched].max() < 1e-5
    assert gap[truth.performer_alpha > 0.9].mean() > 0.02


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_flow_carries_the_neighbouring_frame_onto_this_one(
    small_takes: Takes, scene: SceneName, direction: str
) -> None:
    truth = truth_of(small_takes[scene])
    flow = getattr(truth, f"{direction}_flow")
    hidden = getattr(truth, f"{direction}_hidden")
    here, there = (1, 2) if direction == "forward" else (2, 1)
    kept = ~hidden[here]
    moving = kept & (np.hypot(*flow[here]) > 0.25)
    assert kept.mean() > 0.9 and moving.sum() > 30

    def error(field: np.ndarray, where: np.ndarray) -> float:
        gap = np.abs(warp(truth.noiseless[there], field) - truth.noiseless[here]).mean(-1)
        return float(gap[where].mean() * 255)

    with_flow, without, against = (error(flow[here] * sign, moving) for sign in (1, 0, -1))
    assert error(flow[here], kept) < 1.6
    assert with_flow < 0.6 * without and with_flow < 0.4 * against


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_depth_and_cameras_predict_the_flow_of_the_set(small_takes: Takes, scene: SceneName) -> None:
    take = small_takes[scene]
    truth = truth_of(take)
    height, width = truth.depth.shape[1:]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    first, last = take.cameras[1], take.cameras[2]
    rays = np.linalg.inv(first[:, :3]) @ np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    centre = -np.linalg.inv(first[:, :3]) @ first[:, 3]
    world = centre[:, None] + rays * truth.depth[1].reshape(-1)
    seen = last[:, :3] @ world + last[:, 3:]
    predicted = (seen[:2] / seen[2]).reshape(2, height, width) - np.stack([x, y])
    performers = [truth.layers.index(name) for name in take.performers]
    static = ~np.isin(truth.visible[1], performers)
    assert static.mean() > 0.5
    np.testing.assert_allclose(truth.forward_flow[1][:, static], predicted[:, static], atol=2e-3)


def test_nearer_uprights_hide_farther_ones(small_takes: Takes) -> None:
    """Layers come back to front: of two that fully cover a pixel the later is seen, and it is nearer."""
    for take in small_takes.values():
        truth = truth_of(take)
        solid = truth.layer_alpha[1] >= 250
        order = np.arange(len(truth.layers))[:, None, None]
        foremost = np.where(solid, order, -1).max(0)
        assert (truth.visible[1] >= foremost).all()
        mean_depth = {
            layer: float(truth.depth[1][truth.visible[1] == layer].mean()) for layer in np.unique(truth.visible[1])
        }
        ground = {i for i, name in enumerate(truth.layers) if name in {"flagstones", "lawn", "tarmac", "far tarmac"}}
        depths = [depth for layer, depth in mean_depth.items() if layer not in ground]
        assert len(depths) >= 3
        assert all(later < earlier + 1.0 for earlier, later in pairwise(depths))


def test_hidden_pixels_are_where_performers_move(small_takes: Takes) -> None:
    take = small_takes["27"]
    truth = truth_of(take)
    near_performer = cv2.dilate((truth.performer_alpha[1] > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    hidden = truth.forward_hidden[1]
    assert hidden.any()
    assert not hidden[~near_performer].any(), "a locked-off camera hides nothing but by its performers"


@pytest.mark.parametrize("scene", SCENE_NAMES)
def test_joints_lie_on_the_performer(small_takes: Takes, scene: SceneName) -> None:
    take = small_takes[scene]
    truth = truth_of(take)
    height, width = truth.depth.shape[1:]
    counted = 0
    for number, name in enumerate(take.performers):
        cover = truth.layer_alpha[1, truth.layers.index(name)]
        for joint in ("neck", "left_shoulder", "right_knee", "left_hand", "right_hand", "head"):
            x, y, distance = take.anchors[1, number, take.joints.index(joint)]
            assert 1.0 < distance < 20.0
            if 1 <= x < width - 2 and 1 <= y < height - 2:
                assert cover[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].max() > 100, (
                    name,
                    joint,
                )
                counted += 1
    assert counted >= 4


def test_motion_blur_spreads_performers_over_the_open_shutter() -> None:
    """With a longer shutter more pixels are partly covered; with none the edge is as sharp as the cloth's."""
    partly = []
    for shutter in (0.0, 0.5, 1.0):
        spec = StageSpec.from_values(
            {"seed": 7, "width": 192, "height": 108, "num_frames": 1, "shutter": shutter, "softness_px": 0}
        )
        truth = truth_of(render_take(spec, "31B", 1))
        partly.append(float(((truth.performer_alpha > 0.05) & (truth.performer_alpha < 0.95)).sum()))
    assert partly[0] < partly[1] < partly[2]
