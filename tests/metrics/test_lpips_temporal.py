"""tLP and motion-compensated LPIPS with a random trunk: the formulas, never a number to report."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from interpositive.errors import ConfigError, MaskError, MediaError, MissingWeightsError
from interpositive.metrics.judged import JudgedShot
from interpositive.metrics.lpips import LpipsMetric, LpipsNet, load_lpips
from interpositive.metrics.lpips_motion import MotionLpips
from interpositive.metrics.tlp import TemporalLpips

Metrics = type[TemporalLpips] | type[MotionLpips]
HEIGHT, WIDTH = 64, 72


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    path = tmp_path_factory.mktemp("trunk") / "random.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = torchvision.models.alexnet(weights=None).features
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, path)
    return {"weights": path, "expected_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.fixture(scope="module")
def net(chosen: dict[str, object]) -> LpipsNet:
    return load_lpips("alex", chosen["weights"], expected_sha256=chosen["expected_sha256"])  # type: ignore[arg-type]


def _noise(seed: int, num: int) -> torch.Tensor:
    return torch.rand(num, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def _pan(num: int, step_px: int = 2, seed: int = 0) -> torch.Tensor:
    """A smooth texture that moves to the right by whole pixels."""
    coarse = torch.rand(1, 3, 12, 24, generator=torch.Generator().manual_seed(seed))
    wide = torch.nn.functional.interpolate(coarse, size=(HEIGHT, 2 * WIDTH), mode="bicubic").clamp(0, 1)[0]
    start = 2 * WIDTH - WIDTH - num * step_px
    return torch.stack([wide[..., start + step_px * (num - t) :][..., :WIDTH] for t in range(num)])


def _alternating(frames: torch.Tensor, strength: float) -> torch.Tensor:
    signs = torch.tensor([1.0, -1.0]).repeat(len(frames))[: len(frames)].view(-1, 1, 1, 1)
    return (frames + strength * signs * (_noise(99, 1) - 0.5)).clamp(0, 1)


def _values(metric: LpipsMetric, *frames: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, float]:
    metric.update(*frames, mask=mask)
    return metric.shot_values()


def test_tlp_is_the_paper_s_formula(net: LpipsNet, chosen: dict[str, object]) -> None:
    result, reference = _noise(1, 4), _pan(4)
    metric = TemporalLpips(**chosen)  # type: ignore[arg-type]
    values = _values(metric, result, reference)
    gaps = (net.distance(reference[:-1], reference[1:]) - net.distance(result[:-1], result[1:])).abs().double()
    assert values["tlp_alex"] == pytest.approx(100 * float(gaps.mean()), rel=1e-4)
    assert values["tlp_alex_unscaled"] == pytest.approx(values["tlp_alex"] / 100)
    assert math.isnan(metric.curves["tlp_alex"][0])
    assert metric.curves["tlp_alex"][1:] == pytest.approx((100 * gaps).tolist(), rel=1e-4)


def test_tlp_is_zero_for_the_reference_and_grows_with_flicker(chosen: dict[str, object]) -> None:
    reference = _pan(4)
    found = [
        _values(TemporalLpips(**chosen), _alternating(reference, s), reference)["tlp_alex"]  # type: ignore[arg-type]
        for s in (0.0, 0.1, 0.4)
    ]
    assert found[0] == 0.0 and found[0] < found[1] < found[2]


def test_motion_lpips_is_lpips_of_the_frame_brought_back(net: LpipsNet, chosen: dict[str, object]) -> None:
    reference = _pan(4)
    result = _alternating(reference, 0.2)
    mask = torch.zeros(4, 1, HEIGHT, WIDTH)
    mask[..., 20:40, 25:50] = 1.0
    metric = MotionLpips(**chosen)  # type: ignore[arg-type]
    values = _values(metric, result, reference, mask=mask)
    expected, inside = [], []
    for judged in JudgedShot(["a"]).frames({"a": result}, reference=reference, mask=mask):
        frame, last, motion = judged["a"], judged["a"].last, judged["a"].beside.motion
        if last is None:
            continue
        assert motion is not None and frame.beside.counted is not None
        lost = ~motion.visible[0]
        assert bool(lost.any()) and not bool(lost.all())
        brought = motion.bring(frame.result)
        brought[lost.expand_as(brought)] = last.result[lost.expand_as(brought)]
        expected.append(float(net.distance(last.result[None], brought[None])))
        inside.append(float(net.distance_map(last.result[None], brought[None])[frame.beside.counted].mean()))
    assert values["lpips_motion_alex_dis"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert values["lpips_motion_alex_dis_hole"] == pytest.approx(np.mean(inside), rel=1e-4)
    assert metric.curves["lpips_motion_alex_dis"][1:] == pytest.approx(expected, rel=1e-4)


def test_motion_lpips_asks_for_no_reference_and_grows_with_flicker(chosen: dict[str, object]) -> None:
    plate, mask = _pan(4), torch.zeros(4, 1, HEIGHT, WIDTH)
    mask[..., 20:40, 25:50] = 1.0
    found = []
    for strength in (0.0, 0.1, 0.4):
        result = torch.where(mask > 0.5, _alternating(plate, strength), plate)
        metric = MotionLpips(**chosen)  # type: ignore[arg-type]
        metric.update(result, plate=plate, mask=mask)
        found.append(metric.shot_values())
    for name in ("lpips_motion_alex_dis", "lpips_motion_alex_dis_hole"):
        assert found[0][name] < found[1][name] < found[2][name]
    still = MotionLpips(**chosen)  # type: ignore[arg-type]
    assert _values(still, *[_noise(2, 1).repeat(3, 1, 1, 1)] * 2)["lpips_motion_alex_dis"] < 1e-6


@pytest.mark.parametrize("kind", [TemporalLpips, MotionLpips])
def test_windows_equal_the_whole_and_shots_are_averaged(kind: Metrics, chosen: dict[str, object]) -> None:
    reference = _pan(5)
    result = _alternating(reference, 0.3)
    mask = torch.zeros(5, 1, HEIGHT, WIDTH)
    mask[..., 20:40, 25:50] = 1.0
    whole, streamed = kind(**chosen), kind(**chosen)  # type: ignore[arg-type]
    expected = _values(whole, result, reference, mask=mask)
    for part in (slice(0, 1), slice(1, 2), slice(2, 5)):
        streamed.update(result[part], reference[part], mask=mask[part])
    assert streamed.shot_values() == pytest.approx(expected, rel=1e-12)
    for name, curve in whole.curves.items():
        np.testing.assert_array_equal(streamed.curves[name], curve)
    streamed.end_shot()
    other = _values(streamed, result[:3], _pan(3, 1), mask=torch.zeros(3, 1, HEIGHT, WIDTH))
    means = streamed.compute()
    name = streamed.infos[0].name
    assert float(means[name]) == pytest.approx((expected[name] + other[name]) / 2)
    for hole in [info.name for info in streamed.infos if info.name.endswith("_hole")]:
        assert math.isnan(other[hole]) and float(means[hole]) == pytest.approx(expected[hole])
    streamed.reset()
    assert _values(streamed, result, reference, mask=mask) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", [TemporalLpips, MotionLpips])
def test_one_frame_is_not_defined(kind: Metrics, chosen: dict[str, object]) -> None:
    metric = kind(**chosen)  # type: ignore[arg-type]
    assert all(math.isnan(value) for value in metric.shot_values().values())
    assert all(math.isnan(value) for value in _values(metric, _noise(3, 1), _noise(4, 1)).values())
    assert all(math.isnan(curve[0]) and len(curve) == 1 for curve in metric.curves.values())
    metric.end_shot()
    # The next shot's first frame does not look back over the cut.
    assert all(math.isnan(value) for value in _values(metric, _noise(5, 1), _noise(6, 1)).values())


@pytest.mark.parametrize("kind", [TemporalLpips, MotionLpips])
def test_bad_input_is_named(kind: Metrics, chosen: dict[str, object]) -> None:
    frames, metric = _noise(7, 2), kind(**chosen)  # type: ignore[arg-type]
    with pytest.raises(MediaError, match=r"(?s)\(2, 3, 64, 72\).*\(2, 3, 64, 71\)"):
        metric.update(frames, frames[..., 1:])
    with pytest.raises(MediaError, match=r"(?s)not in \[0, 1\].*255"):
        metric.update(frames, frames * 0 + 255)
    with pytest.raises(MaskError, match=r"(?s)\(2, 1, 64, 71\).*\(2, 3, 64, 72\)"):
        metric.update(frames, frames, mask=torch.zeros(2, 1, 64, 71))
    with pytest.raises(MediaError, match="cannot be measured without"):
        metric.update(frames)
    with pytest.raises(ConfigError, match="resnet"):
        kind("resnet")  # type: ignore[arg-type]


def test_motion_engine_is_in_the_name(chosen: dict[str, object]) -> None:
    assert MotionLpips(flow="farneback", **chosen).infos[0].name == "lpips_motion_alex_farneback"  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="raft"):
        MotionLpips(flow="raft", **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [TemporalLpips, MotionLpips])
def test_without_weights_it_says_why(kind: Metrics, tmp_path: Path) -> None:
    metric = kind("vgg", tmp_path / "none.pth")
    assert metric.absence is not None and "the weights of vgg16 are not on this machine" in metric.absence
    with pytest.raises(MissingWeightsError):
        metric.update(_noise(8, 2), _noise(9, 2))
