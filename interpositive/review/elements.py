"""HTML elements that escape whatever is not already HTML."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable


class Html(str):
    """Text that is HTML already; every plain ``str`` is escaped before it is joined with it."""

    __slots__ = ()

    @classmethod
    def escaped(cls, text: str) -> Html:
        """Plain text made safe for elements and attributes."""
        return cls(html.escape(text, quote=True))


def element(tag: str, *children: str, **attributes: str | bool) -> Html:
    """One element; ``class_`` and ``data_x`` become ``class`` and ``data-x``, False leaves one out."""
    written = []
    for name, value in attributes.items():
        if value is False:
            continue
        key = name.rstrip("_").replace("_", "-")
        written.append(f" {key}" if value is True else f' {key}="{html.escape(str(value), quote=True)}"')
    return Html(f"<{tag}{''.join(written)}>{together(children)}</{tag}>")


def together(parts: Iterable[str]) -> Html:
    """Parts one after another, each escaped unless it is HTML."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part, quote=True) for part in parts))


def table(headings: Iterable[str], rows: Iterable[Iterable[str]], caption: str, class_: str = "") -> Html:
    """A table in a frame that scrolls sideways on narrow screens; each row's first cell is its heading."""
    return grouped_table(headings, [("", rows)], caption, class_)


def grouped_table(
    headings: Iterable[str], groups: Iterable[tuple[str, Iterable[Iterable[str]]]], caption: str, class_: str = ""
) -> Html:
    """A table whose rows stand in groups, each under its name unless that is empty."""
    cells = [element("th", heading, scope="col") for heading in headings]
    bodies = []
    for name, rows in groups:
        over = element("tr", element("th", name, colspan=str(len(cells)), scope="rowgroup"), class_="over")
        bodies.append(element("tbody", over if name else "", *(_row(row) for row in rows)))
    head = element("thead", element("tr", *cells))
    whole = element("table", element("caption", caption), head, *bodies, class_=class_ or False)
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _row(row: Iterable[str]) -> Html:
    first, *others = row
    cells = (cell if cell.startswith("<td") and isinstance(cell, Html) else element("td", cell) for cell in others)
    return element("tr", element("th", first, scope="row"), *cells)


def folded(summary: str, *parts: str) -> Html:
    """Parts that are seen once somebody asks for them."""
    return element("details", element("summary", summary), *parts)


def definitions(pairs: Iterable[tuple[str, str]]) -> Html:
    """A list of names and what they are."""
    rows = (element("div", element("dt", name), element("dd", value)) for name, value in pairs)
    return element("dl", *rows)


def json_block(identifier: str, value: object) -> Html:
    """A value for the page's script to read, which no text inside it can break out of."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return element("script", Html(text), type="application/json", id=identifier)
