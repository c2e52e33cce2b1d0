"""Shots as the edit names them: which frames of which reel are seen, how fast, and where in the cut."""

from __future__ import annotations

from fractions import Fraction

from pydantic import Field

from interpositive.records.base import Record
from interpositive.records.cdl import Cdl
from interpositive.records.identity import FrameRange

CMX_REEL_LENGTH = 8
"""Where a CMX3600 list cuts the names of reels; some systems put a dot last."""


class Shot(Record):
    """One continuous run between two cuts.

    ``source`` are the frames of the reel that the cut shows, None where the list names none; a reel's name
    is kept whole, and is empty where the list has none (``AX``). ``media_names`` are all other names the list
    gives the footage, the likeliest first; nothing they point to is ever opened. ``media_start`` is the
    number of the media's own first frame where the list says it. ``record`` is the place in the cut; None in
    a list of takes.

    ``source_drop_frame`` says how the list's timecode counts the source; None where it counts frames.

    ``speed`` is exact text, frames of the source for a frame of the cut: ``"1/1"`` as shot, ``"-1/1"``
    backwards, ``"0/1"`` a freeze; empty where the retime is no constant speed. ``overlap_in`` and
    ``overlap_out`` are frames of the cut seen before and after ``record`` under the ``transition_in`` and
    ``transition_out`` of these names.
    """

    name: str
    sequence: str = ""
    track: str = ""
    event: str = ""
    media_names: list[str] = Field(default_factory=list)
    source: FrameRange | None
    source_drop_frame: bool | None = None
    media_start: int | None = None
    record: FrameRange | None = None
    speed: str = "1/1"
    transition_in: str = ""
    transition_out: str = ""
    overlap_in: int = 0
    overlap_out: int = 0
    cdl: Cdl | None = None
    notes: list[str] = Field(default_factory=list)

    @property
    def reel(self) -> str:
        """The source reel; empty where the list names none."""
        return self.source.reel if self.source else ""

    @property
    def speed_ratio(self) -> Fraction | None:
        """Frames of the source for a frame of the cut; None where it is no constant."""
        return Fraction(self.speed) if self.speed else None

    @property
    def needed(self) -> FrameRange | None:
        """The frames of the source that are seen, those under transitions too."""
        if self.source is None:
            return None
        speed = self.speed_ratio if self.speed_ratio is not None else Fraction(1)
        first, last = (self.overlap_in, self.overlap_out) if speed >= 0 else (self.overlap_out, self.overlap_in)
        return self.source.widened(_ceil(first * abs(speed)), _ceil(last * abs(speed)))


class LeftOut(Record):
    """Something in the list that is no shot of a picture, and why."""

    name: str
    track: str = ""
    reason: str


class CutList(Record):
    """A cut as shots in the order of the list, and all that was left out of them.

    ``rate`` and ``drop_frame`` count the cut itself; ``rate`` is empty for a list of takes.
    """

    schema_version: int = 1
    path: str
    format: str
    title: str = ""
    rate: str = ""
    drop_frame: bool = False
    shots: list[Shot]
    left_out: list[LeftOut] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    def shot(self, name: str) -> Shot | None:
        """The shot of that name; None if there is none."""
        return next((shot for shot in self.shots if shot.name == name), None)


def with_unique_names(shots: list[Shot]) -> list[Shot]:
    """The same shots, the second of a name called ``name_2`` and so on."""
    taken: set[str] = set()
    named = []
    for shot in shots:
        name, count = shot.name, 1
        while name in taken:
            count += 1
            name = f"{shot.name}_{count}"
        taken.add(name)
        named.append(shot if name == shot.name else shot.model_copy(update={"name": name}))
    return named


def _ceil(number: Fraction) -> int:
    return -(-number.numerator // number.denominator)
