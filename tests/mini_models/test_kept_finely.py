"""Of large frames, what is thin is judged at their own size, in as few tiles as take least time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interpositive.mini_models.kept_finely import NUM_EVIDENCE, LargePlate
from interpositive.mini_models.kept_plate import KeptPlate
from interpositive.motion.motion_raster import MotionRaster


@pytest.mark.parametrize(("apart_px", "num_tiles"), [(60, 1), (200, 2)])
def test_pieces_near_each_other_are_judged_at_once(
    apart_px: int, num_tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width = 300, 480
    frame = np.random.default_rng(3).random((height, width, 3), np.float32)
    hole = np.zeros((height, width), bool)
    hole[100:160, 40:47] = hole[100:160, 47 + apart_px : 54 + apart_px] = True
    raster = MotionRaster(height, width, 150)
    evidence = np.zeros((*raster.shape, 3 + NUM_EVIDENCE), np.float32)
    keeper, asked = KeptPlate(11).eval(), list[int]()
    with torch.no_grad():
        assert keeper.judge.last.bias is not None
        keeper.judge.last.bias[0] = 10.0
    keeper.register_forward_pre_hook(lambda _, given: asked.append(int(given[1].sum())))
    judged = LargePlate(frame, hole, hole, raster, evidence).judged(keeper, torch.device("cpu"))
    assert len(asked) == num_tiles and sum(asked) == hole.sum(), "each pixel once"
    assert not judged.kept[~hole].any() and judged.kept[100:160, [40, 46]].min() > 0.9
    whole = judged.kept > 0.999
    np.testing.assert_allclose(judged.values[whole], frame[whole], atol=1e-2)
