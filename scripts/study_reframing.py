"""Reframing on given footage: what each method finds beyond a frame cropped to 0.75 of its width and height.

    python scripts/study_reframing.py takes/*.mov --pictures pictures

Prints PSNR over the border (dB), pooled over the frames that are judged, and the mean over all movies. The
mini-model is its untrained prior.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import torch

from interpositive.functional.examples import Example
from interpositive.media.opening import open_reader
from interpositive.mini_models.framing_fill import FramingFill

KEPT = 0.75
SPAN = 49


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movies", type=Path, nargs="+")
    parser.add_argument("--height", type=int, default=216)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    model = FramingFill().eval()
    methods = [method for method in model.methods if method != model.trained_method]
    print(f"{'':32}" + "".join(f"{name:>15}" for name in methods))
    everything: dict[str, list[float]] = defaultdict(list)
    for path in given.movies:
        with closing(open_reader(path)) as reader:
            start = max(0, (len(reader) - SPAN) // 2)
            codes = reader.window(start, min(len(reader), start + SPAN))
        size = (round(codes.shape[2] * given.height / codes.shape[1] / 2) * 2, given.height)
        top = 255.0 if codes.dtype == np.uint8 else 65535.0
        small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])
        frames = torch.from_numpy(small.astype(np.float32) / top).permute(0, 3, 1, 2).contiguous()
        mask = torch.ones_like(frames[:, :1])
        dy, dx = (round(side * (1 - KEPT) / 2) for side in frames.shape[-2:])
        mask[..., dy:-dy, dx:-dx] = 0.0
        errors: dict[str, list[float]] = defaultdict(list)
        for number in (len(frames) // 4, len(frames) // 2, 3 * len(frames) // 4):
            restored = model.restore(Example(frames * (1 - mask), mask), range(number, number + 1), methods)
            for name in methods:
                squared = ((restored[name].frames[0] - frames[number]).square() * mask[number]).sum()
                errors[name].append(float(squared / (3 * mask[number].sum())))
            if given.pictures:
                shown = [frames[number], *(restored[name].frames[0] for name in methods)]
                strip = (torch.cat(shown, 2).permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()
                cv2.imwrite(str(given.pictures / f"{path.stem}_{number}.png"), strip[..., ::-1])
        scores = {name: -10.0 * float(np.log10(np.mean(values) + 1e-10)) for name, values in errors.items()}
        for name, score in scores.items():
            everything[name].append(score)
        print(f"{path.name:32}" + "".join(f"{scores[name]:>15.2f}" for name in methods), flush=True)
    print(f"{'mean':32}" + "".join(f"{np.mean(everything[name]):>15.2f}" for name in methods))


if __name__ == "__main__":
    main()
