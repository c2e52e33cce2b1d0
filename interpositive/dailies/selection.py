"""A choice of takes from a catalogue, as long as it may be: rows are read when they are looked at."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from interpositive.dailies.take import Take
from interpositive.dailies.take_rows import COLUMNS, connect_to_read, row_to_take
from interpositive.errors import CatalogueError

_ROWS_AT_A_TIME = 1000
_NUM_KEPT = 4096


class SelectedTakes(Sequence[Take]):
    """Takes chosen from the catalogue at ``catalogue_path`` by their ``ids``, in that order.

    Which takes they are is settled when they are chosen; what they are is read
    when they are looked at: one row for an index, blocks of rows when they are
    gone through. A million takes cost 8 MB. No file is held open, so
    they outlive the :class:`Catalogue` they came from and travel to workers. Raises
    ``CatalogueError`` for a take that has left the catalogue since.
    """

    def __init__(self, catalogue_path: Path, ids: NDArray[np.int64]) -> None:
        self._catalogue_path = catalogue_path
        self._ids = ids
        self._kept: OrderedDict[int, Take] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Take: ...
    @overload
    def __getitem__(self, index: slice) -> SelectedTakes: ...
    def __getitem__(self, index: int | slice) -> Take | SelectedTakes:
        """One take, or the takes of a slice."""
        if isinstance(index, slice):
            return SelectedTakes(self._catalogue_path, self._ids[index])
        number = int(self._ids[index])
        take = self._kept.get(number) or row_to_take(self._rows(COLUMNS, [number])[0], self._catalogue_path)
        self._kept[number] = take
        self._kept.move_to_end(number)
        if len(self._kept) > _NUM_KEPT:
            self._kept.popitem(last=False)
        return take

    def __iter__(self) -> Iterator[Take]:
        return (row_to_take(row, self._catalogue_path) for row in self.columns(*COLUMNS))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def columns(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """These fields of every take and slate, in order, without making takes of them."""
        for first in range(0, len(self._ids), _ROWS_AT_A_TIME):
            yield from self._rows(names, self._ids[first : first + _ROWS_AT_A_TIME].tolist())

    def pick(self, positions: Sequence[int] | NDArray[np.int64]) -> SelectedTakes:
        """The takes at these positions."""
        return SelectedTakes(self._catalogue_path, self._ids[np.asarray(positions, np.int64)])

    def _rows(self, names: Sequence[str], ids: list[int]) -> list[tuple[Any, ...]]:
        marks = ", ".join("?" * len(ids))
        with closing(connect_to_read(self._catalogue_path)) as connection:
            found = connection.execute(f"SELECT id, {', '.join(names)} FROM takes WHERE id IN ({marks})", ids)
            rows = {row[0]: row[1:] for row in found}
        if len(rows) != len(set(ids)):
            raise CatalogueError(
                f"takes have left {self._catalogue_path} since they were chosen",
                found=f"{len(set(ids)) - len(rows)} takes gone: their footage changed or was removed",
                remedy="start again from the catalogue as it is now",
            )
        return [rows[number] for number in ids]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}


def take_columns(takes: Sequence[Take], *names: str) -> Iterator[tuple[Any, ...]]:
    """Fields of every take and slate, in order: from the catalogue where the takes are a selection of it."""
    if isinstance(takes, SelectedTakes):
        return takes.columns(*names)
    of_slate = {name: name not in Take.model_fields for name in names}
    return (tuple(getattr(take.slate if of_slate[name] else take, name) for name in names) for take in takes)


def pick_takes(takes: Sequence[Take], positions: Sequence[int] | NDArray[np.int64]) -> Sequence[Take]:
    """The takes at these positions, read no sooner than needed where they are a selection of a catalogue."""
    if isinstance(takes, SelectedTakes):
        return takes.pick(positions)
    return [takes[int(position)] for position in positions]
