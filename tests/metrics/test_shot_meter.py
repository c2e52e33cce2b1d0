"""The meter of a shot: equal to the single metrics, streamed, and honest about what is not defined."""

import json
from fractions import Fraction
from functools import partial

import pytest
import torch

from interpositive.errors import ConfigError, MaskError, MediaError, TimecodeError
from interpositive.metrics import pair_motion
from interpositive.metrics.contract import ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.shot_meter import ShotMeter, worst_frames
from interpositive.metrics.ssim import Ssim
from interpositive.metrics.untouched import UntouchedChanged
from interpositive.metrics.warp_error import WarpError
from interpositive.metrics.warp_error_relative import RelativeWarpError
from interpositive.records.measures import Measures, MetricInfo, ShotMeasures

RATE = Fraction(24)
NUM_FRAMES = 6
METRICS = (Psnr, Ssim, WarpError, RelativeWarpError, LumaFlicker, UntouchedChanged)


def _noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def shot() -> dict[str, torch.Tensor]:
    """A panning texture, a wire that is to go, one good and one boiling repair."""
    wide = torch.nn.functional.avg_pool2d(_noise(0, 1, 3, 68, 104), 5, 1)[0]
    wide = (0.5 + 2.0 * (wide - 0.5)).clamp(0, 1)
    reference = torch.stack([wide[:, :48, 2 * t : 2 * t + 64] for t in range(NUM_FRAMES)])
    mask = torch.zeros(NUM_FRAMES, 1, 48, 64)
    mask[:, :, 20:30] = 1.0
    plate = reference.clone()
    plate[:, :, 24:26] = 0.0
    good = torch.where(mask > 0, reference + 0.01, plate).clamp(0, 1)
    boiling = torch.where(mask > 0, reference + 0.3 * (_noise(1, *reference.shape) - 0.5), plate).clamp(0, 1)
    boiling[4, :, 20:30] = 0.0
    boiling[2, 0, 0, 0] += 0.01
    return {"reference": reference, "mask": mask, "plate": plate, "good": good, "boiling": boiling}


def _measured(shot: dict[str, torch.Tensor], has_reference: bool = True, lengths: tuple[int, ...] = (6,)) -> ShotMeter:
    meter = ShotMeter(["good", "boiling"], METRICS, has_reference=has_reference, rate=RATE)
    start = 0
    for length in lengths:
        window = slice(start, start + length)
        meter.update(
            {name: shot[name][window] for name in ("boiling", "good")},
            reference=shot["reference"][window] if has_reference else None,
            plate=shot["plate"][window],
            mask=shot["mask"][window],
        )
        start += length
    return meter


def test_equals_the_single_metrics(shot: dict[str, torch.Tensor]) -> None:
    values, _ = _measured(shot).compute()
    for method in ("good", "boiling"):
        for make in METRICS:
            alone = make(rate=RATE)(shot[method], shot["reference"], plate=shot["plate"], mask=shot["mask"])
            for name, value in alone.items():
                assert values[method][name] == pytest.approx(float(value), rel=1e-9), name


def test_tells_the_good_repair_from_the_boiling_one(shot: dict[str, torch.Tensor]) -> None:
    meter = _measured(shot)
    values, _ = meter.compute()
    for info in meter.infos:
        good, boiling = values["good"][info.name], values["boiling"][info.name]
        assert good is not None and boiling is not None, info.name
        assert good > boiling if info.direction == "higher" else good < boiling, info.name


def test_windows_of_any_length_equal_the_whole(shot: dict[str, torch.Tensor]) -> None:
    assert _measured(shot, lengths=(1, 2, 3)).compute() == _measured(shot).compute()


def test_curves_have_a_number_for_each_frame(shot: dict[str, torch.Tensor]) -> None:
    meter = _measured(shot)
    _, curves = meter.compute()
    assert list(curves["boiling"]) == [info.name for info in meter.curve_infos]
    assert all(len(course) == NUM_FRAMES for course in curves["boiling"].values())
    first, *others = curves["boiling"]["e_warp_dis_hole"]
    assert first is None and all(value is not None for value in others)
    assert curves["boiling"]["untouched_changed"] == [0, 0, 1, 0, 0, 0]
    assert curves["boiling"]["luma_hole"][4] == 0.0
    worst = worst_frames(curves["boiling"], 3)
    assert worst[0] == 4 and len(worst) == 3


def test_without_a_reference_the_plate_carries_the_flow(shot: dict[str, torch.Tensor]) -> None:
    meter = _measured(shot, has_reference=False)
    values, curves = meter.compute()
    needs_reference = {"psnr", "psnr_hole", "psnr_frames", "ssim", "ssim_hole", "e_warp_rel_dis", "e_warp_rel_dis_hole"}
    assert {name for name, value in values["good"].items() if value is None} == needs_reference
    alone = WarpError()(shot["boiling"], plate=shot["plate"], mask=shot["mask"])
    assert values["boiling"]["e_warp_dis_hole"] == pytest.approx(float(alone["e_warp_dis_hole"]), rel=1e-6)
    assert set(worst_frames(curves["boiling"], 2)) == {4, 5}
    assert meter.notes() == [
        "psnr, psnr_hole, psnr_frames, ssim, ssim_hole not measured: there is no clean reference",
        "e_warp_rel_dis_hole, e_warp_rel_dis not measured: there is no clean reference",
    ]


def test_excess_without_a_reference_is_over_the_plate_around_the_hole(shot: dict[str, torch.Tensor]) -> None:
    _, curves = _measured(shot, has_reference=False).compute()
    plate, mask = shot["plate"], shot["mask"]
    grey = [((0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]) * 255).round().byte().numpy() for p in plate[:2]]
    motion = pair_motion.PairMotion.behind(grey[0], grey[1], mask[0], mask[1])
    around = motion.visible & ~motion.counted(mask[0] > 0.5, mask[1] > 0.5)
    clean = float(motion.gap(plate[0], plate[1])[around].mean(dtype=torch.float64))
    excess, error = (curves["boiling"][name][1] for name in ("e_warp_excess_dis_hole", "e_warp_dis_hole"))
    assert excess == pytest.approx(error - clean, rel=1e-6)


def test_without_a_mask_the_frame_is_measured_and_the_hole_is_not(shot: dict[str, torch.Tensor]) -> None:
    meter = ShotMeter(["good"], METRICS, has_reference=True, has_plate=False, has_mask=False, rate=RATE)
    meter.update({"good": shot["good"]}, reference=shot["reference"])
    values, curves = meter.compute()
    absent = {name for name, value in values["good"].items() if value is None}
    assert absent == {name for name in values["good"] if name.endswith("_hole")} | {"untouched_changed"}
    assert meter.notes() == [
        "untouched_changed not measured: there is no plate and no mask",
        "hole metrics not measured: there is no mask",
    ]
    assert worst_frames(curves["good"])


def test_a_result_alone_has_no_motion(shot: dict[str, torch.Tensor]) -> None:
    given = {"has_reference": False, "has_plate": False, "has_mask": False, "rate": RATE}
    meter = ShotMeter(["good"], (WarpError, LumaFlicker), **given)
    meter.update({"good": shot["good"]})
    values, _ = meter.compute()
    assert values["good"]["luma_flicker"] is not None and values["good"]["e_warp_dis"] is None
    assert "there is no clean reference or plate to measure motion on" in meter.notes()[0]


def test_empty_mask_and_one_frame_are_not_defined(shot: dict[str, torch.Tensor]) -> None:
    meter = ShotMeter(["good"], METRICS, has_reference=True, rate=RATE)
    frame = {name: frames[:1] for name, frames in shot.items()}
    empty = torch.zeros(1, 1, 48, 64)
    meter.update({"good": frame["good"]}, reference=frame["reference"], plate=frame["plate"], mask=empty)
    values, curves = meter.compute()
    defined = {name for name, value in values["good"].items() if value is not None}
    assert defined == {"psnr", "psnr_frames", "ssim", "untouched_changed"}
    assert curves["good"]["psnr_hole"] == [None]
    notes = " ".join(meter.notes())
    assert "hole metrics not defined: the mask is empty" in notes
    assert "luma_flicker, luma_flicker_linear not defined: the shot has one frame" in notes
    assert "e_warp_rel_dis not defined: the shot has one frame" in notes


def test_a_still_reference_without_grain_has_no_relative_error() -> None:
    still = _noise(3, 1, 3, 24, 32).expand(3, 3, 24, 32)
    meter = ShotMeter(["boiling"], METRICS, has_reference=True, rate=RATE)
    boiling = (still + 0.1 * _noise(4, 3, 3, 24, 32)).clamp(0, 1)
    meter.update({"boiling": boiling}, reference=still, plate=still, mask=torch.ones(3, 1, 24, 32))
    values, _ = meter.compute()
    assert values["boiling"]["e_warp_rel_dis_hole"] is None
    assert any("e_warp_rel_dis_hole" in n and "the reference does not change at all there" in n for n in meter.notes())


def test_flow_is_measured_once_for_all_methods_and_metrics(shot: dict[str, torch.Tensor]) -> None:
    calls = []
    counting = pair_motion.FlowEngine("dis", lambda *given: calls.append(1) or pair_motion.DIS.flow(*given))
    metrics = (partial(WarpError, counting), partial(RelativeWarpError, counting), Psnr)
    meter = ShotMeter(["good", "boiling"], metrics, has_reference=True, rate=RATE)
    for window in (slice(0, 2), slice(2, 6)):
        given = {name: shot[name][window] for name in ("good", "boiling")}
        beside = {name: shot[name][window] for name in ("reference", "plate", "mask")}
        meter.update(given, **beside)
    assert len(calls) == 2 * (NUM_FRAMES - 1)


def test_each_metric_has_the_motion_of_its_own_engine(shot: dict[str, torch.Tensor]) -> None:
    metrics = (WarpError, partial(WarpError, "farneback"))
    meter = ShotMeter(["boiling"], metrics, has_reference=True, rate=RATE)
    meter.update({"boiling": shot["boiling"]}, **{name: shot[name] for name in ("reference", "plate", "mask")})
    values = meter.compute()[0]["boiling"]
    for flow in ("dis", "farneback"):
        alone = WarpError(flow)(shot["boiling"], shot["reference"], mask=shot["mask"])
        assert values[f"e_warp_{flow}_hole"] == pytest.approx(float(alone[f"e_warp_{flow}_hole"]), rel=1e-9)
    assert values["e_warp_dis"] != values["e_warp_farneback"]


def test_what_this_machine_cannot_measure_is_said(shot: dict[str, torch.Tensor]) -> None:
    class Absent(ShotMetric):
        absence = "no taste on this machine"

        def __init__(self) -> None:
            super().__init__([MetricInfo(name="taste", unit="", direction="higher", meaning="How good it is.")])

        def _begin_shot(self) -> None:
            pass

        def _add(self, frame: JudgedFrame) -> None:
            raise AssertionError("never asked")

    meter = ShotMeter(["good"], (Psnr, Absent), has_reference=True, rate=RATE)
    meter.update({"good": shot["good"]}, reference=shot["reference"], plate=shot["plate"], mask=shot["mask"])
    assert meter.compute()[0]["good"]["taste"] is None
    assert meter.notes() == ["taste not measured: no taste on this machine"]
    assert "taste" in [info.name for info in meter.infos]


def test_goes_into_the_record_and_back(shot: dict[str, torch.Tensor]) -> None:
    meter = _measured(shot)
    values, curves = meter.compute()
    record = Measures(
        metrics=meter.infos,
        curve_metrics=meter.curve_infos,
        shots=[ShotMeasures(name="pan", role="take", num_frames=NUM_FRAMES, values=values, curves=curves)],
    )
    text = record.model_dump_json()
    assert not any(word in text for word in ("NaN", "Infinity"))
    assert json.loads(text)["shots"][0]["values"] == values
    assert Measures.model_validate_json(text) == record
    assert list(values["good"]) == [info.name for info in meter.infos]


def test_bad_input_is_named(shot: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ConfigError, match="each once"):
        ShotMeter(["a", "a"], METRICS, has_reference=True, rate=RATE)
    with pytest.raises(ConfigError, match=r"(?s)same number.*psnr"):
        ShotMeter(["a"], (Psnr, Psnr), has_reference=True, rate=RATE)
    with pytest.raises(TimecodeError):
        ShotMeter(["a"], METRICS, has_reference=True, rate=Fraction(0))
    meter = ShotMeter(["good"], METRICS, has_reference=True, rate=RATE)
    with pytest.raises(MediaError, match="nothing was measured"):
        meter.compute()
    good = shot["good"]
    beside = {name: shot[name] for name in ("reference", "plate", "mask")}
    with pytest.raises(ConfigError, match="bad"):
        meter.update({"bad": good}, **beside)
    with pytest.raises(MediaError, match="another set of pictures than announced"):
        meter.update({"good": good}, plate=shot["plate"], mask=shot["mask"])
    with pytest.raises(MediaError, match=r"(?s)good and the reference.*\(5, 3, 48, 64\)"):
        meter.update({"good": good[:5]}, **beside)
    with pytest.raises(MaskError):
        meter.update({"good": good}, **{**beside, "mask": shot["mask"][:5]})
    assert meter.num_frames == 0
    meter.update({"good": good}, **beside)
    with pytest.raises(MediaError, match="window before it"):
        meter.update({"good": good[..., :40]}, **{name: stack[..., :40] for name, stack in beside.items()})


def test_worst_frames_ranks_and_breaks_ties_by_time() -> None:
    curves = {"psnr_hole": [30.0, None, 20.0, 25.0, 20.0], "e_warp_excess_dis_hole": [None] * 5}
    assert worst_frames(curves, 3) == [2, 4, 3]
    curves = {"psnr_hole": [None] * 3, "e_warp_excess_dis_hole": [None, 0.1, 0.4]}
    assert worst_frames(curves) == [2, 1]
    assert worst_frames({"psnr_hole": [None] * 3, "e_warp_dis_hole": [None, 0.3, 0.2]}) == [1, 2]
    assert worst_frames({"psnr": [40.0, 30.0], "luma": [0.1, 0.2]}) == [1, 0]
    assert worst_frames({"luma": [0.1, 0.2]}) == []
