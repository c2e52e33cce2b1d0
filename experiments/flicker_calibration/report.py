"""The study's table and plots, from judged subjects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from injections import KINDS, NEGATIVES
from judging import Judged, area_under_roc, hits, rank_correlations
from measuring import BASELINES, LEVELS, Version, place_of
from numpy.typing import NDArray
from scipy.stats import spearmanr

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

MEASURED = ("itself", "reference")
MODES = (*MEASURED, "work")
SAID = {"itself": "plate = the flickering shot", "reference": "clean reference", "work": "as it occurs at work"}
BAR = 0.95
MEASURES = ("flicker score", *BASELINES)


def sides(subjects: Sequence[Judged], mode: str, measure: str) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Values at the just visible level by kind, and of all that is no flicker; higher is more flicker."""

    def value(subject: Judged, what: str, level: float) -> float:
        if measure == "flicker score":
            return subject.score(what, level, mode)
        return subject.baselines[Version(what, level, "itself")][measure]

    ups = {kind.name: [value(subject, kind.name, 1.0) for subject in subjects] for kind in KINDS}
    downs = {name: [value(subject, name, 0.0) for subject in subjects] for name in NEGATIVES}
    if mode == "work" and measure == "flicker score":
        # Grain comes with the plate, and a model adds it to a plate without: both.
        for name in NEGATIVES:
            downs[name] += [subject.score(name, 0.0, "reference") for subject in subjects if "grain" in name]
    return ups, downs


def areas(subjects: Sequence[Judged], mode: str, measure: str) -> dict[str, float]:
    """Area under ROC: of all kinds, of each kind against all that is no flicker, and against clean alone."""
    ups, downs = sides(subjects, mode, measure)
    no_flicker = [value for values in downs.values() for value in values]
    found = {"all": area_under_roc([value for values in ups.values() for value in values], no_flicker)}
    found |= {kind: area_under_roc(values, no_flicker) for kind, values in ups.items()}
    found["all, against clean alone"] = area_under_roc([v for values in ups.values() for v in values], downs["clean"])
    return found


def table(judged: Sequence[Judged], machine: str) -> str:
    """Everything in figures, as Markdown."""
    test = [subject for subject in judged if subject.split == "test"]
    fit = [subject for subject in judged if subject.split == "fit"]
    graded = test or fit
    side = "test footage" if test else "soundstage alone, which the scales were fitted on: no footage was found"
    moving = [subject for subject in graded if subject.moving_camera]
    names = ", ".join(subject.name for subject in graded)
    minutes = sum(subject.seconds for subject in judged) / 60
    took = f"Measuring the {len(judged)} shots took {minutes:.1f} minutes."
    lines = [f"{machine} {took}", "", f"Rank correlations, areas and places are of the {side}: {names}.", ""]
    lines += _ranks(graded)
    lines += ["", "Areas beside those of other measures: just visible flicker against all that is no flicker", ""]
    rows = ["all", *(kind.name for kind in KINDS), "all, against clean alone"]
    columns = [(SAID[mode], areas(graded, mode, "flicker score")) for mode in MODES]
    columns += [(measure.replace("_", " "), areas(graded, "itself", measure)) for measure in BASELINES]
    lines += _grid(
        ["", *(name for name, _ in columns)], [[row, *(f"{c[row]:.3f}" for _, c in columns)] for row in rows]
    )
    if moving and len(moving) < len(graded):
        lines += ["", "The same where the camera moves", ""]
        columns = [(SAID[mode], areas(moving, mode, "flicker score")) for mode in MODES]
        columns += [(measure.replace("_", " "), areas(moving, "itself", measure)) for measure in BASELINES]
        lines += _grid(
            ["", *(name for name, _ in columns)], [[row, *(f"{c[row]:.3f}" for _, c in columns)] for row in rows[:1]]
        )
    lines += ["", "Placed flicker: a quarter of the picture, ten frames, twice the just visible", ""]
    lines += _places(graded)
    for name, subjects in (("fit", fit), ("test", test)):
        if subjects:
            lines += ["", f"Score of every {name} shot, mode: {SAID['itself']} / {SAID['reference']}", ""]
            lines += _scores(subjects)
    lines += _seam(graded)
    for subject in judged:
        if subject.split == "natural":
            score = subject.scores[Version("clean", 0.0, "itself")]
            channels = subject.channels[Version("clean", 0.0, "itself")]
            parts = ", ".join(f"{channel} {value:.2f}" for channel, value in channels.items())
            lines += ["", f"{subject.name}, an old film as it is: {score:.2f} ({parts})."]
    return "\n".join(lines) + "\n"


def _ranks(graded: Sequence[Judged]) -> list[str]:
    lines, below = [], []
    for mode in MODES:
        lines += [f"Rising with strength, and told apart from no flicker: {SAID[mode]}", ""]
        found, plain = areas(graded, mode, "flicker score"), areas(graded, mode, "frame_difference")
        rows = []
        for kind in KINDS:
            each, pooled = rank_correlations(graded, kind.name, mode, LEVELS)
            ranks = (min(each), float(np.mean(each)), float(np.median(each)), pooled)
            rows.append([kind.name, *(f"{v:.3f}" for v in (*ranks, found[kind.name], plain[kind.name]))])
            for subject, rank in zip(graded, each, strict=True):
                if rank < BAR and mode in MEASURED:
                    scores = ", ".join(f"{subject.score(kind.name, level, mode):.2f}" for level in LEVELS)
                    below.append(f"- {kind.name}, {subject.name}, {SAID[mode]}: {rank:.3f} ({scores})")
        rows.append(["all kinds", "", "", "", *(f"{v:.3f}" for v in (_all_ranks(graded, mode), *_alls(found, plain)))])
        heads = ["", "Spearman, lowest shot", "mean", "median", "pooled", "area under ROC", "frame difference's"]
        lines += [*_grid(heads, rows), ""]
    return [*lines, f"Shots below {BAR}, with their scores from ¼ to 8:", "", *(below or ["- none"])]


def _alls(*found: dict[str, float]) -> list[float]:
    return [areas["all"] for areas in found]


def _all_ranks(graded: Sequence[Judged], mode: str) -> float:
    pairs = [(level, subject.score(kind.name, level, mode)) for kind in KINDS for subject in graded for level in LEVELS]
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def _places(graded: Sequence[Judged]) -> list[str]:
    rows = []
    for kind, found in hits(graded).items():
        means = [
            f"{np.mean([getattr(hit, name) for hit in found]):.2f}"
            for name in ("frame_precision", "frame_recall", "cell_precision", "cell_recall")
        ]
        inside = [sum(hits) for hits in zip(*((hit.worst_pair, hit.worst_cell) for hit in found), strict=True)]
        rows.append([kind, *(f"{count} of {len(found)}" for count in inside), *means])
    heads = ["", "worst pair inside", "worst cell inside", "frames right", "frames found", "cells right", "cells found"]
    return _grid(heads, rows)


def _scores(subjects: Sequence[Judged]) -> list[str]:
    versions = [(name, 0.0) for name in NEGATIVES] + [(kind.name, 1.0) for kind in KINDS]
    rows = []
    for what, level in versions:
        values = [[subject.score(what, level, mode) for mode in MEASURED] for subject in subjects]
        values.append(np.exp(np.mean(np.log(np.maximum(values, 1e-3)), axis=0)).tolist())
        # Light changes with its reference: both modes are the same measurement.
        alike = level == 0.0 and "grain" not in what
        rows.append([what, *(f"{a:.2f}" if alike else f"{a:.2f} / {b:.2f}" for a, b in values)])
    return _grid(["", *(subject.name for subject in subjects), "geometric mean"], rows)


def _seam(graded: Sequence[Judged]) -> list[str]:
    values = [[subject.score("one seam", 1.0, mode) for mode in MEASURED] for subject in graded]
    means = np.mean(values, axis=0)
    return [
        "",
        f"A single just visible seam: {means[0]:.2f} on average ({SAID['itself']}), {means[1]:.2f} with a "
        "clean reference.",
    ]


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def draw_strengths(graded: Sequence[Judged], path: Path) -> None:
    """Score against strength, a panel a kind, a line a shot; dashed: the score that is meant."""
    figure, panels = plt.subplots(2, 3, figsize=(11, 6.5), sharex=True, sharey=True, layout="constrained")
    for panel, kind in zip(panels.flat, KINDS, strict=True):
        for subject in graded:
            for mode in MEASURED:
                scores = [subject.score(kind.name, level, mode) for level in LEVELS]
                colour, style = ("tab:blue", "-") if mode == "itself" else ("tab:orange", ":")
                panel.plot(LEVELS, scores, color=colour, linestyle=style, marker=".", alpha=0.6)
        highest = max(subject.score(name, 0.0, "itself") for subject in graded for name in NEGATIVES)
        panel.axhspan(0.01, highest, color="0.9", zorder=0)
        panel.plot(LEVELS, LEVELS, "k--", linewidth=0.8)
        panel.set(title=kind.name, xscale="log", yscale="log", ylim=(0.1, 20))
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_minor_locator(NullLocator())
        panel.set_xticks(LEVELS, [f"{level:g}" for level in LEVELS])
        panel.set_yticks((0.1, *LEVELS, 16), ("0.1", *(f"{level:g}" for level in LEVELS), "16"))
    figure.supxlabel("strength, just visible = 1")
    figure.supylabel("flicker score")
    figure.suptitle(f"blue: {SAID['itself']}; dotted: {SAID['reference']}; grey: up to the highest that is no flicker")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_roc(graded: Sequence[Judged], path: Path) -> None:
    """ROC of the score in both modes and of what it is held against."""
    figure, panel = plt.subplots(figsize=(6, 5.6), layout="constrained")
    for mode, measure in [(mode, "flicker score") for mode in MODES] + [("itself", name) for name in BASELINES]:
        ups, downs = ([v for values in side.values() for v in values] for side in sides(graded, mode, measure))
        cuts = np.sort(np.array(ups + downs))[::-1]
        hit = [0.0, *((np.array(ups) >= cut).mean() for cut in cuts)]
        false = [0.0, *((np.array(downs) >= cut).mean() for cut in cuts)]
        name = f"{measure}, {SAID[mode]}" if measure == "flicker score" else measure.replace("_", " ")
        panel.plot(false, hit, label=f"{name}: {area_under_roc(ups, downs):.3f}")
    panel.set(xlabel="share of what is no flicker above the cut", ylabel="share of just visible flicker above the cut")
    panel.legend(fontsize=8)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_place(judged: Judged, picture: NDArray[np.uint8], kind: str, path: Path) -> None:
    """Curve and map of placed flicker, beside the frame and where it was put."""
    flicker = judged.placed[kind]
    frames, box = place_of(judged.shape, judged.seed)
    figure, (frame, cells, curve) = plt.subplots(1, 3, figsize=(13, 3), layout="constrained")
    frame.imshow(picture)
    frame.set_title(f"{judged.name}: {kind} in the box")
    height, width = judged.shape[1:3]
    strength = flicker.place(frames.start - 1, frames.stop)
    shown = cells.imshow(strength, extent=(0, width, height, 0), cmap="magma", vmin=0)
    figure.colorbar(shown, ax=cells)
    cells.set_title("map over the stretch")
    for panel, colour in ((frame, "yellow"), (cells, "cyan")):
        panel.add_patch(Rectangle(box[:2], box[2] - box[0], box[3] - box[1], fill=False, edgecolor=colour))
        panel.axis("off")
    curve.plot(np.arange(1, len(flicker.curve) + 1), flicker.curve)
    curve.axvspan(frames.start - 0.5, frames.stop + 0.5, color="0.9")
    curve.set(xlabel="frame", title="curve; grey: where it was put", ylim=(0, None))
    figure.savefig(path, dpi=80)
    plt.close(figure)
