"""The table and the curve of what learning gains over the prior, with and without a base."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

from interpositive.metrics.intervals import bootstrap_interval

matplotlib.use("Agg")
from matplotlib import pyplot

QUALITY, STEADINESS = "psnr_hole", "e_warp_rel_dis_hole"
ByMetric = dict[str, list[float | None]]


@dataclass(frozen=True)
class Point:
    """A variant on a production after some steps: numbers of the same held-out windows, and the prior's."""

    production: str
    is_stage: bool
    variant: str
    steps: int
    values: ByMetric
    prior: ByMetric
    num_parameters: int
    seconds: float

    def gains(self, metric: str) -> list[float]:
        """Over the prior, window by window."""
        pairs = zip(self.values[metric], self.prior[metric], strict=True)
        return [now - before for now, before in pairs if now is not None and before is not None]


def pooled(points: Sequence[Point], variant: str, steps: int, metric: str) -> list[float]:
    """Gains of all windows of all productions; a production's step 0 is the same in each of its runs."""
    found: dict[str, list[float]] = {
        point.production: point.gains(metric) for point in points if (point.variant, point.steps) == (variant, steps)
    }
    return [gain for gains in found.values() for gain in gains]


def format_table(points: Sequence[Point]) -> str:
    """Of each production and of each kind together: gain in hole PSNR over the prior, and in relative warp error."""
    parts = []
    names = list(dict.fromkeys(point.production for point in points))
    groups = [(name, [point for point in points if point.production == name]) for name in names]
    for label, is_stage in (("all soundstage", True), ("all real", False)):
        group = [point for point in points if point.is_stage == is_stage]
        if len({point.production for point in group}) > 1:
            groups.append((label, group))
    for name, group in groups:
        steps = sorted({point.steps for point in group})
        prior = {point.production: point.prior for point in group}
        quality, steady = (_mean(prior.values(), metric) for metric in (QUALITY, STEADINESS))
        lines = [
            f"**{name}**: prior {quality:.2f} dB, relative warp error {steady:.2f}",
            "",
            "| variant | " + " | ".join(f"{step} steps" for step in steps) + " |",
            "|---" * (len(steps) + 1) + "|",
        ]
        for variant in dict.fromkeys(point.variant for point in group):
            lines.append(f"| {variant} | " + " | ".join(_cell(group, variant, step) for step in steps) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(points: Sequence[Point], variant: str, steps: int) -> str:
    gains = pooled(points, variant, steps, QUALITY)
    if not gains:
        return "–"
    interval = bootstrap_interval(gains)
    spread = f" [{interval[0]:+.2f}, {interval[1]:+.2f}]" if interval else ""
    return f"{np.mean(gains):+.2f}{spread} / {np.mean(pooled(points, variant, steps, STEADINESS)):+.2f}"


def _mean(priors: Iterable[ByMetric], metric: str) -> float:
    return float(np.mean([value for prior in priors for value in prior[metric] if value is not None]))


def draw(points: Sequence[Point], path: Path, title: str) -> None:
    """The gain in hole PSNR against steps, a band for its 95 % bootstrap interval over windows."""
    if not any(point.steps for point in points):
        return
    figure, axes = pyplot.subplots(figsize=(6.4, 3.8), dpi=110)
    for variant in dict.fromkeys(point.variant for point in points):
        steps = sorted({point.steps for point in points if point.variant == variant})
        if len(steps) < 2:
            continue
        gains = [pooled(points, variant, step, QUALITY) for step in steps]
        means = [float(np.mean(gain)) for gain in gains]
        (drawn,) = axes.plot(steps, means, marker="o", markersize=3, label=variant)
        if all(len(gain) > 1 for gain in gains):
            bands = [bootstrap_interval(gain) or (mean, mean) for gain, mean in zip(gains, means, strict=True)]
            axes.fill_between(steps, *zip(*bands, strict=True), color=drawn.get_color(), alpha=0.12, linewidth=0)
    axes.set_xscale("symlog", linthresh=25)
    ticks = sorted({point.steps for point in points})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.axhline(0.0, color="grey", linewidth=0.8)
    axes.set(xlabel="steps on the production", ylabel="hole PSNR over the prior (dB)", title=title)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
