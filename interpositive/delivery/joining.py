"""Several deliveries and the cut they are for, joined into one conform of the whole cut."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interpositive.delivery.conform_paperwork import ConformEvent, event_of, write_conform
from interpositive.errors import CutListError
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.records.delivery_manifest import read_and_verify
from interpositive.records.publishing import publish_folder
from interpositive.records.shots import CutList, Shot

# A CMX3600 list cuts reels at this many characters.
_CMX_REEL = 8


@dataclass
class JoinedConform:
    """What became of a cut: names of ``replaced`` shots, those that ``stay`` as they were, and notes."""

    replaced: list[str] = field(default_factory=list)
    stay: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def join_deliveries(deliveries: Sequence[Path], cut_list: CutList, output: Path) -> JoinedConform:
    """Write OTIO and EDL of the whole cut into the new folder ``output``, with repaired shots relinked.

    A delivery takes the place of the shot that it was pulled for, or else of every shot whose frames it holds.
    Every delivery is verified first (``IntegrityError``). ``CutListError`` for a delivery that is for no shot of this
    cut, and for two deliveries of one shot.
    """
    places: dict[str, tuple[Path, DeliveredShot]] = {}
    for folder in deliveries:
        delivered = read_and_verify(folder).delivered
        if delivered is None:
            raise CutListError(
                f"{folder} does not say what it replaces", found="a delivery of an earlier version",
                expected="a delivery with conform paperwork", remedy="deliver the shot again",
            )  # fmt: skip
        shots = [shot for shot in cut_list.shots if _is_for(delivered, shot)]
        if not shots:
            raise CutListError(
                f"{folder} is for no shot of {cut_list.title or cut_list.path}",
                found=f"frames {delivered.used.start} to {delivered.used.end} of reel {delivered.used.reel or '-'}",
                expected="the frames of a shot of the cut",
            )
        for shot in shots:
            if shot.name in places:
                raise CutListError(
                    f"two deliveries are for shot {shot.name}", found=f"{places[shot.name][0]} and {folder}",
                    expected="one", remedy="name the one that is to be cut in",
                )  # fmt: skip
            places[shot.name] = (folder, delivered)
    joined = JoinedConform()
    with publish_folder(output) as scratch:
        events = [_event(shot, places.get(shot.name), output) for shot in cut_list.shots]
        joined.notes += write_conform(scratch, cut_list.title or Path(cut_list.path).stem, events, cut_list.drop_frame)
    for shot in cut_list.shots:
        (joined.replaced if shot.name in places else joined.stay).append(shot.name)
    return joined


def _is_for(delivered: DeliveredShot, shot: Shot) -> bool:
    """Whether a delivery holds the shot: by the shot it was pulled for, or else by the frames of its reel.

    The cut may have been written out anew since, with a reel cut short or whole.
    """
    if shot.source is None or shot.needed is None:
        return False
    reels = {shot.reel, delivered.source.reel, delivered.shot.reel if delivered.shot else shot.reel}
    short = min(reels, key=len)
    if len(reels) > 1 and not (len(short) == _CMX_REEL and all(reel.startswith(short) for reel in reels)):
        return False
    pulled = delivered.shot.source if delivered.shot else None
    if pulled is not None and delivered.shot is not None:
        same = (pulled.start, pulled.num_frames, pulled.frame_rate)
        return delivered.shot.name == shot.name and same == (
            shot.source.start,
            shot.source.num_frames,
            shot.source.frame_rate,
        )
    return delivered.has_timecode and delivered.source.model_copy(update={"reel": shot.reel}).contains(shot.needed)


def _event(shot: Shot, place: tuple[Path, DeliveredShot] | None, output: Path) -> ConformEvent:
    if place is None:
        return ConformEvent(shot, bool(shot.source_drop_frame))
    folder, delivered = place
    frames = os.path.relpath(folder.absolute() / "frames", output.absolute())
    return event_of(delivered.model_copy(update={"shot": shot}), frames)
