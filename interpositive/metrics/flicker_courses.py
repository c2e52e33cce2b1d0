"""From the traces of a shot's frame pairs to how it flickers: in each pair, in each cell, and in one number.

What changes along the motion and comes back is flicker; what changes and stays (a lamp switched on, a fade) or
passes once (a shadow) is light. Grain is told by its spectrum. Five channels, each scaled so that 1 is just visible:

- *tone*: brightness and colour of cells of 24 px that go to and fro, three changes or more, each within twelve
  pairs of the last (gain, mains beat, tonal wobble);
- *steps*: changes that stand alone in time. A single one over the frame is light; a second one within 24 pairs, one
  that brightens here and darkens there, one that the flow source does not share, one that the next pair takes back,
  or several to and fro in one place count (exposure steps, window seams, a single bad frame);
- *texture* and *coarse texture*: what changes at 3 to 7 and 7 to 13 px and is undone one frame on, less what grain
  could be (boiling);
- *wobble*: local motion of the result that is undone one frame on, as the change of brightness that it makes. Where
  motion was measured on the result itself its flow hides wobble from the others; where there is another source, how
  the result shifts against it from frame to frame is added to the source's motion.

Their squares add up. There is no published standard; experiments/flicker_calibration fitted the scales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interpositive.metrics.flicker_traces import Courses, PairTraces

TO_AND_FRO_REACH = 12
EVENT_REACH = 24
STEADY_PAIRS = 7
STANDS_OUT = 1.5
COLOUR = (1, 2)
GRAIN_RATIOS = (0.55, 0.6)
"""The most that grain (white, or smooth over up to 0.7 px) has of power in an octave, in parts of the finer one."""
GRAIN_SHARES = {"tone": 0.3, "wobble": 0.5}
"""How much of the power undone in the fine octave grain leaves in cells, and the flow source's makes flow wobble."""
QUANTILES = {"tone": 0.8, "steps": 0.8, "texture": 0.8, "coarse texture": 0.6, "wobble": 0.6}
"""Each channel is read at this quantile of the cells: a fifth of the frame shows, a hand that is misread does not."""
WORST_SHARE = 1 / 24
JUST_VISIBLE = {"tone": 1.4, "steps": 0.9, "texture": 0.2, "coarse texture": 0.2, "wobble": 0.55}


def to_and_fro(course: Courses, reach: int = TO_AND_FRO_REACH) -> Courses:
    """How much of each change belongs to three in alternating directions, each within ``reach`` pairs of the last.

    ``t ...`` of signed changes (NaN: none) to ``t ...`` of the least of the best such three, 0 if there are none.
    """
    rises, falls = np.maximum(np.nan_to_num(course), 0.0), np.maximum(-np.nan_to_num(course), 0.0)
    found = np.zeros_like(rises)
    for one, other in ((rises, falls), (falls, rises)):
        between = np.minimum(_highest(other, reach, 1), _highest(other, reach, -1))
        first, last = (_highest(np.minimum(other, _highest(one, reach, side)), reach, side) for side in (1, -1))
        found += np.minimum(one, np.maximum(between, np.maximum(first, last)))
    return found


def _highest(course: Courses, reach: int, side: int) -> Courses:
    """The highest of the next (``side`` 1) or the last (-1) ``reach`` entries, itself left out."""
    highest = np.zeros_like(course)
    for step in range(1, min(reach, len(course) - 1) + 1):
        ahead, behind = (highest[:-step], course[step:]) if side > 0 else (highest[step:], course[:-step])
        np.maximum(ahead, behind, out=ahead)
    return highest


def lone_changes(course: Courses) -> Courses:
    """What is left of each change (``t ...``, NaN: none) less 1.5 of the largest of its four neighbours, sign kept."""
    size = np.abs(np.nan_to_num(course))
    around = np.maximum(_highest(size, 2, 1), _highest(size, 2, -1))
    lone: Courses = np.sign(np.nan_to_num(course)) * np.maximum(size - STANDS_OUT * around, 0.0)
    return lone


def lone_returns(course: Courses) -> Courses:
    """As :func:`lone_changes`, for changes that the very next pair takes back: one frame unlike its neighbours."""
    known = np.nan_to_num(course)
    back = np.zeros_like(known)
    opposed = known[:-1] * known[1:] < 0
    back[:-1] = np.where(opposed, np.minimum(np.abs(known[:-1]), np.abs(known[1:])), 0.0)
    size = np.abs(known)
    ahead = np.concatenate((_highest(size, 2, 1)[1:], np.zeros_like(size[:1])))
    found: Courses = np.maximum(back - STANDS_OUT * np.maximum(ahead, _highest(size, 2, -1)), 0.0)
    found[1:] = np.maximum(found[1:], found[:-1])
    return found


def _steadied(course: Courses) -> Courses:
    """Mean over seven pairs in a row of ``t ...``, held at the ends; NaN has no weight, and is 0 where alone."""
    counts = _in_sevens(np.isfinite(course).astype(np.float64)).sum(-1)
    return _held(_in_sevens(np.nan_to_num(course)).sum(-1) / np.maximum(counts, 1.0), len(course))


def _mostly(course: Courses) -> Courses:
    """Median over seven pairs in a row of ``t ...``, held at the ends; NaN counts as 0."""
    return _held(np.median(_in_sevens(np.nan_to_num(course)), axis=-1), len(course))


def _in_sevens(course: Courses) -> Courses:
    return np.lib.stride_tricks.sliding_window_view(course, min(STEADY_PAIRS, len(course)), axis=0)


def _held(course: Courses, length: int) -> Courses:
    lead = (length - len(course)) // 2
    ends = ((lead, length - len(course) - lead), *(((0, 0),) * (course.ndim - 1)))
    return np.pad(course, ends, mode="edge")


def _neighbourly(course: Courses) -> Courses:
    """Mean over each cell and its neighbours (``... r c``), NaN having no weight; 0 where all are NaN."""
    known = np.isfinite(course)
    rows, columns = course.shape[-2:]
    sums = np.pad(np.where(known, course, 0.0), ((0, 0),) * (course.ndim - 2) + ((1, 1), (1, 1)))
    counts = np.pad(known.astype(np.float64), ((0, 0),) * (course.ndim - 2) + ((1, 1), (1, 1)))
    total, count = (
        sum(array[..., y : y + rows, x : x + columns] for y in range(3) for x in range(3)) for array in (sums, counts)
    )
    mean: Courses = total / np.maximum(count, 1.0)
    return mean


def _centred(course: Courses) -> Courses:
    """Courses that a pair shares with the one before, put to the earlier one; the last is repeated."""
    return course if len(course) < 2 else np.concatenate((course[1:], course[-1:]))


def _texture_power(undone: Courses) -> tuple[Courses, Courses, Courses, Courses]:
    """Of the power that is undone, ``t 4 r c``: what grain cannot be in the two coarser octaves, and the fine one's
    of result and source.

    The edge of a passing shadow is undone in the coarse octave too, but only for a few pairs.
    """
    course = _centred(undone)
    power, most = (np.maximum(_neighbourly(window), 0.0) for window in (_steadied(course), _mostly(course)))
    middle = np.maximum(power[:, 1] - GRAIN_RATIOS[0] * power[:, 0], 0.0)
    return middle, np.maximum(most[:, 2] - GRAIN_RATIOS[1] * most[:, 1], 0.0), power[:, 0], power[:, 3]


def _wobble_power(turn: Courses, slope: Courses, fine: Courses) -> Courses:
    """Power of the change that local motion makes where it is undone, ``t r c``, less the camera's and grain's."""
    middle = np.nanmedian(np.where(np.isfinite(turn).any((2, 3), keepdims=True), turn, 0.0), axis=(2, 3), keepdims=True)
    local = turn - middle
    x0, y0, x1, y1 = local[:-1, 0], local[:-1, 1], local[1:, 0], local[1:, 1]
    gxx, gxy, gyy = (slope[1:, n] for n in range(3))
    undone = -(x0 * x1 * gxx + (x0 * y1 + x1 * y0) * gxy + y0 * y1 * gyy) / 4.0
    undone = np.concatenate((undone, np.full_like(turn[:1, 0], np.nan)))
    return np.maximum(_neighbourly(_steadied(undone)) - GRAIN_SHARES["wobble"] * fine, 0.0)


def unexcused_steps(lone: Courses, *, both_ways: bool = True) -> Courses:
    """Per pair, the mean size of the lone changes over the frame (``t r c``) that no light explains.

    A light changes all it reaches in one direction, and once. So the largest change within 24 pairs is excused, as
    far as the next largest, and what goes both ways counts (not so for colour: a white lamp makes all colours
    stronger, each in its own direction).
    """
    size = np.abs(lone).mean((1, 2))
    another = np.maximum(_highest(size, EVENT_REACH, 1), _highest(size, EVENT_REACH, -1))
    steps: Courses = np.minimum(size, another)
    if both_ways:
        rises, falls = np.maximum(lone, 0.0).mean((1, 2)), np.maximum(-lone, 0.0).mean((1, 2))
        steps = np.maximum(steps, 2.0 * np.minimum(rises, falls))
    return steps


@dataclass(frozen=True)
class Flicker:
    """Flicker of a shot: ``curve`` ``t - 1`` by pair, ``cells`` ``t - 1 r c``, ``channels`` by name; 1 is just visible.

    ``score`` is the mean of the worst 1/24 of the curve, at least two pairs: one seam in 24 frames still shows.
    """

    curve: Courses
    cells: Courses
    channels: dict[str, Courses]

    @property
    def score(self) -> float:
        """Flicker in steps of the just visible."""
        return worst_mean(self.curve)

    def place(self, begin: int, end: int) -> Courses:
        """The map ``r c`` over the pairs from ``begin`` up to ``end``, each cell averaged with its neighbours."""
        return _neighbourly(self.cells[begin:end].mean(0))


def worst_mean(curve: Courses) -> float:
    """Mean of the worst 1/24 of a course, at least two of its entries."""
    num_worst = max(2, math.ceil(len(curve) * WORST_SHARE))
    return float(np.sort(curve)[::-1][:num_worst].mean())


def flicker_of(traces: Sequence[PairTraces]) -> Flicker:
    """Curve, map and channels from the traces of a shot's pairs, one or more."""
    tone, own, undone, turn, slope = (
        np.stack([getattr(trace, name) for trace in traces]) for name in ("tone", "own", "undone", "turn", "slope")
    )
    texture, coarse, fine, source_fine = _texture_power(undone)
    placed, whole, shown = _steps(tone, own)
    cells = {
        "tone": np.sqrt(
            np.maximum((_steadied(to_and_fro(tone[:, :3])) ** 2).sum(1) - GRAIN_SHARES["tone"] * fine, 0.0)
        ),
        "steps": placed,
        "texture": np.sqrt(texture),
        "coarse texture": np.sqrt(coarse),
        "wobble": np.sqrt(_wobble_power(turn, slope, source_fine)),
    }
    channels = {name: _read(course, tone, QUANTILES[name]) / JUST_VISIBLE[name] for name, course in cells.items()}
    # A jump shows in the pair after it too: the worst two pairs of a short shot hold a lone one.
    whole[1:] = np.maximum(whole[1:], whole[:-1])
    channels["steps"] = np.maximum(channels["steps"], whole / JUST_VISIBLE["steps"])
    cells["steps"] = shown
    curve = np.sqrt(sum(course**2 for course in channels.values()))
    together = np.sqrt(sum((course / JUST_VISIBLE[name]) ** 2 for name, course in cells.items()))
    return Flicker(curve, together, channels)


def _read(course: Courses, tone: Courses, quantile: float) -> Courses:
    """A quantile of ``t r c`` over the cells that can be followed within the seven pairs; 0 if under a tenth can."""
    known = _steadied(np.isfinite(tone[:, 0]).astype(np.float64)) > 0.0
    enough = known.mean((1, 2)) > 0.1
    kept = np.where(known | ~enough[:, None, None], course, np.nan)
    read: Courses = np.where(enough, np.nanquantile(kept.reshape(len(course), -1), quantile, axis=1), 0.0)
    return read


def _steps(tone: Courses, own: Courses) -> tuple[Courses, Courses, Courses]:
    """Lone changes: those of a cell that come back ``t r c``, those over the frame ``t``, and both by cell."""
    smooth, own = _neighbourly(tone), _neighbourly(own)
    placed, whole, shown = (np.zeros(shape) for shape in (tone[:, 0].shape, len(tone), tone[:, 0].shape))
    for course in range(tone.shape[1]):
        lone = lone_changes(smooth[:, course])
        back = np.maximum(to_and_fro(lone), lone_returns(smooth[:, course]))
        size = np.abs(lone).mean((1, 2))
        over = unexcused_steps(lone, both_ways=course not in COLOUR)
        over = np.maximum(over, np.abs(lone_changes(own[:, course])).mean((1, 2)))
        share = np.divide(over, size, out=np.zeros_like(over), where=size > 1e-9).clip(0.0, 1.0)
        placed += back**2
        whole += over**2
        shown += np.maximum(np.abs(lone) * share[:, None, None], back) ** 2
    return np.sqrt(placed), np.sqrt(whole), np.sqrt(shown)
