"""Several deliveries and the cut they are for, joined into one conform of the whole cut."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from interpositive.delivery.conform_paperwork import ConformEvent, event_of, write_conform
from interpositive.errors import CutListError
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.records.delivery_manifest import read_and_verify
from interpositive.records.publishing import publish_folder
from interpositive.records.shots import CMX_REEL_LENGTH, CutList, Shot


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
        shots = [shot for shot in cut_list.shots if is_for(delivered, shot)]
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


def is_for(delivered: DeliveredShot, shot: Shot) -> bool:
    """Whether a delivery holds the shot: by the shot it was pulled for, or else by the frames of its reel.

    The cut may have been written out anew since, with a reel cut short or whole, or with longer transitions.
    """
    if shot.source is None or shot.needed is None:
        return False
    pulled, held = delivered.shot, delivered.listed.model_copy(update={"reel": shot.reel})
    if pulled is None:
        return (
            delivered.has_timecode
            and (_one_reel(shot.reel, delivered.source.reel) if shot.reel else _is_named(delivered.media, shot))
            and held.contains(held.across_midnight(shot.needed, delivered.drop_frame))
        )
    # What the dailies call the reel may be nothing that a list knows: a file's name, or a reel where it has none.
    return (
        pulled.source is not None
        and pulled.name == shot.name
        and pulled.source == shot.source.model_copy(update={"reel": pulled.reel})
        and any(_one_reel(shot.reel, reel) for reel in (pulled.reel, delivered.source.reel))
        and held.contains(shot.needed)
    )


def _one_reel(one: str, other: str) -> bool:
    short, long = sorted((one.lower(), other.lower()), key=len)
    return short == long or (len(short) == CMX_REEL_LENGTH and long.startswith(short.rstrip(".")))


def _is_named(media: str, shot: Shot) -> bool:
    # Cameras that run on one clock have the same timecode: without a reel only the name tells them apart.
    return Path(media).stem.lower() in {PureWindowsPath(name).stem.lower() for name in shot.media_names}


def _event(shot: Shot, place: tuple[Path, DeliveredShot] | None, output: Path) -> ConformEvent:
    if place is None:
        return ConformEvent(shot, bool(shot.source_drop_frame))
    folder, delivered = place
    return event_of(delivered, os.path.relpath(folder.absolute() / "frames", output.absolute()), shot)
