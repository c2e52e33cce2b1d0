"""Fitted grade: found from another view of the set, one for the shot, and written as other programs read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio
import pytest
import torch
from productions import panning_shot
from shots import tensor

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.cdl_files import read_cdl
from interpositive.media.colour_management import apply_cdl
from interpositive.mini_models.fitted_grade import FittedGrade
from interpositive.tasks.color_match import ColorMatch, by_frame

T = 5


@pytest.fixture(scope="module")
def example() -> Example:
    """A pan over a wall; the reference is further along, so that it holds other colours too."""
    wall = tensor((0.1 + 0.7 * panning_shot(5, 24, 120, 192, (3.0, 0.0), actor=False)).astype(np.float32))
    made = ColorMatch().example(wall[:T], generator_from("match"))
    reference = by_frame(wall[12:16], T)
    return replace(
        made, condition={**made.condition, "reference": reference, "shot_pictures": by_frame(made.input[::2], T)}
    )


@pytest.fixture(scope="module")
def model() -> FittedGrade:
    torch.manual_seed(0)
    return FittedGrade(width=4).eval()


def test_the_look_is_found_from_another_view(example: Example, model: FittedGrade) -> None:
    assert example.target is not None
    restored = model.restore(example, range(T))
    judged = (example.condition["judged"] > 0).expand_as(example.input)
    error = {name: float((r.frames - example.target).abs()[judged].mean()) for name, r in restored.items()}
    assert error["prior"] < 0.01 < error["identity"]
    assert error["prior"] < 0.4 * min(error["reinhard"], error["histogram_match"], error["identity"])
    assert torch.equal(restored["prior"].frames, restored["trained"].frames), "untrained it is its prior"


def test_every_window_of_a_shot_has_the_same_grade(example: Example, model: FittedGrade) -> None:
    whole = model.restore(example, range(T), ["trained"])["trained"].frames
    part = replace(
        example,
        input=example.input[2:4],
        mask=example.mask[2:4],
        target=None,
        condition={name: value[2:4] for name, value in example.condition.items()},
    )
    assert torch.equal(model.restore(part, range(2), ["trained"])["trained"].frames, whole[2:4])


def test_what_is_written_beside_the_shot_does_the_same(example: Example, model: FittedGrade, tmp_path: Path) -> None:
    papers = model.papers(example.condition, "prior", "10A")
    assert set(papers) == {"10A.cdl", "10A.ccc", "10A.cube"}
    for name, text in papers.items():
        (tmp_path / name).write_text(text)
    made = model.restore(example, range(T), ["prior"])["prior"].frames
    inside = ((made > 0) & (made < 1)).all(1).numpy()
    frames = np.ascontiguousarray(example.input.numpy().transpose(0, 2, 3, 1))
    wanted = made.numpy().transpose(0, 2, 3, 1)[inside]
    for name in ("10A.cdl", "10A.ccc"):
        cdl = read_cdl(tmp_path / name)
        assert cdl.id == "10A"
        assert np.abs(apply_cdl(frames, cdl)[inside] - wanted).max() < 1e-3
    cube = ocio.FileTransform(str(tmp_path / "10A.cube"), interpolation=ocio.Interpolation.INTERP_TETRAHEDRAL)
    through = frames.copy()
    ocio.Config.CreateRaw().getProcessor(cube).getDefaultCPUProcessor().applyRGB(through)
    assert np.abs(through[inside] - wanted).max() < 4e-3
    assert model.papers(example.condition, "reinhard", "10A") == {}
