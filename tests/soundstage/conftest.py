"""Small takes of every scene, shot once for all tests of the soundstage."""

from __future__ import annotations

import pytest

from interpositive.soundstage.rendering import RenderedTake, render_take
from interpositive.soundstage.spec import SCENE_NAMES, SceneName, StageSpec

SMALL = StageSpec.from_values({"seed": 7, "width": 256, "height": 144, "num_frames": 4})


@pytest.fixture(scope="session")
def small_spec() -> StageSpec:
    return SMALL


@pytest.fixture(scope="session")
def small_takes() -> dict[SceneName, RenderedTake]:
    return {scene: render_take(SMALL, scene, 1) for scene in SCENE_NAMES}
