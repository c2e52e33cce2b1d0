"""ASC CDL files: ``.cc``, ``.ccc`` and ``.cdl``, read through OpenColorIO."""

from __future__ import annotations

from pathlib import Path

import PyOpenColorIO as ocio

from interpositive.errors import ColourError
from interpositive.media.encodings import listening_to_ocio
from interpositive.records.cdl import Cdl

CDL_EXTENSIONS = frozenset({".cc", ".ccc", ".cdl"})
_MOST_BYTES = 16 << 20


def read_cdls(path: Path) -> tuple[Cdl, ...]:
    """Every grade of a CDL file, in its order. ``ColourError`` for what is no CDL file or not a legal grade.

    A file whose numbers stand in elements that the standard does not have is refused: reading
    around them would leave out half of the grade.
    """
    if path.suffix.lower() not in CDL_EXTENSIONS or not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise ColourError(
            f"{path} is no ASC CDL file",
            found=f"{path.stat().st_size} bytes" if path.is_file() else "no file",
            expected=f"a small {', '.join(sorted(CDL_EXTENSIONS))} file",
        )
    with listening_to_ocio() as warnings:
        try:
            # The file cache would give an edited file's old grade.
            ocio.ClearAllCaches()
            transforms = list(ocio.CDLTransform.CreateGroupFromFile(str(path)))
        except (ocio.Exception, UnicodeDecodeError) as error:
            raise ColourError(f"{path} cannot be read as ASC CDL", found=str(error).strip()) from error
    overlooked = [line for line in warnings if "parent is 'ColorCorrection'" in line]
    if overlooked:
        raise ColourError(
            f"{path} has part of its grade where no reader looks for it",
            found=overlooked[0].split(": ", 1)[-1],
            expected="SOPNode with Slope, Offset and Power, SatNode with Saturation",
            remedy="export the grade again",
        )
    return tuple(_grade(transform) for transform in transforms)


def read_cdl(path: Path, id: str = "") -> Cdl:
    """The grade of this id, or a file's only one; ``ColourError`` where that does not say which."""
    grades = [cdl for cdl in read_cdls(path) if id in ("", cdl.id)]
    if len(grades) != 1:
        known = ", ".join(cdl.id or "(no id)" for cdl in read_cdls(path))
        raise ColourError(
            f"{path} does not say which grade is meant",
            found=f"{len(grades)} grades" + (f" with id {id}" if id else ""),
            expected=f"the id of one of: {known}",
        )
    return grades[0]


def _grade(transform: ocio.CDLTransform) -> Cdl:
    sop = transform.getSOP()
    return Cdl(
        slope=tuple(sop[:3]),
        offset=tuple(sop[3:6]),
        power=tuple(sop[6:]),
        saturation=transform.getSat(),
        id=transform.getID(),
        description=transform.getFirstSOPDescription(),
    )
