"""From measured subjects to scores, rank correlations, areas under ROC and hit rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from measuring import BASELINES, PLACED_KINDS, PLACED_LEVEL, Version, place_of, traces_of
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from interpositive.metrics.flicker_courses import Flicker, flicker_of, worst_mean

FLICKERS_BELOW_1 = {"vbench"}
AT_WORK = {
    "gain": "itself",
    "mains beat": "itself",
    "exposure steps": "itself",
    "boiling": "reference",
    "window seams": "reference",
    "model jitter": "reference",
}
"""What motion is measured on at work: cameras and lamps flicker in the plate itself, a model adds to a steady plate."""


@dataclass
class Judged:
    """One subject: for every version its score, its channels' and the baselines (higher is more flicker)."""

    name: str
    split: str
    moving_camera: bool
    seed: int
    shape: tuple[int, ...]
    seconds: float = 0.0
    scores: dict[Version, float] = field(default_factory=dict)
    channels: dict[Version, dict[str, float]] = field(default_factory=dict)
    baselines: dict[Version, dict[str, float]] = field(default_factory=dict)
    placed: dict[str, Flicker] = field(default_factory=dict)

    def score(self, what: str, strength: float, mode: str) -> float:
        """The score of a version; ``mode`` is a version's, or ``"work"``: as the kind occurs at work.

        Light changes are alike in all modes, for a clean reference has them too.
        """
        version = Version(what, strength, AT_WORK.get(what, "itself") if mode == "work" else mode)
        return self.scores[version if version in self.scores else Version(what, strength, "itself")]


def judge(name: str, split: str, moving_camera: bool, seed: int, path: Path) -> Judged:
    """Score all versions of a measured subject."""
    with np.load(path) as archive:
        numbers = {key: archive[key] for key in archive.files}
    judged = Judged(name, split, moving_camera, seed, tuple(int(n) for n in numbers["shape"]))
    judged.seconds = float(numbers["seconds"])
    for key in sorted({key.rsplit("#", 1)[0] for key in numbers if key.endswith("#tone")}):
        version = Version.of(key)
        flicker = flicker_of(traces_of(numbers, key))
        judged.scores[version] = flicker.score
        judged.channels[version] = {name: worst_mean(course) for name, course in flicker.channels.items()}
        if f"{key}#baselines" in numbers:
            values = dict(zip(BASELINES, numbers[f"{key}#baselines"].tolist(), strict=True))
            judged.baselines[version] = {k: 1 - v if k in FLICKERS_BELOW_1 else v for k, v in values.items()}
        if version.what.endswith(", placed"):
            judged.placed[version.what.removesuffix(", placed")] = flicker
    return judged


def area_under_roc(positives: Iterable[float], negatives: Iterable[float]) -> float:
    """The chance that a positive scores above a negative; ties count half."""
    up, down = list(positives), list(negatives)
    ranks = rankdata(np.array(up + down))
    return float((ranks[: len(up)].sum() - len(up) * (len(up) + 1) / 2) / (len(up) * len(down)))


def rank_correlations(
    subjects: Sequence[Judged], what: str, mode: str, levels: Sequence[float]
) -> tuple[list[float], float]:
    """Spearman's rank correlation of the score with the strength: for each subject, and pooled."""
    table = np.array([[subject.score(what, level, mode) for level in levels] for subject in subjects])
    each = [float(spearmanr(levels, row).statistic) for row in table]
    return each, float(spearmanr(np.tile(levels, len(subjects)), table.ravel()).statistic)


@dataclass(frozen=True)
class Hit:
    """How well flicker was placed: the share of right among the frames and cells found, and of found among the right.

    The worst pair may lie in the stretch, and the worst cell in the box.
    """

    frame_precision: float
    frame_recall: float
    cell_precision: float
    cell_recall: float
    worst_pair: bool
    worst_cell: bool


def hit_of(judged: Judged, kind: str) -> Hit:
    """Compare curve and map, cut at half of their highest, with where the flicker was put."""
    flicker = judged.placed[kind]
    frames, box = place_of(judged.shape, judged.seed)
    # Pair n joins the frames n and n + 1: the pairs into and out of the stretch change as well.
    right = np.zeros(len(flicker.curve), np.bool_)
    right[frames.start - 1 : frames.stop] = True
    found = flicker.curve >= 0.5 * flicker.curve.max()
    cells = flicker.place(frames.start - 1, frames.stop)
    rows, columns = cells.shape
    height, width = judged.shape[1:3]
    ys, xs = (np.arange(rows) + 0.5) * height / rows, (np.arange(columns) + 0.5) * width / columns
    inside = ((ys >= box[1]) & (ys < box[3]))[:, None] & ((xs >= box[0]) & (xs < box[2]))[None]
    marked = cells >= 0.5 * cells.max()
    worst_pair, worst_cell = int(flicker.curve.argmax()), np.unravel_index(int(cells.argmax()), cells.shape)
    shares = (*_precision_and_recall(found, right), *_precision_and_recall(marked, inside))
    return Hit(*shares, bool(right[worst_pair]), bool(inside[worst_cell]))


def _precision_and_recall(found: NDArray[np.bool_], right: NDArray[np.bool_]) -> tuple[float, float]:
    both = float((found & right).sum())
    return both / max(1, int(found.sum())), both / max(1, int(right.sum()))


def hits(subjects: Sequence[Judged]) -> dict[str, list[Hit]]:
    """Of every kind that was placed."""
    return {kind: [hit_of(subject, kind) for subject in subjects if subject.placed] for kind in PLACED_KINDS}


__all__ = ["AT_WORK", "PLACED_LEVEL", "Hit", "Judged", "area_under_roc", "hits", "judge", "rank_correlations"]
