"""What the page's script is told of a shot: pictures, frame numbers, curves."""

from __future__ import annotations

from interpositive.records.measures import MetricInfo, ShotMeasures
from interpositive.review.encoding import BLOCK_PX
from interpositive.review.pictures import ShotPictures, frame_timecode
from interpositive.review.subjects import Subject
from interpositive.review.verdicts import methods_of

_OF_TIME = ("flicker", "warp", "luma")
_TRACK_ORDER = ("plate", "result", "target")


def role_label(role: str, shot: ShotMeasures) -> str:
    """A picture's role in words that a supervisor uses."""
    if role == "result":
        return f"Result ({shot.chosen_method})" if shot.chosen_method else "Result"
    return {"plate": "Plate", "target": "Clean plate (truth)"}.get(role, role)


def shot_payload(subject: Subject, shot: ShotMeasures, pictures: ShotPictures) -> dict[str, object]:
    """Everything the player and the curves of one shot need, as JSON values."""
    place = {role: order for order, role in enumerate(_TRACK_ORDER)}
    roles = sorted(pictures.tracks, key=lambda role: place.get(role, len(place)))
    return {
        "name": shot.name,
        "width": pictures.width,
        "height": pictures.height,
        "rate": shot.rate,
        "firstFrame": shot.first_frame,
        "numFrames": shot.num_frames,
        "frames": pictures.frames,
        "timecodes": [frame_timecode(shot, frame) for frame in pictures.frames],
        "playable": list(pictures.playable),
        "block": BLOCK_PX,
        "tracks": [
            {
                "role": role,
                "label": role_label(role, shot),
                "pictures": [patch.jpeg for patch in pictures.tracks[role]],
                "runs": [patch.runs for patch in pictures.tracks[role]],
            }
            for role in roles
        ],
        "matte": pictures.matte,
        "centres": pictures.centres,
        "worst": shot.worst_frames,
        "curves": _metric_curves(subject, shot) + _account_curve(subject, shot),
    }


def _metric_curves(subject: Subject, shot: ShotMeasures) -> list[dict[str, object]]:
    """One entry for each metric that has a curve, those of change over time first."""
    told = {metric.name: metric for metric in subject.measures.metrics}
    methods = [*methods_of(shot), *(method for method in shot.curves if method not in shot.values)]
    names = dict.fromkeys(name for method in methods for name in shot.curves.get(method, {}))
    ordered = sorted(names, key=lambda name: not any(word in name.lower() for word in _OF_TIME))
    return [
        {
            **_axis(told.get(name), name),
            "lines": [
                {"label": method, "chosen": method == shot.chosen_method, "values": shot.curves[method][name]}
                for method in methods
                if name in shot.curves.get(method, {})
            ],
        }
        for name in ordered
    ]


def _axis(metric: MetricInfo | None, name: str) -> dict[str, object]:
    if metric is None:
        return {"name": name, "unit": "", "direction": "", "meaning": ""}
    return {
        "name": name,
        "unit": metric.unit,
        "direction": f"{metric.direction} is better",
        "meaning": metric.meaning,
    }


def _account_curve(subject: Subject, shot: ShotMeasures) -> list[dict[str, object]]:
    frames = subject.delivery.frames if subject.delivery else []
    if [entry.frame for entry in frames] != list(range(shot.first_frame, shot.first_frame + shot.num_frames)):
        return []
    return [
        {
            "name": "altered pixels",
            "unit": "pixels",
            "direction": "",
            "meaning": "Pixels of the delivered frames that differ from the plate, beside the mask's size.",
            "lines": [
                {"label": "altered", "chosen": True, "values": [entry.altered_pixels for entry in frames]},
                {"label": "mask", "chosen": False, "values": [entry.mask_pixels for entry in frames]},
            ],
        }
    ]
