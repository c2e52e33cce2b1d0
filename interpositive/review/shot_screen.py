"""What is told of a shot of the cut on one screen: what the list says of it, and where it lies in the dailies."""

from __future__ import annotations

from interpositive.dailies.conforming import ConformedCut
from interpositive.records.shots import Shot
from interpositive.review.screens import Screen


def shot_screen(cut: ConformedCut, name: str) -> Screen:
    """A shot that was found in the dailies or was not; ``CutListError`` if the cut has none of that name."""
    shot, pull = cut.placed(name)
    rows = [
        (
            "what",
            f"shot of {cut.cut_list.title or cut.cut_list.path} ({cut.cut_list.format}), event {shot.event or '-'}",
        ),
        ("source", _source(shot)),
        ("in the cut", _record(shot, cut.cut_list.drop_frame)),
        (
            "speed",
            {"1/1": "as shot", "": "retimed by no constant speed", "0/1": "a freeze"}.get(shot.speed, shot.speed),
        ),
    ]
    for side, transition, frames in (
        ("begins with", shot.transition_in, shot.overlap_in),
        ("ends with", shot.transition_out, shot.overlap_out),
    ):
        rows += [(side, f"{transition}, {frames} frames")] if transition else []
    if shot.cdl is not None:
        rows.append(("grade", f"{shot.cdl.sop_text} {shot.cdl.sat_text}"))
    if pull.take:
        rows += [
            ("take", f"{pull.take}, matched by {pull.matched_by}"),
            (
                "frames",
                f"{pull.first} to {pull.end - 1} of the take, with handles of {' and '.join(map(str, pull.handles))}",
            ),
        ]
    else:
        rows.append((pull.status, pull.reason))
    return Screen(f"{shot.name} — {cut.cut_list.path}", [*rows, *(("note", note) for note in shot.notes)])


def _source(shot: Shot) -> str:
    if shot.source is None:
        return "the list names no frames"
    first, end = shot.source.timecodes(bool(shot.source_drop_frame))
    return f"{first} to {end} of reel {shot.reel or '(none named)'}, {shot.source.num_frames} frames"


def _record(shot: Shot, drop_frame: bool) -> str:
    if shot.record is None:
        return "a list of takes has no cut"
    first, end = shot.record.timecodes(drop_frame)
    return f"{first} to {end}, {shot.record.num_frames} frames"
