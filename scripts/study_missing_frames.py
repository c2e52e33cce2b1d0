"""Missing frames on given footage: what each method makes of frames that were left out, before and after training.

    python scripts/study_missing_frames.py takes/*.mov --steps 400 --pictures pictures

Each movie is a production of its own: learned from its first part, judged on gaps in its last part. Prints PSNR of
the middle frame (dB) and the mean absolute error of its gradients (thousandths), and the means over all movies.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.opening import open_reader
from interpositive.mini_models.frame_fill import FrameFill
from interpositive.tasks.missing_frames import MissingFrames

GAPS = (1, 3, 7)
SHARE_LEARNED = 0.7
SPAN = 24


def read(path: Path, start: int, height: int) -> Tensor:
    with closing(open_reader(path)) as reader:
        codes = reader.window(start, start + SPAN)
    size = (round(codes.shape[2] * height / codes.shape[1] / 2) * 2, height)
    top = 255.0 if codes.dtype == np.uint8 else 65535.0
    small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])
    return torch.from_numpy(small.astype(np.float32) / top).permute(0, 3, 1, 2).contiguous()


def learn(path: Path, num_frames: int, height: int, num_windows: int, steps: int) -> FrameFill:
    torch.manual_seed(0)
    model, task = FrameFill(), MissingFrames()
    last = int(num_frames * SHARE_LEARNED) - SPAN
    examples: list[Example] = []
    for number in range(num_windows):
        frames = read(path, max(0, round(last * number / max(1, num_windows - 1))), height)
        damaged = task.example(frames, generator_from("study", path.name, number))
        examples += model.prepare(damaged, generator_from("crops", path.name, number))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, betas=(0.9, 0.99), weight_decay=1e-4)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 30) * (0.51 + 0.49 * np.cos(np.pi * step / steps))
        drawn = torch.randint(len(examples), (6,), generator=generator_from("step", step)).tolist()
        batch = [examples[index] for index in drawn]
        stacked = Example(
            torch.stack([each.input for each in batch]),
            torch.stack([each.mask for each in batch]),
            torch.stack([each.target for each in batch if each.target is not None]),
            {name: torch.stack([each.condition[name] for each in batch]) for name in batch[0].condition},
        )
        loss = torch.stack(list(model.losses(stacked, generator_from("loss", step)).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def judge(
    model: FrameFill, path: Path, num_frames: int, height: int, pictures: Path | None
) -> dict[tuple[int, str], tuple[float, float]]:
    found: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    first = max(int(num_frames * SHARE_LEARNED), 0)
    for place in (0.0, 0.5, 1.0):
        frames = read(path, round(first + place * (num_frames - SPAN - first)), height)
        for gap in GAPS:
            start = (SPAN - gap) // 2
            mask = torch.zeros_like(frames[:, :1])
            mask[start : start + gap] = 1.0
            middle = start + gap // 2
            example = Example(torch.where(mask > 0, 0.5, frames), mask)
            restored = model.restore(example, range(middle, middle + 1))
            shown = [frames[middle]]
            for name, result in restored.items():
                error = result.frames[0] - frames[middle]
                gradient = (error[:, :, 1:] - error[:, :, :-1]).abs().mean()
                gradient += (error[:, 1:] - error[:, :-1]).abs().mean()
                psnr = -10.0 * torch.log10(error.square().mean() + 1e-10)
                found[gap, name].append((float(psnr), 1e3 * float(gradient)))
                if name in ("dis_interpolation", "prior", model.trained_method):
                    shown.append(result.frames[0])
            if pictures:
                strip = (torch.cat(shown, 2).permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()
                cv2.imwrite(str(pictures / f"{path.stem}_{place:g}_gap{gap}.png"), strip[..., ::-1])
    return {key: (float(np.mean([v[0] for v in values])), float(np.mean([v[1] for v in values])))
            for key, values in found.items()}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movies", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--height", type=int, default=216)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    everything: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    for path in given.movies:
        with closing(open_reader(path)) as reader:
            num_frames = len(reader)
        if num_frames < 3 * SPAN:
            print(f"{path.name}: {num_frames} frames are too few")
            continue
        began = time.process_time()
        model = learn(path, num_frames, given.height, given.windows, given.steps)
        learned = time.process_time()
        scores = judge(model, path, num_frames, given.height, given.pictures)
        for key, score in scores.items():
            everything[key].append(score)
        tell(f"{path.name} (learned in {learned - began:.0f} s of processor time)", scores)
    tell("mean over the movies", {k: tuple(np.mean(v, 0)) for k, v in everything.items()})


def tell(title: str, scores: dict[tuple[int, str], tuple[float, float]]) -> None:
    print(f"\n{title}")
    methods = list(dict.fromkeys(name for _, name in scores))
    print(f"{'':20}" + "".join(f"{f'{gap} missing':>18}" for gap in GAPS))
    for name in methods:
        cells = "".join(f"{scores[gap, name][0]:>11.2f} {scores[gap, name][1]:>6.2f}" for gap in GAPS)
        print(f"{name:20}{cells}", flush=True)


if __name__ == "__main__":
    main()
