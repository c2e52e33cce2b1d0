"""An evaluation as plots: curves of each shot, shots side by side for each metric, and what two methods differ by.

SVG, the same bytes for the same measures; nothing is shown on a screen.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from interpositive.metrics.summary import shot_pairs
from interpositive.records.measures import MeanInterval, Measures, MetricInfo, PairedDifference, ShotMeasures
from interpositive.records.publishing import write_file_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOTS_FOLDER = "plots"
# Okabe and Ito's colours, told apart by all eyes; black is for means.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_MOST_NAMES = 60
_WIDTH_INCHES = 8.0
_STYLE = {
    "svg.hashsalt": "interpositive",
    "svg.fonttype": "none",
    # Names of shots may have dollar signs, which are no formulas.
    "text.parse_math": False,
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}


def write_plots(folder: Path, measures: Measures, progress: bool = False) -> None:
    """Write ``plots/shot-<name>.svg``, ``plots/metric-<name>.svg`` and ``plots/difference-<methods>.svg``."""
    drawn: list[tuple[str, Callable[[], Figure | None]]] = []
    for shot in measures.shots:
        drawn.append((f"shot-{shot.name}", lambda shot=shot: _shot_figure(shot, measures)))  # type: ignore[misc]
    for info in measures.metrics:
        drawn.append((f"metric-{info.name}", lambda info=info: _metric_figure(info, measures)))  # type: ignore[misc]
    for pair in dict.fromkeys((d.method, d.other) for d in measures.differences):
        name = f"difference-{pair[0]}-{pair[1]}"
        drawn.append((name, lambda pair=pair: _difference_figure(pair, measures)))  # type: ignore[misc]
    with _style():
        for name, draw in tqdm(drawn, desc="plots", unit="plot", disable=not progress, leave=False):
            figure = draw()
            if figure is not None:
                write_file_whole(folder / PLOTS_FOLDER / f"{name}.svg", _svg(figure))


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type, unused-ignore]
        yield


def _figure(height_inches: float) -> Figure:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def _svg(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _better(info: MetricInfo) -> str:
    return {"higher": " (higher is better)", "lower": " (lower is better)"}.get(info.direction, "")


def _shot_figure(shot: ShotMeasures, measures: Measures) -> Figure | None:
    """Every curve of a shot below one another, its worst frames marked."""
    infos = [
        info
        for info in measures.curve_metrics
        if any(value is not None for curves in shot.curves.values() for value in curves.get(info.name, ()))
    ]
    if not infos:
        return None
    figure = _figure(0.8 + 1.5 * len(infos))
    panels = figure.subplots(len(infos), 1, sharex=True, squeeze=False)[:, 0]
    frames = range(shot.first_frame, shot.first_frame + shot.num_frames)
    for axes, info in zip(panels, infos, strict=True):
        for place, (method, curves) in enumerate(shot.curves.items()):
            numbers = [float("nan") if value is None else value for value in curves.get(info.name, ())]
            if numbers:
                style = {"color": _COLOURS[place % len(_COLOURS)], "marker": "." if shot.num_frames < 80 else ""}
                axes.plot(frames, numbers, lw=1.1, label=method, zorder=3 if place == 0 else 2, **style)
        for frame in shot.worst_frames:
            axes.axvline(frame, color="#D55E00", lw=0.7, alpha=0.55, ls=":")
        axes.set_title(f"{info.name}{_better(info)}", loc="left", fontsize=9)
        axes.set_ylabel(info.unit, fontsize=8)
    panels[-1].set_xlabel("frame")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    handles, labels = panels[0].get_legend_handles_labels()
    worst = ", ".join(map(str, shot.worst_frames))
    title = f"{shot.name}, {shot.num_frames} frames" + (f"\nworst first (dotted): {worst}" if worst else "")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    return figure


def _metric_figure(info: MetricInfo, measures: Measures) -> Figure | None:
    """A dot for each shot and method, and each method's mean with its interval."""
    methods = list(dict.fromkeys(method for shot in measures.shots for method in shot.values))
    points = {
        method: [
            (place, value)
            for place, shot in enumerate(measures.shots)
            if (value := shot.values.get(method, {}).get(info.name)) is not None
        ]
        for method in methods
    }
    if not any(points.values()):
        return None
    num_shots = len(measures.shots)
    figure = _figure(1.4 + 0.22 * min(num_shots, _MOST_NAMES) + 0.25 * len(methods))
    axes = figure.subplots()
    for number, method in enumerate(methods):
        colour = _COLOURS[number % len(_COLOURS)]
        shift = 0.5 * (number - (len(methods) - 1) / 2) / len(methods)
        axes.plot(
            [value for _, value in points[method]], [place + shift for place, _ in points[method]],
            "o", ms=4, color=colour, label=method,
        )  # fmt: skip
        for mean in measures.means:
            if (mean.method, mean.metric) == (method, info.name):
                _draw_interval(axes, mean, num_shots + 0.4 + 0.5 * number, colour)
    _name_rows(axes, [shot.name for shot in measures.shots], num_shots + 0.4 + 0.25 * (len(methods) - 1))
    axes.set_ylim(num_shots + 0.5 + 0.5 * len(methods), -0.7)
    axes.set_xlabel(f"{info.unit}{_better(info)}")
    axes.set_title(info.name, loc="left")
    if len(methods) > 1:
        figure.legend(loc="outside upper right", ncols=len(methods), frameon=False)
    return figure


def _draw_interval(axes: Axes, of: MeanInterval | PairedDifference, height: float, colour: str) -> None:
    if of.low is not None and of.high is not None:
        axes.plot([of.low, of.high], [height, height], color=colour, lw=2.2, solid_capstyle="butt")
    axes.plot([of.mean], [height], marker="D", ms=5, color=colour, markeredgecolor="black", markeredgewidth=0.8)


def _name_rows(axes: Axes, names: Sequence[str], mean_height: float) -> None:
    """Each row's name on the left, as long as they can be read."""
    ticks, labels = ([], []) if len(names) > _MOST_NAMES else (list(range(len(names))), list(names))
    axes.set_yticks([*ticks, mean_height], [*labels, "mean"])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.axhline(len(names) - 0.1, color="#888888", lw=0.6)


def _difference_figure(pair: tuple[str, str], measures: Measures) -> Figure | None:
    """For each metric a row of its own: the difference in each shot, and the mean with its interval beside zero."""
    method, other = pair
    infos = {info.name: info for info in measures.metrics}
    differences = [d for d in measures.differences if (d.method, d.other) == pair]
    figure = _figure(0.6 + 0.95 * len(differences))
    panels = figure.subplots(len(differences), 1, squeeze=False)[:, 0]
    for axes, difference in zip(panels, differences, strict=True):
        info = infos[difference.metric]
        gaps = [a - b for _, a, b in shot_pairs(measures.shots, method, other, info.name)]
        axes.axvline(0.0, color="black", lw=0.8)
        axes.plot(gaps, [0.0] * len(gaps), "o", ms=4, color=_COLOURS[0], alpha=0.45)
        colour = _COLOURS[2] if difference.is_settled else "#888888"
        _draw_interval(axes, difference, 1.0, colour)
        axes.set_ylim(1.6, -0.6)
        axes.set_yticks([0.0, 1.0], ["shots", "mean"])
        axes.grid(axis="y", visible=False)
        settled = "settled" if difference.is_settled else "not settled"
        axes.set_title(f"{info.name} [{info.unit}]{_better(info)}: {settled}", loc="left", fontsize=9)
    figure.suptitle(f"{method} minus {other}, shot by shot", x=0.01, ha="left")
    return figure
