"""The ignore patterns of ASC MHL, which are those of a ``.gitignore`` file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

DEFAULT_IGNORED = (".DS_Store", "ascmhl", "ascmhl/")
_ANY_DEPTH = "**"


class IgnorePatterns:
    """Tells whether a path relative to the covered folder is left out; the last pattern that matches decides."""

    def __init__(self, patterns: Iterable[str]) -> None:
        stripped = (pattern.strip() for pattern in patterns)
        self._rules = [_rule(pattern) for pattern in stripped if pattern.strip("/!") and not pattern.startswith("#")]

    def match(self, path: str) -> bool:
        """Whether the file at ``path``, or a folder above it, is left out."""
        parts = path.split("/")
        return any(self._left_out(parts[:depth], depth < len(parts)) for depth in range(1, len(parts) + 1))

    def _left_out(self, parts: Sequence[str], is_folder: bool) -> bool:
        matching = [rule for rule in self._rules if (is_folder or not rule.folders_only) and _fits(parts, rule.parts)]
        return bool(matching) and matching[-1].leaves_out


@dataclass(frozen=True)
class _Rule:
    parts: tuple[str, ...]
    leaves_out: bool
    folders_only: bool


def _rule(pattern: str) -> _Rule:
    leaves_out, pattern = not pattern.startswith("!"), pattern.removeprefix("!")
    anchored = "/" in pattern.rstrip("/")
    parts = [part for part in pattern.split("/") if part]
    if not anchored:
        parts.insert(0, _ANY_DEPTH)
    if parts[-1] == _ANY_DEPTH:
        # All that lies inside, at any depth: left out with the first part of its path.
        parts[-1] = "*"
    return _Rule(tuple(parts), leaves_out, pattern.endswith("/"))


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    # All places of the pattern at once, so that no pattern of a stranger takes long.
    places = _with_skips({0}, pattern)
    for part in parts:
        met = {place for place in places if place < len(pattern)}
        stay = {place for place in met if pattern[place] == _ANY_DEPTH}
        places = _with_skips(stay | {p + 1 for p in met - stay if fnmatchcase(part, pattern[p])}, pattern)
    return len(pattern) in places


def _with_skips(places: set[int], pattern: Sequence[str]) -> set[int]:
    reached, fresh = set(places), set(places)
    while fresh:
        fresh = {p + 1 for p in fresh if p < len(pattern) and pattern[p] == _ANY_DEPTH} - reached
        reached |= fresh
    return reached
