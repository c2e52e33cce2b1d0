"""Whether the takes and masks of a production can be learned from, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.errors import CatalogueError, IntegrityError, MaskError, MediaError
from interpositive.media.opening import open_reader
from interpositive.media.sequence_reader import list_frames
from interpositive.records.training_estimate import DataCheck

_MOST_DECODED = 12


def look_over(dailies: ProductionDataModule, catalogue_path: Path, production: str) -> DataCheck:
    """Look at every take that training would read, and at every mask.

    ``CatalogueError`` if no take teaches; ``MediaError``, ``IntegrityError`` or ``MaskError`` for the first take or
    mask that is gone, damaged, or not as long as it was.
    """
    by_split = {split: dailies.takes_of(split) for split in ("train", "val")}
    if not by_split["train"]:
        raise CatalogueError(
            "no take is in the train split",
            found=f"{len(dailies.takes)} takes",
            remedy="ingest more takes, or change the split rule",
        )
    # Without a val split, the takes that teach judge as well.
    takes = {take.name: take for split in by_split.values() for take in split}
    with Catalogue(catalogue_path) as catalogue:
        num_bytes = sum(_refuse_other_size(take, catalogue) for take in takes.values())
    decoded = _spread(list(takes.values()))
    for take in decoded:
        reader = open_take(take)
        try:
            reader.window(0, 1)
        finally:
            reader.close()
    _refuse_short_masks(dailies.damage_paths, takes)
    return DataCheck(
        production=production,
        num_takes={split: len(found) for split, found in by_split.items()},
        num_bytes=num_bytes,
        num_decoded=len(decoded),
        masks=sorted(dailies.damage_paths),
    )


def _refuse_other_size(take: Take, catalogue: Catalogue) -> int:
    path = Path(take.path)
    if not path.exists():
        raise MediaError(f"the footage of {take.name} is gone", found=f"nothing at {path}", remedy="ingest it again")
    files = list_frames(path) if path.is_dir() else [path]
    num_bytes = sum(file.stat().st_size for file in files)
    state = catalogue.file_state(take.path)
    if state is not None and num_bytes != state.num_bytes:
        raise IntegrityError(
            f"{path} is not the take that was ingested",
            found=f"{num_bytes:,} bytes",
            expected=f"{state.num_bytes:,} bytes",
            remedy="restore the footage from its source, or ingest it anew",
        )
    return num_bytes


def _refuse_short_masks(damage_paths: Mapping[str, str], takes: Mapping[str, Take]) -> None:
    for name, path in damage_paths.items():
        reader = open_reader(Path(path))
        try:
            if name in takes and len(reader) < takes[name].num_frames:
                raise MaskError(
                    f"{path} is shorter than the take it belongs to",
                    found=f"{len(reader)} frames",
                    expected=f"{takes[name].num_frames} frames",
                )
        finally:
            reader.close()


def _spread(takes: Sequence[Take]) -> list[Take]:
    count = min(_MOST_DECODED, len(takes))
    return [takes[index * len(takes) // count] for index in range(count)]
