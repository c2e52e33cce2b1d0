"""Colour files as OpenColorIO reads them: look-up tables, matrices, CLF and CTF, and whole configurations."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import PyOpenColorIO as ocio

from interpositive.errors import ColourError
from interpositive.media.encodings import listening_to_ocio

TABLE_EXTENSIONS = frozenset(
    {".clf", ".ctf", ".cube", ".3dl", ".lut", ".spi1d", ".spi3d", ".spimtx", ".csp", ".hdl", ".mga", ".m3d", ".vf"}
)
CONFIG_EXTENSIONS = frozenset({".ocio", ".ocioz"})
_MOST_BYTES = 256 << 20
_KINDS = {"Lut1D": "1D table", "Lut3D": "3D table", "CDL": "CDL", "FixedFunction": "fixed function"}


@dataclass(frozen=True)
class ColourFile:
    """What a colour file does: the ``steps`` that pixels go through in order, or a configuration's ``spaces``."""

    kind: str
    steps: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_colour_file(path: Path) -> ColourFile:
    """Read a table or a configuration without applying it; ``ColourError`` says what in it cannot be used."""
    if path.stat().st_size > _MOST_BYTES:
        raise ColourError(f"{path.name} is larger than a colour file", expected=f"{_MOST_BYTES} bytes at most")
    if path.suffix.lower() == ".ociom":
        raise ColourError(
            f"{path.name} is a recipe for merging colour configurations, not one itself",
            expected="an .ocio or .ocioz file",
            remedy="merge them with OpenColorIO's own tool and use the result",
        )
    with listening_to_ocio() as warnings:
        read = _read_config(path) if path.suffix.lower() in CONFIG_EXTENSIONS else _read_table(path)
    return replace(read, notes=(*read.notes, *(_plain(line, path) for line in warnings)))


def _read_table(path: Path) -> ColourFile:
    config = ocio.Config.CreateRaw()
    try:
        # The file cache would give an edited file's old content.
        ocio.ClearAllCaches()
        transform = ocio.FileTransform(str(path.absolute()), interpolation=ocio.INTERP_BEST)
        # A group of separate grades is read by its first; a table that is no step at all has none.
        group = config.getProcessor(transform).createGroupTransform()
    except ocio.Exception as error:
        raise ColourError(
            f"{path.name} cannot be read as a colour file",
            found=_in_words(error, path),
            expected="a CLF, CTF, cube or other table that OpenColorIO reads",
            remedy="export it again; for a broken CLF, from the program that wrote it",
        ) from None
    return ColourFile("colour transform", tuple(_step(step) for step in group))


def _step(transform: ocio.Transform) -> str:
    name = type(transform).__name__.removesuffix("Transform")
    if isinstance(transform, ocio.Lut1DTransform):
        return f"1D table of {transform.getLength()}"
    if isinstance(transform, ocio.Lut3DTransform):
        return f"3D table of {transform.getGridSize()}³"
    return _KINDS.get(name, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _read_config(path: Path) -> ColourFile:
    if path.suffix.lower() == ".ocioz":
        _refuse_odd_archive(path)
    try:
        ocio.ClearAllCaches()
        config = ocio.Config.CreateFromFile(str(path.absolute()))
        config.validate()
    except ocio.Exception as error:
        raise ColourError(
            f"{path.name} is no OpenColorIO configuration that can be used",
            found=_in_words(error, path),
            expected="a whole configuration: displays, looks, and the spaces that they name",
            remedy="give the whole configuration with its folder of tables, not a part that is merged into another",
        ) from None
    spaces = tuple(space.getName() for space in config.getColorSpaces())
    version = f"{config.getMajorVersion()}.{config.getMinorVersion()}"
    looks = ", ".join(look.getName() for look in config.getLooks())
    notes = (f"version {version}", *([f"looks: {looks}"] if looks else []))
    return ColourFile("OpenColorIO configuration", spaces=spaces, notes=notes)


def _refuse_odd_archive(path: Path) -> None:
    """An archive that is no ZIP, is a bomb, or names files outside itself."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ColourError(f"{path.name} is no archive of a configuration", found=str(error), expected="a ZIP") from None
    names = [member.filename for member in members]
    outside = [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]
    if outside:
        raise ColourError(f"{path.name} would write outside its folder", found=outside[0])
    if sum(member.file_size for member in members) > _MOST_BYTES:
        raise ColourError(f"{path.name} unpacks to more than a configuration", expected=f"{_MOST_BYTES} bytes at most")
    if "config.ocio" not in names:
        raise ColourError(
            f"{path.name} holds no configuration", found=f"{len(names)} files", expected="config.ocio at its top"
        )


def _plain(warning: str, path: Path) -> str:
    return " ".join(warning.partition("]: ")[2].replace(f"{path.absolute().parent}/", "").split())[:200]


def _in_words(error: ocio.Exception, path: Path) -> str:
    """The library's message without the folders it ran in, in one line."""
    text = " ".join(str(error).split()).replace(str(path.absolute()), path.name)
    text = text.replace(str(path.absolute().parent) + "/", "")
    # Of a table that no format fits, what the format of its extension said is the cause.
    return text.rpartition("failed with: ")[2].removesuffix("'.")[:300]
