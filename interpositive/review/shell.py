"""What every page has in common: one file that opens anywhere, offline, and asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from interpositive.errors import StorageError
from interpositive.review.elements import Html

_MARK = "<!-- interpositive review page -->"


def render_shell(
    title: str,
    header: Html,
    sections: Iterable[Html],
    data: Iterable[Html],
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    absent: str,
) -> str:
    """The whole page as HTML text.

    ``styles`` and ``scripts`` name templates, joined in order; a policy lets these run and nothing else. ``absent``
    says what is missing where scripts are off.
    """
    style = "\n".join(_template(f"{name}.css") for name in styles)
    script = "\n".join(_template(f"{name}.js") for name in scripts)
    return Template(_template("page.html")).substitute(
        mark=_MARK,
        policy=(
            "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"style-src '{_source_digest(style)}'; script-src '{_source_digest(script)}'"
        ),
        title=Html.escaped(title),
        style=style,
        script=script,
        absent=absent,
        header=header,
        main="\n".join(sections),
        data="\n".join(data),
    )


def refuse_page_path(path: Path) -> None:
    """Raise ``StorageError`` where a page would replace something else; an earlier page it may replace."""
    if path.exists() and (path.is_dir() or _MARK.encode() not in path.read_bytes()[:200]):
        raise StorageError(
            f"{path} exists and is not a review page",
            expected="a free path, or an earlier review page to replace",
            remedy="choose another output",
        )


def _template(name: str) -> str:
    return (files("interpositive.review") / "templates" / name).read_text(encoding="utf-8")


def _source_digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
