"""The picture speaks for a line where it stands out as its known part does, and more than what is beside it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.motion.line_contrast import contrast_speaks, sides_px

STEPS, OFFSETS, WIDTH_PX = 120, 9, 3.0
MARGIN = sides_px(WIDTH_PX)


def strip(sign: float, further: float) -> NDArray[np.float32]:
    """Brightness along a strip with a line in its midst: as it is known, and from step 50 on."""
    shown = np.random.default_rng(5).normal(-0.7, 0.02, (STEPS, OFFSETS + 2 * MARGIN)).astype(np.float32)
    middle = MARGIN + OFFSETS // 2
    shown[:50, middle - 1 : middle + 2] += 0.5 * sign
    shown[50:, middle - 1 : middle + 2] += 0.5 * further
    return shown


def known() -> NDArray[np.bool_]:
    found = np.zeros((STEPS, OFFSETS), bool)
    found[:50, OFFSETS // 2 - 1 : OFFSETS // 2 + 2] = True
    return found


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_it_speaks_where_the_line_goes_on_alike_and_not_beside(sign: float) -> None:
    speaks = contrast_speaks(strip(sign, sign), known(), WIDTH_PX)
    assert speaks is not None and speaks.shape == (STEPS, OFFSETS)
    assert (speaks[65:, OFFSETS // 2] > 0.7).all()
    assert (speaks[65:, [0, -1]] == -1.0).all()


@pytest.mark.parametrize("further", [0.0, 1.0])
def test_it_does_not_where_nothing_is_or_what_is_otherwise(further: float) -> None:
    speaks = contrast_speaks(strip(-1.0, further), known(), WIDTH_PX)
    assert speaks is not None and (speaks[65:] < -0.7).all()


def test_among_other_lines_as_good_it_is_none() -> None:
    alone = strip(-1.0, -0.7)
    among = alone.copy()
    among[50:, MARGIN - 6 : MARGIN - 3] -= 0.9
    speaks, amid = (contrast_speaks(shown, known(), WIDTH_PX) for shown in (alone, among))
    assert speaks is not None and (speaks[75:, OFFSETS // 2] > 0.0).all()
    assert amid is not None and (amid[75:] <= 0.0).all()


def test_a_line_of_no_contrast_and_one_too_short_have_nothing_to_say() -> None:
    assert contrast_speaks(strip(0.0, -1.0), known(), WIDTH_PX) is None
    short = known()
    short[9:] = False
    assert contrast_speaks(strip(-1.0, -1.0), short, WIDTH_PX) is None
