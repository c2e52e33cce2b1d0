"""How near a plan comes: what it says of networks that are small enough to try here, beside what they took.

    python scripts/check_plan.py [--repeats 5] [--gpu KIND]

Each network takes real steps on the processor, in one thread. Memory is that of every allocation that torch's profiler
saw in a forward and a backward pass, at its peak; time is the median of steps. The machine's own rates, which stand for
a maker's figures, are measured first, by a matrix product and by a sum. Exits with 1 when memory is off by more than a
quarter, or the bytes of prepared latents at all. Times want the machine to themselves, and have no bar.

With ``--gpu gpu_141gb`` the steps are taken on a GPU, as ``conf/device_kind/gpu_141gb.yaml`` describes it, so that its
figures are judged too; memory is what torch's allocator gave out. Networks are larger there, one of them
as wide as Wan 2.1's of 1.3 billion parameters.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Its profiler says where it begins and ends.
os.environ.setdefault("KINETO_LOG_LEVEL", "5")

import interpositive.training  # noqa: F401  isort: skip
import torch
import yaml
from torch.profiler import ProfilerActivity, profile

from interpositive.cli.hydra_app import config_folder
from interpositive.dailies.prepared_windows import window_content
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.candidate_bank import KINDS
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.pretrained_fill import PretrainedFill
from interpositive.records.device_kind import DeviceKind
from interpositive.training.shadow_step import batch_of, shadow_of, take_shadow_step

MEMORY_BAR = 0.25
# Wide enough that matrices, and not the calls around them, are what a step consists of.
WAN = {"num_attention_heads": 4, "attention_head_dim": 32, "ffn_dim": 512, "num_layers": 4}


FAMILIES = ("wan_vace", "ltx_video", "cogvideox")
# As wide as the network of 1.3 billion parameters, and a fifth as deep.
WIDE_WAN = {"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 6}


@dataclass(frozen=True)
class Case:
    """A mini-model, and two batches of it, the second larger."""

    name: str
    model: MiniModel
    batches: tuple[Example, Example]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    kinds = sorted(path.stem for path in (config_folder() / "device_kind").glob("*.yaml"))
    parser.add_argument("--gpu", choices=kinds, help="what conf/device_kind calls the one that is here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    here = this_machine() if given.gpu is None else device_kind(given.gpu)
    print(
        f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}, by {given.gpu}.yaml"
        if given.gpu
        else f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}, one thread: "
        f"{here.float32_tflops * 1e3:.0f} GFLOP/s, {here.memory_gb_per_second:.1f} GB/s"
    )
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = tiny_folders(Path(scratch))
        for case in gpu_cases(Path(scratch)) if given.gpu else cases(folders, Path(scratch)):
            missed += compare(case, here, given.repeats, "cuda" if given.gpu else "cpu")
        missed += compare_latents(folders, Path(scratch))
    print("\n".join(missed) or "every plan of memory and of latents is within its bar")
    sys.exit(1 if missed else 0)


def compare(case: Case, here: DeviceKind, repeats: int, device: str) -> list[str]:
    missed, told, took = [], [], []
    shadow, model = shadow_of(case.model), case.model.to(device)
    peak_of = peak_of_allocations if device == "cpu" else peak_on_gpu
    for batch in case.batches:
        step, batch = take_shadow_step(shadow, batch), batch.to(device)
        told.append(step.seconds(here))
        peak = peak_of(model, batch)
        took.append(statistics.median(seconds_of(lambda batch=batch: learn(model, batch), repeats)))
        error = step.peak_bytes / peak - 1.0
        print(
            f"{case.name:<34} {tuple(batch.input.shape)!s:<22} memory planned {step.peak_bytes / 1e6:8.2f} MB, found "
            f"{peak / 1e6:8.2f} MB {error:+.1%}; step planned {told[-1]:.3f} s, found {took[-1]:.3f} s"
        )
        if abs(error) > MEMORY_BAR:
            missed.append(f"{case.name}: memory is off by {error:+.1%}, bar {MEMORY_BAR:.0%}")
    print(f"{'':<34} larger to smaller step: planned {told[1] / told[0]:.2f}, found {took[1] / took[0]:.2f}")
    return missed


def learn(model: MiniModel, batch: Example) -> None:
    """A forward and a backward pass, as training takes them."""
    model.train().zero_grad(set_to_none=True)
    losses = model.losses(batch, generator_from("check plan"))
    torch.stack(list(losses.values())).sum().backward()
    if batch.input.is_cuda:
        torch.cuda.synchronize()


def peak_of_allocations(model: MiniModel, batch: Example) -> int:
    """The most bytes that lived at once of those that a step allocated."""
    learn(model, batch)
    # Gradients of the step before are freed at its beginning, and were allocated before it.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        learn(model, batch)
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    living, peak = 0, 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        living += event.nbytes()
        peak = max(peak, living)
    return peak


def peak_on_gpu(model: MiniModel, batch: Example) -> int:
    """The same on a GPU, beside weights and batch."""
    learn(model, batch)
    model.zero_grad(set_to_none=True)
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    learn(model, batch)
    return torch.cuda.max_memory_allocated() - held


def seconds_of(work: Callable[[], None], repeats: int) -> Iterator[float]:
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        yield time.perf_counter() - started


def this_machine() -> DeviceKind:
    """Its rates in one thread."""
    left, right, long = torch.randn(768, 768), torch.randn(768, 768), torch.randn(1 << 24)
    product = min(seconds_of(lambda: torch.mm(left, right), 8))
    added = min(seconds_of(lambda: torch.add(long, 1.0), 8))
    rate = 2 * 768**3 / product / 1e12
    return DeviceKind(
        num_devices=1,
        memory_gb=1.0,
        bfloat16_tflops=rate,
        float32_tflops=rate,
        memory_gb_per_second=2 * long.nbytes / added / 1e9,
        link_gb_per_second=1.0,
        utilisation=1.0,
        launch_microseconds=5.0,
        price_per_hour=None,
    )


def device_kind(name: str) -> DeviceKind:
    """One of ``conf/device_kind``."""
    node = yaml.safe_load((config_folder() / "device_kind" / f"{name}.yaml").read_text())
    return DeviceKind(**{key: value for key, value in node.items() if key != "_target_"})


def tiny_folders(root: Path, families: Sequence[str] = FAMILIES, **wan: Any) -> dict[str, Path]:
    path = Path(__file__).parent / "make_tiny_backbones.py"
    spec = importlib.util.spec_from_file_location("make_tiny_backbones", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.WAN.update(WAN | wan)
    return {family: script.make(family, root) for family in families}


def cases(folders: dict[str, Path], scratch: Path) -> Iterator[Case]:
    torch.manual_seed(0)
    yield Case("candidate_fusion", CandidateFusion(), (banks(2, 72), banks(6, 72)))
    yield Case("candidate_fusion, small crops", CandidateFusion(), (banks(1, 48), banks(6, 48)))
    for family, changes in (
        ("wan_vace", {"adapter": "lora", "gradient_checkpointing": False}),
        ("wan_vace", {"adapter": "lora", "gradient_checkpointing": True}),
        ("ltx_video", {"adapter": "full", "gradient_checkpointing": False}),
        ("cogvideox", {"adapter": "norms", "gradient_checkpointing": False}),
    ):
        model = PretrainedFill(family=family, weights=str(folders[family]), precision="float32", rank=4, **changes)
        model.settle_in(scratch / "production")
        name = f"{family} {changes['adapter']}{', anew' if changes['gradient_checkpointing'] else ''}"
        yield Case(name, model, (latents(model, 9, 128, 128), latents(model, 17, 128, 128)))


def gpu_cases(scratch: Path) -> Iterator[Case]:
    torch.manual_seed(0)
    yield Case("candidate_fusion", CandidateFusion(), (banks(6, 96), banks(24, 192)))
    folder = tiny_folders(scratch / "wide", ["wan"], **WIDE_WAN, rope_max_seq_len=1024)["wan"]
    for anew in (False, True):
        model = PretrainedFill(
            family="wan",
            weights=str(folder),
            precision="bfloat16",
            rank=16,
            adapter="lora",
            gradient_checkpointing=anew,
        )
        model.settle_in(scratch / "production")
        name = f"wan, 1.3 B wide{', anew' if anew else ''}"
        yield Case(name, model, (latents(model, 17, 384, 224), latents(model, 33, 832, 480)))


def banks(num: int, side: int) -> Example:
    """Prepared examples of candidate fusion, of noise: 20 candidates a frame."""
    views = 20
    draw = generator_from("check plan", num, side)
    condition = {
        "candidates": torch.rand(num, views, 3, side, side, generator=draw).half(),
        "valid": torch.rand(num, views, 1, side, side, generator=draw) > 0.3,
        "error": (0.1 * torch.rand(num, views, 1, side, side, generator=draw)).half(),
        "kinds": torch.randint(len(KINDS), (num, views), generator=draw),
        "distances": 8.0 * torch.rand(num, views, generator=draw),
        "judged": torch.ones(num, 1, 1, side, side),
    }
    picture = torch.rand(num, 1, 3, side, side, generator=draw).half()
    return Example(picture, torch.ones(num, 1, 1, side, side), picture, condition)


def latents(model: PretrainedFill, num_frames: int, width: int, height: int) -> Example:
    outline = model.outline(num_frames, height, width)
    assert outline is not None
    shapes: Any = batch_of(outline, 1)
    condition = {name: torch.rand(value.shape) for name, value in shapes.condition.items()}
    return Example(torch.randn(shapes.input.shape), torch.rand(shapes.mask.shape), condition=condition)


def compare_latents(folders: dict[str, Path], scratch: Path) -> list[str]:
    """The bytes that a window takes on disk, told by shapes and written."""
    missed = []
    for family, folder in folders.items():
        model = PretrainedFill(family=family, weights=str(folder), precision="float32")
        model.settle_in(scratch / "production")
        frames = torch.rand(9, 3, 64, 96)
        mask = torch.zeros(9, 1, 64, 96)
        mask[..., 20:40, 20:40] = 1.0
        written = window_content(model.prepare(Example(frames, mask, frames), generator_from("check plan")))
        outline = model.outline(9, 64, 96)
        assert outline is not None
        zeros = {name: torch.zeros(value.shape) for name, value in outline.condition.items()}
        told = window_content(
            [Example(torch.zeros(outline.input.shape), torch.zeros(outline.mask.shape), condition=zeros)]
        )
        print(f"{family:<34} latents of a window: planned {len(told):,} bytes, found {len(written):,}")
        if len(told) != len(written):
            missed.append(f"{family}: a window of latents takes {len(written)} bytes, not {len(told)}")
    return missed


if __name__ == "__main__":
    main()
