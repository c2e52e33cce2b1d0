"""The meter of a shot: equal to the single metrics, streamed, and honest about what is not defined."""

import json
from fractions import Fraction

import pytest
import torch

from interpositive.errors import ConfigError, MaskError, MediaError, TimecodeError
from interpositive.metrics import warp_error
from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.shot_meter import CURVES, METRICS, ShotMeter, worst_frames
from interpositive.metrics.ssim import Ssim
from interpositive.metrics.untouched import UntouchedChanged
from interpositive.metrics.warp_error import RelativeWarpError, WarpError
from interpositive.records.measures import Measures, ShotMeasures

RATE = Fraction(24)
NUM_FRAMES = 6


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
    meter = ShotMeter(["good", "boiling"], has_reference=has_reference, rate=RATE)
    start = 0
    for length in lengths:
        window = slice(start, start + length)
        meter.update(
            {name: shot[name][window] for name in ("boiling", "good")},
            shot["mask"][window],
            shot["plate"][window],
            shot["reference"][window] if has_reference else None,
        )
        start += length
    return meter


def test_equals_the_single_metrics(shot: dict[str, torch.Tensor]) -> None:
    values, _ = _measured(shot).compute()
    reference, mask = shot["reference"], shot["mask"]
    for method in ("good", "boiling"):
        result = shot[method]
        expected = {
            "psnr": Psnr()(result, reference),
            "psnr_hole": Psnr("hole")(result, reference, mask),
            "ssim": Ssim()(result, reference),
            "ssim_hole": Ssim("hole")(result, reference, mask),
            "e_warp_dis": WarpError()(result, reference),
            "e_warp_dis_hole": WarpError("hole")(result, reference, mask),
            "e_warp_rel_dis_hole": RelativeWarpError("hole")(result, reference, mask),
            "luma_flicker": LumaFlicker(RATE)(result),
            "luma_flicker_hole": LumaFlicker(RATE, "hole")(result, mask),
            "untouched_changed": UntouchedChanged()(result, shot["plate"], mask),
        }
        for name, value in expected.items():
            assert values[method][name] == pytest.approx(float(value), rel=1e-6), name
        assert values[method]["lpips"] is None


def test_tells_the_good_repair_from_the_boiling_one(shot: dict[str, torch.Tensor]) -> None:
    values, _ = _measured(shot).compute()
    for info in METRICS:
        good, boiling = values["good"][info.name], values["boiling"][info.name]
        if good is None or boiling is None:
            assert info.name == "lpips"
            continue
        assert good > boiling if info.direction == "higher" else good < boiling, info.name


def test_windows_of_any_length_equal_the_whole(shot: dict[str, torch.Tensor]) -> None:
    assert _measured(shot, lengths=(1, 2, 3)).compute() == _measured(shot).compute()


def test_curves_have_a_number_for_each_frame(shot: dict[str, torch.Tensor]) -> None:
    _, curves = _measured(shot).compute()
    assert set(curves["boiling"]) == {info.name for info in CURVES}
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
    needs_reference = {"psnr", "psnr_hole", "ssim", "ssim_hole", "lpips", "e_warp_rel_dis_hole"}
    assert {name for name, value in values["good"].items() if value is None} == needs_reference
    expected = float(WarpError("hole", from_plate=True)(shot["boiling"], shot["plate"], shot["mask"]))
    assert values["boiling"]["e_warp_dis_hole"] == pytest.approx(expected, rel=1e-6)
    assert worst_frames(curves["boiling"], 2) == [4, 5] or worst_frames(curves["boiling"], 2) == [5, 4]
    assert meter.notes() == ["psnr, ssim, lpips and e_warp_rel not measured: there is no clean reference"]
    plate, mask = shot["plate"], shot["mask"]
    motion = warp_error.PairMotion.behind(plate[0], plate[1], mask[0], mask[1])
    around = motion.visible & ~motion.counted(mask[0], mask[1])
    clean = warp_error.mean_gap(warp_error.pair_gap(plate[0], plate[1], motion.forward), around)
    excess, error = (curves["boiling"][name][1] for name in ("e_warp_excess_dis_hole", "e_warp_dis_hole"))
    assert excess == pytest.approx(error - clean, rel=1e-9)


def test_empty_mask_and_one_frame_are_not_defined(shot: dict[str, torch.Tensor]) -> None:
    meter = ShotMeter(["good"], has_reference=True, rate=RATE)
    frame = {name: frames[:1] for name, frames in shot.items()}
    meter.update({"good": frame["good"]}, torch.zeros(1, 1, 48, 64), frame["plate"], frame["reference"])
    values, curves = meter.compute()
    defined = {name for name, value in values["good"].items() if value is not None}
    assert defined == {"psnr", "ssim", "untouched_changed"}
    assert curves["good"]["psnr_hole"] == [None] and worst_frames(curves["good"]) == []
    notes = " ".join(meter.notes())
    assert "hole metrics not defined: the mask is empty" in notes and "one frame" in notes


def test_a_still_reference_without_grain_has_no_relative_error() -> None:
    still = _noise(3, 1, 3, 24, 32).expand(3, 3, 24, 32)
    mask = torch.ones(3, 1, 24, 32)
    meter = ShotMeter(["boiling"], has_reference=True, rate=RATE)
    meter.update({"boiling": (still + 0.1 * _noise(4, 3, 3, 24, 32)).clamp(0, 1)}, mask, still, still)
    values, _ = meter.compute()
    assert values["boiling"]["e_warp_rel_dis_hole"] is None
    assert "e_warp_rel not defined: the reference does not change at all in the hole" in meter.notes()


def test_flow_is_measured_once_for_all_methods(shot: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = warp_error.dis_flow
    monkeypatch.setattr(warp_error, "dis_flow", lambda *given: calls.append(1) or original(*given))
    _measured(shot, lengths=(2, 4))
    assert len(calls) == 2 * (NUM_FRAMES - 1)


def test_lpips_joins_when_a_network_is_given(shot: dict[str, torch.Tensor]) -> None:
    class Stub:
        def distance(self, result: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
            return (result - reference).abs().mean((1, 2, 3))

    meter = ShotMeter(["good"], has_reference=True, rate=RATE, lpips=Stub())  # type: ignore[arg-type]
    meter.update({"good": shot["good"]}, shot["mask"], shot["plate"], shot["reference"])
    expected = float((shot["good"] - shot["reference"]).abs().mean())
    assert meter.compute()[0]["good"]["lpips"] == pytest.approx(expected, rel=1e-5)
    assert meter.notes() == []


def test_goes_into_the_record_and_back(shot: dict[str, torch.Tensor]) -> None:
    values, curves = _measured(shot).compute()
    record = Measures(
        metrics=METRICS,
        shots=[ShotMeasures(name="pan", role="take", num_frames=NUM_FRAMES, values=values, curves=curves)],
    )
    text = record.model_dump_json()
    assert not any(word in text for word in ("NaN", "Infinity"))
    assert json.loads(text)["shots"][0]["values"] == values
    assert Measures.model_validate_json(text) == record
    assert set(values["good"]) == {info.name for info in METRICS}
    assert {info.direction for info in METRICS} == {"higher", "lower"}


def test_bad_input_is_named(shot: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ConfigError, match="each once"):
        ShotMeter(["a", "a"], has_reference=True, rate=RATE)
    with pytest.raises(TimecodeError):
        ShotMeter(["a"], has_reference=True, rate=Fraction(0))
    meter = ShotMeter(["good"], has_reference=True, rate=RATE)
    with pytest.raises(MediaError, match="nothing was measured"):
        meter.compute()
    good, mask, plate, reference = (shot[name] for name in ("good", "mask", "plate", "reference"))
    with pytest.raises(ConfigError, match="bad"):
        meter.update({"bad": good}, mask, plate, reference)
    with pytest.raises(MediaError, match="reference must be given"):
        meter.update({"good": good}, mask, plate)
    with pytest.raises(MediaError, match=r"(?s)good and the plate.*\(5, 3, 48, 64\)"):
        meter.update({"good": good[:5]}, mask, plate, reference)
    with pytest.raises(MaskError):
        meter.update({"good": good}, mask[:5], plate, reference)
    assert meter.num_frames == 0
    meter.update({"good": good}, mask, plate, reference)
    with pytest.raises(MediaError, match="window before it"):
        meter.update({"good": good[..., :40]}, mask[..., :40], plate[..., :40], reference[..., :40])


def test_worst_frames_ranks_and_breaks_ties_by_time() -> None:
    curves = {"psnr_hole": [30.0, None, 20.0, 25.0, 20.0], "e_warp_excess_dis_hole": [None] * 5}
    assert worst_frames(curves, 3) == [2, 4, 3]
    curves = {"psnr_hole": [None] * 3, "e_warp_excess_dis_hole": [None, 0.1, 0.4]}
    assert worst_frames(curves) == [2, 1]
    curves = {
        "psnr_hole": [None] * 3,
        "e_warp_excess_dis_hole": [None] * 3,
        "e_warp_dis_hole": [None, 0.3, 0.2],
    }
    assert worst_frames(curves) == [1, 2]
