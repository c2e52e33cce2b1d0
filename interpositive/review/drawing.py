"""Small drawings as inline SVG, made here so that they are seen without scripts too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from interpositive.review.elements import Html, element

# As curves.js draws them.
CHOSEN_COLOUR = "#e3b15c"
OTHER_LINES = (("#8fb8de", "7 4"), ("#c3a3e0", "2 3"), ("#86c9a5", "10 3 2 3"), ("#dd9c9c", "4 2"), ("#b8b8b8", "1 2"))
_ROUND_STEPS = (1, 2, 5, 10)


def axis_marks(low: float, high: float, parts: int = 4) -> list[float]:
    """Round numbers that divide an axis into about so many parts."""
    if not high > low:
        return [low]
    rough = (high - low) / parts
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((part * power for part in _ROUND_STEPS if part * power >= rough * (1 - 1e-9)), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [at * step for at in range(first, math.floor(high / step + 1e-9) + 1)]


def padded(values: Iterable[float]) -> tuple[float, float]:
    """The range of values with a little room around it; from 0 where they lie near it."""
    held = list(values)
    least, most = min(held), max(held)
    spread = (most - least) or abs(most) or 1.0
    low = 0.0 if 0 <= least < spread else least - 0.06 * spread
    return low, most + 0.06 * spread


@dataclass(frozen=True)
class Frame:
    """A plot's size in px, its margins, and the ranges that its axes show."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int = 620
    height: int = 190
    left: int = 54
    right: int = 14
    top: int = 16
    bottom: int = 24

    def x(self, value: float) -> float:
        """Where a value lies across."""
        low, high = self.x_range
        inner = self.width - self.left - self.right
        return round(self.left + inner * (value - low) / (high - low if high > low else 1.0), 1)

    def y(self, value: float) -> float:
        """Where a value lies, down from the top."""
        low, high = self.y_range
        inner = self.height - self.top - self.bottom
        return round(self.top + inner * (1 - (value - low) / (high - low if high > low else 1.0)), 1)


def line(x1: float, y1: float, x2: float, y2: float, class_: str, **more: str) -> Html:
    """A straight line."""
    return element("line", x1=f"{x1:g}", y1=f"{y1:g}", x2=f"{x2:g}", y2=f"{y2:g}", class_=class_, **more)


def label(x: float, y: float, text: str, anchor: str = "start", class_: str = "axis") -> Html:
    """A few words in a drawing."""
    return element("text", text, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, class_=class_)


def stroke(route: str, colour: str, dash: str = "", width: float = 1.4) -> Html:
    """A path that is drawn along and not filled."""
    return element(
        "path",
        d=route,
        fill="none",
        stroke=colour,
        stroke_width=f"{width:g}",
        stroke_dasharray=dash or False,
        stroke_linejoin="round",
    )


def dot(x: float, y: float, radius: float, class_: str, hint: str = "", fill: str = "") -> Html:
    """A dot; ``hint`` is shown to a pointer that rests on it."""
    title = element("title", hint) if hint else ""
    return element("circle", title, cx=f"{x:g}", cy=f"{y:g}", r=f"{radius:g}", class_=class_, fill=fill or False)


def polyline(frame: Frame, points: Sequence[tuple[float, float | None]]) -> str:
    """The route through points; where a value is None it is broken."""
    route, pen = "", "M"
    for at, value in points:
        if value is None:
            pen = "M"
            continue
        route += f"{pen}{frame.x(at):g} {frame.y(value):g}"
        pen = "L"
    return route


def drawing(width: int, height: int, what: str, *parts: str, class_: str = "") -> Html:
    """The whole picture, with words for those who cannot see it."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=what,
        class_=class_ or False,
    )
