"""What held-out numbers decide: which checkpoint is kept, which one is flagged, when training ends.

Functions of the numbers alone: no clock, no drawing, so that a run taken up again decides as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from interpositive.errors import ConfigError
from interpositive.metrics.intervals import CONFIDENCE, bootstrap_interval
from interpositive.records.held_out_course import HeldOutCourse, HeldOutPoint
from interpositive.records.measures import MetricInfo

ByWindow = dict[str, dict[str, list[float | None]]]

FLICKER = (
    {"flicker_score_dis": 0.5, "flicker_score_farneback": 0.5},
    {
        "e_warp_rel_dis_hole": 1.0,
        "e_warp_rel_farneback_hole": 1.0,
        "e_warp_dis_hole": 0.0,
        "e_warp_farneback_hole": 0.0,
        "local_flicker_dis_hole": 0.0,
        "luma_flicker_hole": 0.0,
    },
)
"""What flicker is told by, in the picture as an audience sees it and in the repair: the first of each that is measured.

Up to the number beside it there is nothing to tell: nobody sees a score of 0.5, and a repair below 1 is steadier than
the clean footage. A fill that learns to be sharp rises there without a fault.
"""

LEAST_RISE = 0.05
"""A smaller share of flicker more is nothing that anybody would see."""

FEWEST_WINDOWS = 4
"""With fewer, an interval over windows says nothing; flicker must then rise by ``PLAIN_RISE``."""

PLAIN_RISE = 0.2


def score_info(score: str, infos: Sequence[MetricInfo]) -> MetricInfo:
    """The number that a score names; ``ConfigError`` with those that are measured and have a better and a worse."""
    able = {info.name: info for info in infos if info.direction in ("higher", "lower")}
    if score not in able:
        raise ConfigError(
            "trainer.score names no number that is measured and could choose a checkpoint",
            found=score,
            expected=", ".join(able) or "a number of the metric group",
            remedy="choose one of these, or add its metric: metric=[…]",
        )
    return able[score]


def with_point(course: HeldOutCourse, step: int, loss: float, by_window: ByWindow, seconds: float) -> HeldOutCourse:
    """The course with one evaluation more: its means, how sure they are, what it gains, whether it is the one to keep.

    ``by_window[method][metric]`` has a number a window, None where not defined; the method that learns is always there.
    """
    carried = course.points[0].values if course.points else {}
    measured = {
        method: {name: _mean(numbers) for name, numbers in found.items()} for method, found in by_window.items()
    }
    interval = bootstrap_interval(_defined(by_window[course.method][course.score]))
    point = HeldOutPoint(
        step=step,
        loss=loss,
        values={**carried, **measured},
        score_low=interval[0] if interval else None,
        score_high=interval[1] if interval else None,
        gain_low=None,
        seconds=seconds,
        by_window=by_window,
    )
    kept_step: int | None = step
    if course.points:
        gains = _changes(course, course.score, course.points[_last_gain(course)], point)
        gain_low = _lowest([gain if course.higher_is_better else -gain for gain in gains])
        point = point.model_copy(update={"gain_low": gain_low, "flag": flicker_flag(course, point)})
        kept_step = step if _is_better(course, point, course.kept) else course.kept_step
    return course.model_copy(update={"points": [*course.points, point], "kept_step": kept_step})


def flicker_flag(course: HeldOutCourse, point: HeldOutPoint) -> str | None:
    """What to say if a point flickers more than an earlier one that had a higher held-out loss; None if none does.

    It is compared with the steadiest of those. The rise must be ``LEAST_RISE`` of what it was, and surely above 0,
    window by window, with 95 %; for fewer than ``FEWEST_WINDOWS`` windows it must be ``PLAIN_RISE``.
    """
    found = point.values[course.method]
    for names in FLICKER:
        name = next((name for name in names if found.get(name) is not None), None)
        if name is not None and (flag := _risen(course, point, name, names[name])) is not None:
            return flag
    return None


def _risen(course: HeldOutCourse, point: HeldOutPoint, name: str, least: float) -> str | None:
    now = point.values[course.method][name]
    earlier = [
        (value, old)
        for old in course.points
        if old.loss > point.loss and (value := old.values[course.method].get(name)) is not None
    ]
    if now is None or now <= least or not earlier:
        return None
    then, steady = min(earlier, key=lambda pair: pair[0])
    rises = _changes(course, name, steady, point)
    if len(rises) < FEWEST_WINDOWS:
        risen = now - then > PLAIN_RISE * abs(then)
        sure = f"by more than {PLAIN_RISE:.0%}; {len(rises)} windows are too few for an interval"
    else:
        low = _lowest(rises)
        risen = low is not None and low > 0 and now - then > LEAST_RISE * abs(then)
        sure = f"in {len(rises)} windows, surely so with {CONFIDENCE:.0%}"
    if not risen:
        return None
    return (
        f"flicker rises while the loss falls: {name} {then:.4g} at step {steady.step}, {now:.4g} at step {point.step} "
        f"({sure}); held-out loss {steady.loss:.4g}, {point.loss:.4g}"
    )


def reason_to_stop(course: HeldOutCourse, stop_after: int | None) -> str:
    """Why training should end now: ``stop_after`` evaluations without a gain; empty if it should go on.

    A gain is one whose 95 % interval, over windows, lies above 0. It is held against the last checkpoint
    that gained, not against the last evaluation, so that many small gains are seen when they add up to a sure one.
    """
    if stop_after is None or len(course.points) < 2:
        return ""
    last = _last_gain(course)
    num = len(course.points) - 1 - last
    if num < stop_after:
        return ""
    return (
        f"no held-out gain in {num} evaluations: none since step {course.points[last].step} "
        f"had a {course.score} whose {CONFIDENCE:.0%} interval of the gain lies above 0"
    )


def _last_gain(course: HeldOutCourse) -> int:
    gained = [i for i, point in enumerate(course.points) if point.gain_low is not None and point.gain_low > 0]
    return gained[-1] if gained else 0


def _is_better(course: HeldOutCourse, point: HeldOutPoint, kept: HeldOutPoint) -> bool:
    new, old = (each.values[course.method][course.score] for each in (point, kept))
    if new is None or old is None:
        # With no score at all there is nothing better to go by than having learned longer.
        return old is None
    return new > old if course.higher_is_better else new < old


def _changes(course: HeldOutCourse, name: str, before: HeldOutPoint, after: HeldOutPoint) -> list[float]:
    pairs = zip(before.by_window[course.method][name], after.by_window[course.method][name], strict=True)
    return [new - old for old, new in pairs if old is not None and new is not None]


def _lowest(changes: Sequence[float]) -> float | None:
    interval = bootstrap_interval(changes)
    return interval[0] if interval else None


def _defined(numbers: Sequence[float | None]) -> list[float]:
    return [number for number in numbers if number is not None and math.isfinite(number)]


def _mean(numbers: Sequence[float | None]) -> float | None:
    defined = _defined(numbers)
    return math.fsum(defined) / len(defined) if defined else None
