"""The review page: one file that opens anywhere, offline, and asks nothing of a network."""

from __future__ import annotations

from pathlib import Path

from interpositive.errors import StorageError
from interpositive.records.publishing import write_file_whole
from interpositive.review.elements import json_block
from interpositive.review.intervals import means_section
from interpositive.review.learned import learned_section
from interpositive.review.paperwork import paperwork_section
from interpositive.review.pictures import embed_shot
from interpositive.review.report import header_section, shot_section
from interpositive.review.shell import refuse_page_path, render_shell
from interpositive.review.shot_payload import shot_curves, shot_payload
from interpositive.review.subjects import Subject, read_subject
from interpositive.review.sweeps.page import render_sweep
from interpositive.review.sweeps.subject import is_sweep, read_sweep

PICTURE_BUDGET_BYTES = 34_000_000
PICTURE_AND_CURVE_BUDGET_BYTES = 37_000_000
PAGE_NAME = "review.html"


def write_review(folder: Path, output: Path | None = None) -> Path:
    """Write the review page of a run, a delivery, an evaluation or a sweep, and return its path.

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
    if is_sweep(folder):
        path = folder.resolve() / PAGE_NAME if output is None else Path(output)
        refuse_page_path(path)
        text = render_sweep(read_sweep(folder), path.parent)
    else:
        subject = read_subject(folder)
        path = _checked_output(subject, output)
        text = render_page(subject)
    write_file_whole(path, text)
    return path


def render_page(subject: Subject) -> str:
    """The whole page of a run, a delivery or an evaluation as HTML text; the same folder gives the same text."""
    shots = subject.measures.shots
    sections, blocks = [], []
    curves = [shot_curves(subject, shot) for shot in shots]
    room = PICTURE_AND_CURVE_BUDGET_BYTES - len(json_block("curves", curves))
    for number, shot in enumerate(shots):
        pictures = embed_shot(subject, shot, max(0, min(PICTURE_BUDGET_BYTES, room)) // len(shots))
        sections.append(shot_section(subject, shot, pictures, number))
        blocks.append(json_block(f"shot-data-{number}", shot_payload(subject, shot, pictures, curves[number])))
    around = [means_section(subject.measures), *sections, learned_section(subject.course), paperwork_section(subject)]
    return render_shell(
        subject.title,
        header_section(subject),
        around,
        blocks,
        styles=("page",),
        scripts=("pictures", "player", "curves", "chooser", "strip", "page"),
        absent="The player and the curves need scripts; tables and paperwork below do not.",
    )


def _checked_output(subject: Subject, output: Path | None) -> Path:
    folder = subject.folder.resolve()
    if output is None:
        return folder.parent / f"{folder.name}.review.html" if subject.delivery else folder / PAGE_NAME
    path = Path(output)
    if subject.delivery is not None and path.resolve().is_relative_to(folder):
        raise StorageError(
            f"{path} is inside a delivery, which is sealed",
            expected=f"a path outside {folder}",
            remedy="leave the output out, and the page is written beside the delivery",
        )
    refuse_page_path(path)
    return path
