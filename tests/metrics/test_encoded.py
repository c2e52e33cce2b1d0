"""Fidelity is of codes, what an eye judges is of the display view; without an encoding all is as stored."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from interpositive.media.colour_management import convert, display_view
from interpositive.metrics.contract import FIDELITY, PERCEPTION, ShotMetric
from interpositive.metrics.encoded import as_shown, measured_encoding
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.shot_meter import ShotMeter
from interpositive.records.measures import MetricInfo

LIGHT = np.geomspace(0.01, 12.0, 2 * 6 * 8 * 3).reshape(2, 6, 8, 3).astype(np.float32)


class _Looks(ShotMetric):
    """Keeps what it is given to look at."""

    def __init__(self, **kwargs: Any) -> None:
        self.seen: list[tuple[Tensor, Tensor]] = []
        super().__init__([MetricInfo(name=self.name, unit="", direction="neither", meaning="")], **kwargs)

    def _begin_shot(self) -> None:
        self.seen.clear()

    def _add(self, frame: JudgedFrame) -> None:
        assert frame.beside.reference is not None
        self.seen.append((frame.result.clone(), frame.beside.reference.clone()))

    def shot_values(self) -> dict[str, float]:
        return {self.name: float(len(self.seen))}


class Eye(_Looks):
    group, name = PERCEPTION, "eye"


class Ruler(_Looks):
    group, name = FIDELITY, "ruler"


def _tensor(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


def _look(frames: np.ndarray, encoding: str) -> tuple[Tensor, Tensor, list[str]]:
    made: dict[str, _Looks] = {}

    def make(kind: type[_Looks]) -> Any:
        return lambda: made.setdefault(kind.name, kind())

    meter = ShotMeter(
        ["one"], [make(Eye), make(Ruler)], rate=Fraction(24), has_reference=True, has_plate=False, has_mask=False,
        encoding=encoding,
    )  # fmt: skip
    pictures = _tensor(frames)
    meter.update({"one": pictures}, reference=pictures)
    for looks in made.values():
        assert all(torch.equal(result, reference) for result, reference in looks.seen)
    return *(torch.stack([r for r, _ in made[n].seen]) for n in ("eye", "ruler")), meter.notes()  # type: ignore[return-value]


def test_log_is_measured_in_codes_and_seen_on_the_display() -> None:
    codes = convert(LIGHT, "acescg", "arri_logc3")
    eye, ruler, notes = _look(codes, "arri_logc3")
    torch.testing.assert_close(ruler, _tensor(codes))
    torch.testing.assert_close(eye, _tensor(display_view(codes, "arri_logc3")))
    assert any("fidelity measured on arri_logc3 codes" in note for note in notes)


def test_linear_light_has_no_peak_and_is_measured_in_acescct() -> None:
    eye, ruler, _ = _look(LIGHT, "acescg")
    assert measured_encoding("acescg") == "acescct" and measured_encoding("arri_logc3") == "arri_logc3"
    torch.testing.assert_close(ruler, _tensor(convert(LIGHT, "acescg", "acescct")))
    torch.testing.assert_close(eye, _tensor(display_view(LIGHT, "acescg")))


@pytest.mark.parametrize("encoding", ["", "rec709_display"])
def test_display_footage_and_unknown_footage_are_seen_as_stored(encoding: str) -> None:
    codes = LIGHT / LIGHT.max()
    eye, ruler, notes = _look(codes, encoding)
    assert torch.equal(eye, _tensor(codes)) and torch.equal(ruler, _tensor(codes))
    assert not any("fidelity" in note for note in notes)
    assert torch.equal(as_shown(_tensor(codes), encoding), _tensor(codes))


def test_flicker_is_that_of_the_screen() -> None:
    # A stop more light is a small step of log code and a large one on a screen.
    light = np.stack([np.full((16, 16, 3), value, np.float32) for value in (0.18, 0.36, 0.18, 0.36)])
    codes = convert(light, "acescg", "acescct")

    def flicker(frames: np.ndarray, encoding: str) -> dict[str, float]:
        meter = ShotMeter(
            ["one"], [LumaFlicker], rate=Fraction(24), has_reference=True, has_plate=False, has_mask=False,
            encoding=encoding,
        )  # fmt: skip
        meter.update({"one": _tensor(frames)}, reference=_tensor(frames))
        return {name: value for name, value in meter.compute()[0]["one"].items() if value is not None}

    shown = flicker(display_view(codes, "acescct"), "")
    assert flicker(codes, "acescct") == pytest.approx(shown, rel=1e-5)
    assert flicker(codes, "") != pytest.approx(shown, rel=0.1)
