"""Every metric that has a YAML keeps the contract: streams, declares itself, averages shots, adds up across ranks."""

from __future__ import annotations

import gc
import math
import sys
import tempfile
import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import interpositive._torchvision_guard  # noqa: F401  isort: skip
import lpips
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import save_file

from interpositive.errors import InterpositiveError, MaskError, MediaError
from interpositive.metrics.contract import NEEDS, ShotMetric
from interpositive.records.digests import sha256_of_file

sys.path.insert(0, str(Path(__file__).resolve().parent))
from configured import arguments_of, parameters_of, read, target_of, yamls_of

YAMLS = yamls_of("metric")
RATE = Fraction(18)
"""At which the beats of 50 Hz and of 60 Hz both lie well above 0."""
NUM_FRAMES = 26
SIZE = (72, 96)

Shot = dict[str, torch.Tensor]


@cache
def random_trunk() -> tuple[Path, str]:
    """Weights of no meaning for the networks that LPIPS looks through, the same in every process, and their digest."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    trunk = {"features." + name.split(".", 1)[1]: value for name, value in package.net.state_dict().items()}
    path = Path(tempfile.mkdtemp(prefix="random_trunk_")) / "trunk.safetensors"
    save_file(trunk, path)
    return path, sha256_of_file(path)


def make(path: Path) -> ShotMetric:
    given = arguments_of(path)
    if "weights" in given:
        given["weights"], given["expected_sha256"] = random_trunk()
    metric = target_of(path)(**given, rate=RATE)
    assert isinstance(metric, ShotMetric)
    return metric


@cache
def pictures(seed: int, num_frames: int = NUM_FRAMES) -> Shot:
    """A pan over a texture with grain, a repair of its hole that boils a little, and the plate with a wire."""
    draw = torch.Generator().manual_seed(seed)
    height, width = SIZE
    wide = torch.rand(1, 3, height + 8, width + 8 + 2 * num_frames, generator=draw)
    for _ in range(3):
        wide = torch.nn.functional.avg_pool2d(wide, 3, 1)
    wide = (0.5 + 3.0 * (wide[0] - 0.5)).clamp(0.02, 0.98)
    clean = torch.stack([wide[:, :height, 2 * t : 2 * t + width] for t in range(num_frames)])
    reference = (clean + 0.01 * torch.randn(clean.shape, generator=draw)).clamp(0, 1)
    mask = torch.zeros(num_frames, 1, height, width)
    mask[:, :, 24:48, 10:80] = 1.0
    plate = reference.clone()
    plate[:, :, 34:38, 12:78] = 0.1
    boil = 0.08 * torch.randn(reference.shape, generator=draw)
    result = torch.where(mask > 0, (clean + boil).clamp(0, 1), plate)
    return {"result": result, "reference": reference, "plate": plate, "mask": mask}


@cache
def mattes(seed: int, num_frames: int = NUM_FRAMES) -> Shot:
    """A soft disc that drifts, and a matte of it with a ragged edge."""
    draw = torch.Generator().manual_seed(seed)
    ys, xs = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    discs = [((22 - ((ys - 36) ** 2 + (xs - 40 - t) ** 2).sqrt()) / 4 + 0.5).clamp(0, 1) for t in range(num_frames)]
    true = torch.stack(discs)[:, None]
    edge = (true > 0) & (true < 1)
    matte = torch.where(edge, true + 0.3 * torch.randn(true.shape, generator=draw), true).clamp(0, 1)
    return {"result": matte, "reference": true, "plate": true, "mask": torch.ones_like(true)}


def shot_for(path: Path, seed: int = 0, num_frames: int = NUM_FRAMES) -> Shot:
    try:
        give(make(path), pictures(seed, 1))
    except MediaError as error:
        if "one channel" not in str(error):
            raise
        return mattes(seed, num_frames)
    return pictures(seed, num_frames)


def give(metric: ShotMetric, shot: Shot, window: slice = slice(None)) -> None:
    metric.update(
        shot["result"][window], shot["reference"][window], plate=shot["plate"][window], mask=shot["mask"][window]
    )


@pytest.fixture(params=YAMLS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_yaml_lists_every_argument_and_its_place(path: Path) -> None:
    assert path.read_text().splitlines()[0] == f"# @package metric.{path.stem}"
    assert set(arguments_of(path)) == parameters_of(target_of(path)) - {"kwargs"}
    assert str(read(path)["_target_"]).startswith("interpositive.metrics.")


def test_declares_names_units_directions_and_meanings(path: Path) -> None:
    metric = make(path)
    assert metric.absence is None
    assert metric.infos and metric.group and metric.needs <= set(NEEDS)
    for info in (*metric.infos, *metric.curve_infos):
        assert info.name.replace("_", "").isalnum() and info.name == info.name.lower()
        assert info.unit and info.direction in ("higher", "lower", "neither")
        assert info.meaning.endswith(".") and len(info.meaning) > 20, info.name
    if metric.higher_is_better is not None:
        expected = {"higher" if metric.higher_is_better else "lower", "neither"}
        assert {info.direction for info in metric.infos} <= expected


def test_no_two_metrics_report_the_same_number() -> None:
    names = [info.name for path in YAMLS for info in make(path).infos]
    assert len(set(names)) == len(names)


def test_the_configured_roots_name_metrics_that_are_there() -> None:
    known = {path.stem for path in YAMLS}
    for root in ("evaluate", "apply", "train"):
        chosen = [part["metric"] for part in read(YAMLS[0].parents[1] / f"{root}.yaml")["defaults"] if "metric" in part]
        assert len(chosen) == 1 and set(chosen[0]) <= known, root


def test_windows_of_any_length_equal_the_whole(path: Path) -> None:
    whole, streamed = make(path), make(path)
    shot = shot_for(path)
    give(whole, shot)
    for start, stop in ((0, 1), (1, 2), (2, 9), (9, NUM_FRAMES)):
        give(streamed, shot, slice(start, stop))
    assert streamed.shot_values() == pytest.approx(whole.shot_values(), rel=1e-9, nan_ok=True)
    for name, curve in whole.curves.items():
        assert len(curve) == NUM_FRAMES
        assert streamed.curves[name] == pytest.approx(curve, rel=1e-9, nan_ok=True), name
    assert list(whole.curves) == [info.name for info in whole.curve_infos]
    assert set(whole.shot_values()) == {info.name for info in whole.infos}


def test_defined_on_an_ordinary_shot(path: Path) -> None:
    metric = make(path)
    give(metric, shot_for(path))
    undefined = [name for name, value in metric.shot_values().items() if math.isnan(value)]
    assert not undefined


def test_shots_are_averaged_and_reset_forgets(path: Path) -> None:
    metric = make(path)
    alone = []
    for seed in (0, 1):
        single = make(path)
        give(single, shot_for(path, seed))
        alone.append(single.shot_values())
        give(metric, shot_for(path, seed))
        metric.end_shot()
    means = {name: float(value) for name, value in metric.compute().items()}
    assert means == pytest.approx({name: (alone[0][name] + alone[1][name]) / 2 for name in means}, rel=1e-9)
    metric.reset()
    give(metric, shot_for(path, 1))
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(alone[1], rel=1e-9)


def test_one_frame_and_an_empty_mask_are_no_accident(path: Path) -> None:
    metric = make(path)
    give(metric, shot_for(path), slice(0, 1))
    assert all(isinstance(value, float) for value in metric.shot_values().values())
    absent = [name for name, value in metric.shot_values().items() if math.isnan(value) and not name.endswith("_hole")]
    reasons = " ".join(metric.reasons(absent))
    assert all(name in reasons for name in absent), reasons
    metric = make(path)
    shot = shot_for(path)
    give(metric, {**shot, "mask": torch.zeros_like(shot["mask"])})
    for name, value in metric.shot_values().items():
        assert math.isnan(value) == name.endswith("_hole"), name


def test_what_is_needed_and_not_given_is_named(path: Path) -> None:
    metric = make(path)
    if not metric.needs:
        pytest.skip("needs the result alone")
    with pytest.raises((MediaError, MaskError), match="cannot be measured without"):
        metric.update(shot_for(path)["result"])


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("reference", lambda frames: frames[..., :-1]),
        ("reference", lambda frames: frames[:-1]),
        ("result", lambda frames: frames * 255.0),
        ("result", lambda frames: torch.full_like(frames, torch.nan)),
        ("mask", lambda frames: frames[..., :-1, :]),
    ],
    ids=["narrow", "short", "codes", "nan", "low mask"],
)
def test_bad_input_is_refused_and_nothing_is_counted(
    path: Path, part: str, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    metric = make(path)
    shot = shot_for(path, num_frames=3)
    with pytest.raises(InterpositiveError):
        give(metric, {**shot, part: change(shot[part])})
    assert metric.num_frames == 0


def test_memory_does_not_grow_with_the_shot(path: Path) -> None:
    metric = make(path)
    shot = shot_for(path)
    held = []
    for start in range(0, NUM_FRAMES, 2):
        give(metric, shot, slice(start, start + 2))
        held.append(_bytes_held(metric))
    frame = shot["result"][0].nbytes
    assert max(held[9:]) - max(held[6:9]) < 8 * frame / 6, "eight frames more: a few numbers a cell, no pictures"


def _bytes_held(root: object) -> int:
    """Bytes of the tensors and arrays that an object holds on to."""
    seen: set[int] = set()
    total, left = 0, [root]
    while left:
        thing = left.pop()
        if id(thing) in seen or isinstance(thing, type) or type(thing).__name__ in ("module", "function"):
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            total += thing.untyped_storage().nbytes()
        elif hasattr(thing, "nbytes"):
            total += int(thing.nbytes)
        else:
            left += gc.get_referents(thing)
    return total


def _measure_all(seeds: list[int]) -> dict[str, float]:
    """Every metric over whole shots; the last stays open."""
    values: dict[str, Any] = {}
    for path in YAMLS:
        metric = make(path)
        for place, seed in enumerate(seeds):
            if place:
                metric.end_shot()
            give(metric, shot_for(path, seed, 26))
        values |= {name: float(value) for name, value in metric.compute().items()}
    return values


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(_measure_all([1] if rank == 0 else [2, 3]), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    mp.spawn(_worker, args=(str(tmp_path),), nprocs=2)
    alone = _measure_all([1, 2, 3])
    assert len(alone) > 10
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first == pytest.approx(second, rel=0, abs=0, nan_ok=True)
    for name, value in alone.items():
        # Convolutions round otherwise where memory lies otherwise; tLP is a difference of two such numbers.
        assert first[name] == pytest.approx(value, rel=1e-2 if name.startswith("tlp") else 1e-5, nan_ok=True), name
