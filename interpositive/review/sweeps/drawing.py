"""A sweep's figures as inline SVG: parallel coordinates, Pareto fronts, the course of the search, influences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from interpositive.records.sweep_record import Objective, TrialRecord
from interpositive.review.drawing import Frame, axis_marks, drawing, label, line
from interpositive.review.elements import Html, element
from interpositive.review.sweeps.figures import Axis, PairFront, SweepFigures
from interpositive.review.sweeps.influence import Influence
from interpositive.review.sweeps.verdict import trial_words
from interpositive.review.verdicts import short_number

NUM_SHADES = 9
WIDE_PX, NARROW_PX = 1240, 560
_WIDE_AXIS_PX, _NARROW_AXIS_PX = 124, 104
_TOP, _BOTTOM, _SIDE, _HEIGHT = 74, 34, 70, 440
_MOST_WORDS = 12
_TITLE_CHARACTERS = 19
_TALL = {"width": 620, "height": 380, "left": 64, "top": 24, "bottom": 46}


def shade_of(figures: SweepFigures, trial: TrialRecord) -> int:
    """A trial's shade by the first objective, 0 for the worst and ``NUM_SHADES - 1`` for the best."""
    axis = figures.objective_axes[0]
    height = _upward(axis, axis.place(trial.values[axis.name]))
    return min(NUM_SHADES - 1, int(height * NUM_SHADES))


def parallel_coordinates(figures: SweepFigures, *, narrow: bool = False) -> Html:
    """Every judged trial as a line through all axes; objectives stand so that better is up.

    Each axis is a group that the page's script finds, with its place and what its ends are.
    """
    least, apart = (NARROW_PX, _NARROW_AXIS_PX) if narrow else (WIDE_PX, _WIDE_AXIS_PX)
    axes = figures.axes
    width = max(least, 2 * _SIDE + apart * (len(axes) - 1))
    step = (width - 2 * _SIDE) / max(1, len(axes) - 1)
    across = [round(_SIDE + step * at, 1) for at in range(len(axes))]
    # The best lie on top.
    lines = [_route(figures, trial, across) for trial in reversed(figures.ranked(figures.objectives[0]))]
    groups = [_axis(axis, x, at) for at, (axis, x) in enumerate(zip(axes, across, strict=True))]
    split = (across[len(figures.parameter_axes) - 1] + across[len(figures.parameter_axes)]) / 2 if len(axes) > 1 else 0
    wall = line(split, 20, split, _HEIGHT - _BOTTOM, "wall") if figures.parameter_axes else ""
    what = f"{len(figures.judged)} trials over {', '.join(axis.title for axis in axes)}; the table below says the same"
    body = (wall, element("g", *lines, class_="routes"), *groups)
    made = drawing(width, _HEIGHT, what, *body, class_="parallel")
    # Its axes take keys, which an image has not.
    return Html(made.replace('role="img"', f'role="group" data-bottom="{_HEIGHT - _BOTTOM}" data-top="{_TOP}"', 1))


def heights_of(figures: SweepFigures, trial: TrialRecord) -> list[float | None]:
    """How high a trial passes each axis, 0 at its foot and 1 at its top; None where it has nothing there."""
    return [
        round(_upward(axis, axis.place(figures.value(trial, axis))), 4) if _is_on(axis, trial) else None
        for axis in figures.axes
    ]


def _is_on(axis: Axis, trial: TrialRecord) -> bool:
    return bool(axis.direction) or axis.name in trial.parameters


def _route(figures: SweepFigures, trial: TrialRecord, across: Sequence[float]) -> Html:
    route, pen = "", "M"
    for height, x in zip(heights_of(figures, trial), across, strict=True):
        if height is None:
            pen = "M"
            continue
        route += f"{pen}{x:g} {_down(height):g}"
        pen = "L"
    front = " front" if trial.number in figures.front else ""
    # A lone axis leaves a point, which only a round cap shows.
    route += "h.01" if len(across) == 1 else ""
    return element(
        "path",
        element("title", trial_words(figures, trial)),
        d=route,
        class_=f"route shade-{shade_of(figures, trial)}{front}",
        data_trial=str(trial.number),
    )


def _axis(axis: Axis, x: float, at: int) -> Html:
    title = axis.title if len(axis.title) <= _TITLE_CHARACTERS else f"…{axis.title[-_TITLE_CHARACTERS + 1 :]}"
    under = {"maximize": "higher ↑", "minimize": "lower ↑", "": ""}[axis.direction]
    under = under or {"log": "log scale", "linear": "", "category": ""}[axis.kind]
    parts: list[Html] = [
        # Neighbours' titles stand at two heights.
        label(x, 16 if at % 2 == 0 else 33, title, "middle", "axis-title"),
        label(x, 53, axis.unit, "middle"),
        label(x, _HEIGHT - 8, under, "middle"),
        line(x, _TOP, x, _HEIGHT - _BOTTOM, "pole"),
    ]
    for place, words in marks_of(axis):
        y = _down(_upward(axis, place))
        # All lines of a category meet in one point, which its word must not cover.
        beside = -7 if axis.kind == "category" else 4
        parts += [line(x - 4, y, x + 4, y, "tick"), label(x + 8, y + beside, words, class_="axis mark")]
    parts.append(element("rect", x=f"{x - 18:g}", y=str(_TOP - 6), width="36", height=str(_grip()), class_="grip"))
    parts.append(element("rect", x=f"{x - 9:g}", y=str(_TOP), width="18", height="0", class_="brush"))
    return element(
        "g",
        element("title", axis.name),
        *parts,
        class_="pole-group",
        data_axis=str(at),
        tabindex="0",
        role="slider",
        aria_orientation="vertical",
        aria_label=f"Narrow down by {axis.title}",
        aria_valuemin="0",
        aria_valuemax="100",
        aria_valuenow="100",
        aria_valuetext="everything",
    )


def marks_of(axis: Axis) -> list[tuple[float, str]]:
    """Places on an axis and what stands there: every category, else the ends and round numbers between them."""
    if axis.kind == "category":
        every = -(-len(axis.categories) // _MOST_WORDS)
        shown = [word for at, word in enumerate(axis.categories) if at % every == 0]
        num = len(axis.categories)
        return [((axis.categories.index(word) + 0.5) / num, word[:14]) for word in shown]
    if axis.high <= axis.low:
        return [(0.5, short_number(axis.low))]
    if axis.kind == "log":
        powers = range(math.ceil(math.log10(axis.low)), math.floor(math.log10(axis.high)) + 1)
        between = [10.0**power for power in powers]
    else:
        between = axis_marks(axis.low, axis.high, 4)
    values = [axis.low, *(mark for mark in between if 0.06 < axis.place(mark) < 0.94), axis.high]
    return [(axis.place(value), word) for value, word in zip(values, told_apart(values), strict=True)]


def told_apart(values: Sequence[float]) -> list[str]:
    """Numbers with as few figures as tell them from each other; large ones in full, up to a billion."""
    for figures in range(4, 12):
        told = [_number(value, figures) for value in values]
        if len(set(told)) == len(set(values)):
            break
    return told


def _number(value: float, figures: int) -> str:
    if 1e4 <= abs(value) < 1e9:
        return f"{value:,.{max(0, figures - len(str(int(abs(value)))))}f}"
    return f"{value:.{figures}g}"


def pareto_plot(figures: SweepFigures, pair: PairFront) -> Html:
    """All judged trials over two objectives, and the line that none of them is beyond."""
    axes = {axis.name: axis for axis in figures.objective_axes}
    x_axis, y_axis = axes[pair.x.name], axes[pair.y.name]
    frame = Frame(_with_room(x_axis), _with_room(y_axis), right=24, **_TALL)
    parts = _scales(frame, pair.x, pair.y)
    parts.append(element("path", d=_stairs(frame, figures, pair), class_="stairs"))
    for trial in reversed(figures.ranked(pair.x)):
        where = (frame.x(trial.values[pair.x.name]), frame.y(trial.values[pair.y.name]))
        parts += _trial_mark(figures, trial, *where)
    what = f"{pair.y.title} over {pair.x.title} of {len(figures.judged)} trials"
    # The corner that every trial would be in.
    right, up = pair.x.direction == "maximize", pair.y.direction == "maximize"
    corner = (frame.width - frame.right - 6 if right else frame.left + 6, 36 if up else frame.height - frame.bottom - 8)
    arrow = {(True, True): "↗", (True, False): "↘", (False, True): "↖", (False, False): "↙"}[right, up]
    parts.append(label(*corner, f"better {arrow}", "end" if right else "start", "axis better"))
    return drawing(frame.width, frame.height, what, *parts, class_="scatter")


def _trial_mark(figures: SweepFigures, trial: TrialRecord, x: float, y: float) -> list[Html]:
    on_front = trial.number in figures.front
    hint = element("title", trial_words(figures, trial))
    class_ = f"trial shade-{shade_of(figures, trial)}" + (" front" if on_front else "")
    mark = element(
        "circle",
        hint,
        cx=f"{x:g}",
        cy=f"{y:g}",
        r="6" if on_front else "4",
        class_=class_,
        data_trial=str(trial.number),
    )
    return [mark, label(x + 9, y - 7, str(trial.number), class_="axis number")] if on_front else [mark]


def _stairs(frame: Frame, figures: SweepFigures, pair: PairFront) -> str:
    """From trial to trial of the front by way of what both together reach for sure."""
    places = [figures.trial(number).values for number in pair.numbers]
    points = [(values[pair.x.name], values[pair.y.name]) for values in places]
    route = ""
    for at, (x, y) in enumerate(points):
        if at:
            route += f"L{frame.x(x):g} {frame.y(points[at - 1][1]):g}"
        route += f"{'L' if at else 'M'}{frame.x(x):g} {frame.y(y):g}"
    return route


def history_plot(figures: SweepFigures, objective: Objective) -> Html:
    """An objective over the number of the trial, the best so far as steps, failed trials as crosses below."""
    axis = next(axis for axis in figures.objective_axes if axis.name == objective.name)
    numbers = [trial.number for trial in (*figures.judged, *figures.failed)]
    span = (min(numbers) - 0.5, max(numbers) + 0.5)
    frame = Frame(span, _with_room(axis), height=240, left=64, right=24, top=16, bottom=46)
    parts = _rules(frame)
    ends = dict.fromkeys([min(numbers), *(round(m) for m in axis_marks(min(numbers), max(numbers), 6)), max(numbers)])
    parts += [label(frame.x(n), frame.height - 24, str(n), "middle") for n in ends if span[0] <= n <= span[1]]
    parts.append(label((frame.left + frame.width) / 2, frame.height - 6, "trial", "middle"))
    route = ""
    for number, _, best in figures.history(objective):
        route += f"{'H' if route else 'M'}{frame.x(number):g}{'V' if route else ' '}{frame.y(best):g}"
    parts.append(element("path", d=f"{route}H{frame.x(span[1]):g}", class_="best-so-far"))
    for number, value, _ in figures.history(objective):
        trial = figures.trial(number)
        class_ = f"trial shade-{shade_of(figures, trial)}" + (" front" if number in figures.front else "")
        hint = element("title", trial_words(figures, trial))
        where = {"cx": f"{frame.x(number):g}", "cy": f"{frame.y(value):g}", "r": "4"}
        parts.append(element("circle", hint, class_=class_, data_trial=str(number), **where))
    for trial in figures.failed:
        x, y = frame.x(trial.number), frame.height - frame.bottom
        cross = f"M{x - 4:g} {y - 4:g}l8 8m0 -8l-8 8"
        parts.append(element("path", element("title", f"trial {trial.number} failed"), d=cross, class_="failed"))
    what = f"{objective.title} of each trial in the order they were tried, and the best so far"
    return drawing(frame.width, frame.height, what, *parts, class_="scatter")


def influence_bar(told: Influence) -> Html:
    """A bar from 0 to 1, with what chance reaches in 95 of 100 cases hatched over it."""
    width, height = 220, 18
    bar = element(
        "rect", x="0", y="4", width=f"{width * told.strength:.1f}", height="10",
        class_="strength" + (" stands-out" if told.stands_out else ""),
    )  # fmt: skip
    at = width * told.chance
    return drawing(
        width,
        height,
        f"{told.strength:.2f}, by chance up to {told.chance:.2f}",
        element("rect", x="0", y="4", width=str(width), height="10", class_="trough"),
        bar,
        line(at, 0, at, height, "chance"),
    )


def _scales(frame: Frame, x: Objective, y: Objective) -> list[Html]:
    parts = _rules(frame)
    low = frame.height - frame.bottom
    marks = axis_marks(*frame.x_range, parts=5)
    for mark, word in zip(marks, told_apart(marks), strict=True):
        parts.append(line(frame.x(mark), low, frame.x(mark), low + 4, "tick"))
        parts.append(label(frame.x(mark), low + 18, word, "middle"))
    named = [f"{o.title} {f'({o.unit})' if o.unit else ''}".strip() for o in (x, y)]
    parts.append(
        label((frame.left + frame.width - frame.right) / 2, frame.height - 6, named[0], "middle", "axis-title")
    )
    parts.append(label(4, 14, named[1], "start", "axis-title"))
    return parts


def _rules(frame: Frame) -> list[Html]:
    parts, marks = [], axis_marks(*frame.y_range)
    for mark, word in zip(marks, told_apart(marks), strict=True):
        y = frame.y(mark)
        parts.append(line(frame.left, y, frame.width - frame.right, y, "rule"))
        parts.append(label(frame.left - 8, y + 4, word, "end"))
    return parts


def _with_room(axis: Axis) -> tuple[float, float]:
    room = 0.08 * (axis.high - axis.low) or 0.1 * abs(axis.high) or 1.0
    return axis.low - room, axis.high + room


def _upward(axis: Axis, place: float) -> float:
    return 1 - place if axis.direction == "minimize" else place


def _down(upward: float) -> float:
    return round(_TOP + (_HEIGHT - _BOTTOM - _TOP) * (1 - upward), 1)


def _grip() -> int:
    return _HEIGHT - _BOTTOM - _TOP + 12
