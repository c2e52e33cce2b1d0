"""What the production says of its footage, where files do not say it or say it wrongly: encoding, layer, rate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TypeVar

from interpositive.dailies.take import NAMED, Take
from interpositive.media.encodings import find_encoding
from interpositive.records.identity import exact_rate

Value = TypeVar("Value")


@dataclass(frozen=True)
class Reading:
    """How a frame sequence is to be read: which of its pictures, at how many frames a second; else as it says."""

    layer: str = ""
    rate: Fraction | None = None


@dataclass(frozen=True)
class FootageRules:
    """Values by a pattern on a take's name, ``scene/take``, reel or path; of each kind the first that matches counts.

    ``encodings`` overrule a file's tags: cameras that record log often tag it as BT.709. ``layers`` say which
    picture of an EXR is meant. ``rates`` (frames a second, as ``25`` or ``24000/1001``) are for frame sequences,
    over their headers; a movie keeps its own. ``ColourError`` for an encoding that is not known, ``TimecodeError``
    for what is no rate.
    """

    encodings: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for encoding in self.encodings.values():
            find_encoding(encoding)
        for rate in self.rates.values():
            exact_rate(rate)

    def reading(self, words: Collection[str]) -> Reading:
        """How a sequence that goes by these ``words`` is to be read."""
        rate = _first(self.rates, words)
        return Reading(_first(self.layers, words) or "", None if rate is None else exact_rate(rate))

    def encoded(self, take: Take) -> tuple[Take, list[str]]:
        """The take with the encoding that is named for it, and where that is not what its file says."""
        encoding = _first(self.encodings, words_of(take))
        if encoding is None:
            return take, []
        name = find_encoding(encoding).name
        notes = []
        if take.encoding not in ("", name):
            notes.append(f"counts as {name} by the production, as {take.encoding} by its file")
        return take.model_copy(update={"encoding": name, "encoding_source": NAMED}), notes

    def idle_notes(self, take: Take) -> list[str]:
        """What is named for a movie although only frame sequences leave it open."""
        if take.kind != "movie":
            return []
        wanted, notes = self.reading(words_of(take)), []
        if wanted.layer:
            notes.append(f"a movie has one picture: layer {wanted.layer} of the production is not looked for")
        if wanted.rate not in (None, take.frame_rate):
            notes.append(
                f"a movie keeps its own {take.frame_rate} frames per second, not {wanted.rate} of the production"
            )
        return notes


def words_of(take: Take) -> tuple[str, ...]:
    """What a take goes by in the patterns of a production."""
    return (take.name, take.slate.setup, take.reel or "", take.path)


def _first(named: Mapping[str, Value], words: Collection[str]) -> Value | None:
    matching = (value for pattern, value in named.items() if any(fnmatchcase(word, pattern) for word in words))
    return next(matching, None)
