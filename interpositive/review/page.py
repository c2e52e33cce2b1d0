"""The review page: one file that opens anywhere, offline, and asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from string import Template

from interpositive.errors import StorageError
from interpositive.records.publishing import write_file_whole
from interpositive.review.elements import Html, json_block
from interpositive.review.intervals import means_section
from interpositive.review.learned import learned_section
from interpositive.review.paperwork import paperwork_section
from interpositive.review.pictures import embed_shot
from interpositive.review.report import header_section, shot_section
from interpositive.review.shot_payload import shot_curves, shot_payload
from interpositive.review.subjects import Subject, read_subject

PICTURE_BUDGET_BYTES = 34_000_000
PICTURE_AND_CURVE_BUDGET_BYTES = 37_000_000
_MARK = "<!-- interpositive review page -->"


def write_review(folder: Path, output: Path | None = None) -> Path:
    """Write the review page of a run, a delivery or an evaluation, and return its path.

    The page is ``review.html`` in the folder; a delivery is sealed, so its
    page lies beside it as ``<delivery>.review.html``. A delivery is verified
    before anything is shown. The page stays below 40 MB: long or large shots
    are shown in part, and the page says which part.

    Raises ``IntegrityError`` for a delivery that is not as its manifest says,
    ``RunFolderError`` for a folder without measures, ``MediaError`` for
    pictures that cannot be read, and ``StorageError`` for an ``output`` inside
    the delivery, over another file, or on a disk that refuses it.
    """
    folder = Path(folder)
    subject = read_subject(folder)
    path = _checked_output(subject, output)
    write_file_whole(path, render_page(subject))
    return path


def render_page(subject: Subject) -> str:
    """The whole page as HTML text; the same folder gives the same text."""
    shots = subject.measures.shots
    sections, blocks = [], []
    curves = [shot_curves(subject, shot) for shot in shots]
    room = PICTURE_AND_CURVE_BUDGET_BYTES - len(json_block("curves", curves))
    for number, shot in enumerate(shots):
        pictures = embed_shot(subject, shot, max(0, min(PICTURE_BUDGET_BYTES, room)) // len(shots))
        sections.append(shot_section(subject, shot, pictures, number))
        blocks.append(json_block(f"shot-data-{number}", shot_payload(subject, shot, pictures, curves[number])))
    style = _template("page.css")
    script = "\n".join(_template(f"{name}.js") for name in ("pictures", "player", "curves", "chooser", "strip", "page"))
    return Template(_template("page.html")).substitute(
        mark=_MARK,
        policy=(
            "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"style-src '{_source_digest(style)}'; script-src '{_source_digest(script)}'"
        ),
        title=Html.escaped(subject.title),
        style=style,
        script=script,
        header=header_section(subject),
        shots="\n".join(sections),
        means=means_section(subject.measures),
        learned=learned_section(subject.course),
        paperwork=paperwork_section(subject),
        data="\n".join(blocks),
    )


def _template(name: str) -> str:
    return (files("interpositive.review") / "templates" / name).read_text(encoding="utf-8")


def _source_digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _checked_output(subject: Subject, output: Path | None) -> Path:
    folder = subject.folder.resolve()
    if output is None:
        return folder.parent / f"{folder.name}.review.html" if subject.delivery else folder / "review.html"
    path = Path(output)
    if subject.delivery is not None and path.resolve().is_relative_to(folder):
        raise StorageError(
            f"{path} is inside a delivery, which is sealed",
            expected=f"a path outside {folder}",
            remedy="leave the output out, and the page is written beside the delivery",
        )
    if path.exists() and (path.is_dir() or _MARK.encode() not in path.read_bytes()[:200]):
        raise StorageError(
            f"{path} exists and is not a review page",
            expected="a free path, or an earlier review page to replace",
            remedy="choose another output",
        )
    return path
