"""Other takes that may lend a shot pixels: named, or found in the catalogue by slate and by what they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.delivery.plates import Plate
from interpositive.errors import CatalogueError, MediaError
from interpositive.media.contract import FrameReader
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import NATIVE, PlateColour
from interpositive.records.delivery_manifest import LendingTake
from interpositive.records.digests import sha256_of_path
from interpositive.records.identity import rate_text
from interpositive.records.rights import Grant, entitled_to_footage
from interpositive.tasks.laying_out import LaidOut
from interpositive.tasks.other_takes import AskedOfTakes, LentByTakes, OtherTake, looked_at, take_likeness

_MOST_LOOKED_AT = 48
_MOST_FOUND = 3
_Lent = tuple[LendingTake, OtherTake]


@dataclass(frozen=True)
class ProductionFootage:
    """What a production has to lend: its catalogue, its name, and what others granted it."""

    production: str
    catalogue_path: Path | None = None
    grants: Sequence[Grant] = ()

    def take(self, name: str) -> Take | None:
        """The take that a name or a path means; None if there is none."""
        if self.catalogue_path is None or not self.catalogue_path.is_file():
            return None
        with Catalogue(self.catalogue_path) as catalogue:
            if name in catalogue:
                return catalogue.take(name)
            return catalogue.take_at(str(Path(name).resolve()))

    def likely_takes(self, plate: Plate) -> Iterator[Take]:
        """All takes but the shot's own: those of its scene first."""
        if self.catalogue_path is None or not self.catalogue_path.is_file():
            raise CatalogueError(
                "there is no catalogue to find other takes in",
                found=f"takes=auto, {self.catalogue_path or 'no catalogue'}",
                expected="takes named: ask={takes: [<take or path>]}",
            )
        scene = plate.take.slate.scene if plate.take else ""
        with Catalogue(self.catalogue_path) as catalogue:
            alike = catalogue.select(scene=scene) if scene else ()
            others = catalogue.takes()
        seen = {plate.take.name} if plate.take else set()
        for take in (*alike, *others):
            if take.name not in seen:
                seen.add(take.name)
                yield take


def with_other_takes(
    laid_out: LaidOut, plate: Plate, asked: AskedOfTakes, colour: PlateColour, footage: ProductionFootage
) -> LaidOut:
    """The laid-out plate with what other takes lend in its condition; as it was, if none is asked for.

    ``RightsError`` for footage that is not this production's and that nobody granted it, ``MediaError`` for what is not
    there, ``ColourError`` where colours cannot be brought together.
    """
    with ExitStack() as stack:
        opened = [_named(name, asked.of, colour, footage, stack) for name in asked.named]
        note: tuple[str, ...] = ()
        if asked.takes == "auto":
            looked, found = _found(laid_out.plate, plate, colour, footage, {lender.path for lender, _ in opened}, stack)
            names = ", ".join(lender.name for lender, _ in found) or "none"
            note = (f"takes that show the set-up, of {looked} that were looked at: {names}",)
            opened += found
        close = stack.pop_all().close
    lent = LentByTakes(laid_out.plate, colour, [take for _, take in opened])
    return replace(
        laid_out,
        condition=lambda first, last: {**laid_out.condition(first, last), **lent.condition(first, last)},
        notes=(*laid_out.notes, *note),
        lenders=tuple(lender for lender, _ in opened),
        close=close,
    )


def _named(name: str, of: str, colour: PlateColour, footage: ProductionFootage, stack: ExitStack) -> _Lent:
    take = footage.take(name)
    if take is not None:
        return _of_catalogue(take, colour, footage, stack)
    path = Path(name)
    if not path.exists():
        raise MediaError(
            f"there is no {name} to lend pixels",
            found=f"neither a take of {footage.production}'s catalogue nor a path",
            expected="the name of a take, or a movie or folder of frames",
        )
    # Whether it may be used is asked before it is looked at.
    because = entitled_to_footage(name, of, footage.production, footage.grants)
    reader = stack.enter_context(closing(open_reader(path)))
    lender = LendingTake(
        name=path.stem if path.is_file() else path.resolve().name,
        path=str(path),
        sha256=sha256_of_path(path),
        because=because,
        rate=rate_text(reader.info.rate),
        start_timecode=reader.info.start_timecode,
    )
    return lender, OtherTake(lender.name, reader, _their_colour(reader.info.encoding, colour))


def _of_catalogue(take: Take, colour: PlateColour, footage: ProductionFootage, stack: ExitStack) -> _Lent:
    reader = stack.enter_context(closing(open_take(take)))
    because = entitled_to_footage(take.name, footage.production, footage.production, footage.grants)
    lender = LendingTake(
        name=take.name,
        take=take.name,
        path=take.path,
        sha256=take.sha256,
        because=because,
        rate=take.rate,
        start_timecode=take.start_timecode,
    )
    return lender, OtherTake(take.name, reader, _their_colour(take.encoding, colour))


def _found(
    shot: FrameReader,
    plate: Plate,
    colour: PlateColour,
    footage: ProductionFootage,
    known: set[str],
    stack: ExitStack,
) -> tuple[int, list[_Lent]]:
    """How many takes were looked at, and those that show most of what the shot shows, the best first."""
    views = looked_at(shot, colour)
    scored: list[tuple[float, Take]] = []
    looked = 0
    for take in islice(footage.likely_takes(plate), _MOST_LOOKED_AT):
        # What nobody knows the encoding of cannot be brought to that of a mini-model that works in one.
        if take.path in known or (colour.model != NATIVE and not take.encoding):
            continue
        looked += 1
        with ExitStack() as opened:
            _, other = _of_catalogue(take, colour, footage, opened)
            if (likeness := take_likeness(views, other)) > 0.0:
                scored.append((likeness, take))
    scored.sort(key=lambda each: (-each[0], each[1].name))
    return looked, [_of_catalogue(take, colour, footage, stack) for _, take in scored[:_MOST_FOUND]]


def _their_colour(encoding: str, colour: PlateColour) -> PlateColour:
    """How a lending take's codes become the values that the shot's do."""
    return PlateColour(encoding, (encoding and colour.values_encoding) or colour.model)
