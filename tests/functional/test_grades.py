"""Grades of ten numbers: the CDL that OpenColorIO knows, there and back, and found again."""

from __future__ import annotations

import numpy as np
import PyOpenColorIO as ocio
import torch

from interpositive.functional.grade_fit import fit_grade
from interpositive.functional.grades import graded, random_grade, ungraded
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.fitted_grade import cdl_of

REACH = {"stops": 0.6, "offset": 0.06, "power": 0.3, "tint": 0.4, "saturation": 0.35}


def test_it_is_the_cdl_of_opencolorio_without_clamps() -> None:
    values = 1.6 * torch.rand(3, 500, generator=generator_from(0)) - 0.2
    for seed in range(3):
        grade = random_grade(generator_from("grade", seed), **REACH)
        cdl = cdl_of(grade)
        transform = ocio.CDLTransform(
            slope=list(cdl.slope), offset=list(cdl.offset), power=list(cdl.power), sat=cdl.saturation
        )
        transform.setStyle(ocio.CDLStyle.CDL_NO_CLAMP)
        processor = ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
        oracle = np.ascontiguousarray(values.numpy().T)
        processor.applyRGB(oracle)
        assert np.allclose(graded(values, grade).numpy().T, oracle, atol=2e-4)
        assert torch.allclose(graded(ungraded(values, grade), grade), values, atol=1e-4)
    assert torch.allclose(graded(values, torch.zeros(10)), values, atol=1e-6)


def test_a_grade_is_found_from_pairs_though_some_are_wrong() -> None:
    random = np.random.default_rng(0)
    wanted = (0.1 + 0.8 * random.random((900, 3))).astype(np.float32)
    grade = random_grade(generator_from("find"), **REACH)
    given = ungraded(torch.from_numpy(wanted.T.copy()), grade).numpy().T
    strange = wanted.copy()
    strange[:90] = random.random((90, 3))
    found = fit_grade((given, strange), (given, wanted[:400] * 0.5), 1.0)
    made = graded(torch.from_numpy(given.T.copy()), torch.from_numpy(found)).numpy().T
    assert np.abs(made - wanted).mean() < 0.006 < 0.05 < np.abs(given - wanted).mean()


def test_without_pairs_the_spread_of_colours_decides() -> None:
    wanted = (0.1 + 0.8 * np.random.default_rng(1).random((2000, 3)) ** 1.5).astype(np.float32)
    grade = random_grade(generator_from("spread"), **REACH)
    given = ungraded(torch.from_numpy(wanted.T.copy()), grade).numpy().T
    none = np.zeros((0, 3), np.float32)
    found = fit_grade((none, none), (given, wanted[::2]), 0.0)
    made = graded(torch.from_numpy(given.T.copy()), torch.from_numpy(found)).numpy().T
    assert np.abs(made - wanted).mean() < 0.02 < np.abs(given - wanted).mean()
