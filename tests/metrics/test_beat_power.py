"""Beat power: closed forms of single tones, where lamps alias to, what is undefined."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from interpositive.errors import ConfigError
from interpositive.metrics.beat_power import BeatPower, beat_frequency, beat_powers, spectrum

RATE = Fraction(24)


def _tone(hertz: float, seconds: float = 4.0, rate: Fraction = RATE, strength: float = 0.1) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / float(rate)
    return 0.5 + strength * np.sin(2 * np.pi * hertz * times + 0.4)


def _shot(course: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(course).float()[:, None, None, None].expand(-1, 3, 6, 8).contiguous()


def _values(shot: torch.Tensor, rate: Fraction = RATE) -> dict[str, float]:
    metric = BeatPower(rate=rate)
    metric.update(shot)
    return {name: float(value) for name, value in metric.compute().items()}


def test_three_hertz_is_all_above_two_and_half_a_hertz_nothing() -> None:
    assert beat_powers(_tone(3.0), RATE)[0] == pytest.approx(1.0, abs=1e-9)
    assert beat_powers(_tone(0.5), RATE)[0] == pytest.approx(0.0, abs=1e-9)


def test_two_tones_share_by_their_power() -> None:
    course = _tone(0.5, strength=0.1) + _tone(5.0, strength=0.05)
    assert beat_powers(course, RATE)[0] == pytest.approx(0.2, abs=1e-6)


def test_the_fastest_frequency_is_not_counted_twice() -> None:
    course = 0.5 + 0.1 * (-1.0) ** np.arange(96)  # 12 Hz: power of 0.01
    assert beat_powers(course + _tone(1.0, strength=0.1 * math.sqrt(2)), RATE)[0] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("num", [48, 49])
def test_the_spectrum_holds_all_of_the_power(num: int) -> None:
    course = np.random.default_rng(0).random(num)
    window = np.sin(np.pi * np.arange(num) / num) ** 2
    frequencies, power = spectrum(course, RATE)
    assert power.sum() / num == pytest.approx((((course - course.mean()) * window) ** 2).sum(), rel=1e-9)
    assert frequencies == pytest.approx(np.fft.rfftfreq(num, 1 / 24))


@pytest.mark.parametrize(
    ("mains", "rate", "beat"),
    [
        (50, Fraction(24), 4.0),
        (60, Fraction(24), 0.0),
        (50, Fraction(25), 0.0),
        (60, Fraction(25), 5.0),
        (50, Fraction(30), 10.0),
        (60, Fraction(24000, 1001), 0.11988),
        (50, Fraction(24000, 1001), 4.0959),
        (50, Fraction(60), 20.0),
    ],
)
def test_where_lamps_are_seen(mains: int, rate: Fraction, beat: float) -> None:
    assert beat_frequency(mains, rate) == pytest.approx(beat, abs=1e-4)


def test_a_lamp_on_50_hz_beats_at_four_hertz_of_24() -> None:
    lamp = _tone(100.0)  # sampled at 24 frames a second
    above, fifty, sixty = beat_powers(lamp, RATE)
    assert above == pytest.approx(1.0, abs=1e-6) and fifty == pytest.approx(1.0, abs=1e-6)
    assert math.isnan(sixty)  # in step with the frames
    assert beat_powers(_tone(3.0), RATE)[1] == pytest.approx(0.0, abs=1e-9)
    at_25 = beat_powers(_tone(120.0, rate=Fraction(25)), Fraction(25))
    assert math.isnan(at_25[1]) and at_25[2] == pytest.approx(1.0, abs=1e-6)


def test_more_hum_measures_worse() -> None:
    drift = 0.3 + 0.2 * np.linspace(0, 1, 96) ** 2
    shares = [_values(_shot(drift + strength * (_tone(4.0) - 0.5)))["beat_power_50hz"] for strength in (0.0, 0.1, 0.5)]
    assert shares[0] < 0.01 and shares[0] < shares[1] < shares[2]


def test_not_defined_for_less_than_a_second_or_no_change() -> None:
    assert math.isnan(beat_powers(_tone(3.0)[:23], RATE)[0])
    assert not math.isnan(beat_powers(_tone(3.0)[:24], RATE)[0])
    for shot in (torch.full((48, 3, 7, 9), 0.3), torch.zeros(48, 3, 7, 9), torch.rand(1, 3, 7, 9)):
        assert all(math.isnan(value) for value in _values(shot).values())


def test_windows_equal_the_whole_and_shots_are_averaged() -> None:
    shots = [_shot(_tone(3.0) + _tone(1.0, strength=0.1)), _shot(_tone(1.0))]
    metric = BeatPower(rate=RATE)
    for shot in shots:
        for window in shot.split(7):
            metric.update(window)
        metric.end_shot()
    alone = [_values(shot)["beat_power"] for shot in shots]
    assert float(metric.compute()["beat_power"]) == pytest.approx(sum(alone) / 2, rel=1e-9)


def test_bad_input_is_named() -> None:
    metric = BeatPower()
    metric.update(torch.rand(3, 3, 8, 8))
    with pytest.raises(ConfigError, match="frame rate"):
        metric.compute()
    with pytest.raises(ConfigError, match="1 or 3"):
        BeatPower(rate=RATE).update(torch.rand(3, 2, 8, 8))


def test_a_beat_that_stands_still_is_said() -> None:
    meter = BeatPower(rate=Fraction(24))
    meter.update(torch.rand(30, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    absent = [name for name, value in meter.shot_values().items() if math.isnan(value)]
    assert absent == ["beat_power_60hz"]
    assert meter.reasons(absent) == ["beat_power_60hz not defined: at 24 frames a second that beat stands still"]
