"""What the page's script is told of a shot: pictures, frame numbers, curves."""

from __future__ import annotations

from dataclasses import dataclass

from interpositive.records.measures import MetricInfo, ShotMeasures
from interpositive.review.encoding import BLOCK_PX
from interpositive.review.pictures import ShotPictures, frame_timecode
from interpositive.review.subjects import Subject
from interpositive.review.verdicts import AGAINST, RESULT, chosen_of, method_label, methods_of, was_a_choice

_OF_TIME = ("flicker", "warp", "luma")
_TRACK_ORDER = ("plate", "result", "against", "target")
_SHORT_WORDS = {"plate": "plate", "result": "result", "against": "against", "target": "clean"}
_FIRST_CURVES = 4


@dataclass(frozen=True)
class Seats:
    """Roles that are seen first: what was there before, the result, and what it is held against."""

    result: str
    before: str | None
    other: str | None


def role_label(role: str, subject: Subject, shot: ShotMeasures) -> str:
    """A picture's role in words that a supervisor uses."""
    if role == RESULT:
        return f"Result ({shot.chosen_method})" if was_a_choice(shot) else "Result"
    truth = "Clean reference" if subject.evaluation else "Clean plate (truth)"
    return {"plate": "Plate", "target": truth}.get(role, method_label(role))


def seats(pictures: ShotPictures) -> Seats:
    """Which tracks the player and the strip of worst frames start with; there is at least one."""
    roles = _ordered(pictures)
    result = RESULT if RESULT in roles else roles[-1]
    others = [role for role in ("target", "plate", AGAINST) if role in roles and role != result]
    before = next((role for role in ("plate", AGAINST, "target") if role in others), None)
    return Seats(result, before, others[0] if others else None)


def strip_words(pictures: ShotPictures, joint: str = ", ") -> str:
    """What is seen of each worst frame, from left to right."""
    seated = seats(pictures)
    shown = [role for role in (seated.before, seated.result) if role is not None]
    words = [_SHORT_WORDS.get(role, role) for role in shown]
    if seated.other is not None:
        words.append(f"{words[-1]} − {_SHORT_WORDS.get(seated.other, seated.other)} ×8")
    return joint.join(words)


def _ordered(pictures: ShotPictures) -> list[str]:
    place = {role: order for order, role in enumerate(_TRACK_ORDER)}
    return sorted(pictures.tracks, key=lambda role: place.get(role, len(place)))


def _seat_places(pictures: ShotPictures) -> dict[str, int | None]:
    roles = _ordered(pictures)
    if not roles:
        return {}
    seated = seats(pictures)
    told = {"result": seated.result, "before": seated.before, "other": seated.other}
    return {seat: None if role is None else roles.index(role) for seat, role in told.items()}


def shot_curves(subject: Subject, shot: ShotMeasures) -> list[dict[str, object]]:
    """What is drawn frame by frame: the metrics' curves, and a delivery's account of altered pixels."""
    return _metric_curves(subject, shot) + _account_curve(subject, shot)


def shot_payload(
    subject: Subject, shot: ShotMeasures, pictures: ShotPictures, curves: list[dict[str, object]]
) -> dict[str, object]:
    """Everything the player and the curves of one shot need, as JSON values."""
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
                "label": role_label(role, subject, shot),
                "pictures": [patch.jpeg for patch in pictures.tracks[role]],
                "runs": [patch.runs for patch in pictures.tracks[role]],
            }
            for role in _ordered(pictures)
        ],
        "seats": _seat_places(pictures),
        "stripWords": strip_words(pictures, " | ") if pictures.tracks else "",
        "matte": pictures.matte,
        "centres": pictures.centres,
        "worst": shot.worst_frames,
        "curves": curves,
    }


def _metric_curves(subject: Subject, shot: ShotMeasures) -> list[dict[str, object]]:
    """One entry for each metric with a curve that is defined somewhere; ``shown`` are those that are open at first.

    Those are the ones that say so themselves; where they are few, those of change over time too.
    """
    told = {metric.name: metric for metric in [*subject.measures.metrics, *subject.measures.curve_metrics]}
    methods = [*methods_of(shot), *(method for method in shot.curves if method not in shot.values)]
    names = dict.fromkeys(
        name
        for method in methods
        for name, curve in shot.curves.get(method, {}).items()
        if any(value is not None for value in curve)
    )
    infos = [told.get(name) or MetricInfo(name=name, unit="", direction="", meaning="") for name in names]
    order = sorted(infos, key=lambda info: (not info.headline, not any(word in info.name.lower() for word in _OF_TIME)))
    num_shown = max(_FIRST_CURVES, sum(info.headline for info in order))
    shown = {info.name for info in order[:num_shown]}
    return [
        {
            **_axis(info),
            "shown": info.name in shown,
            "lines": [
                {
                    "label": method_label(method),
                    "chosen": method == chosen_of(shot),
                    "values": [_rounded(value) for value in shot.curves[method][info.name]],
                }
                for method in methods
                if info.name in shot.curves.get(method, {})
            ],
        }
        for info in order
    ]


def _rounded(value: float | None) -> float | None:
    """As exact as a drawing needs; a long shot has many curves."""
    return None if value is None else float(f"{value:.6g}")


def _axis(metric: MetricInfo) -> dict[str, object]:
    better = metric.direction in ("higher", "lower")
    return {
        "name": metric.name,
        "unit": metric.unit,
        "direction": f"{metric.direction} is better" if better else "",
        "meaning": metric.meaning,
        "group": metric.group,
    }


def _account_curve(subject: Subject, shot: ShotMeasures) -> list[dict[str, object]]:
    frames = subject.delivery.frames if subject.delivery else []
    if [entry.frame for entry in frames] != list(range(shot.first_frame, shot.first_frame + shot.num_frames)):
        return []
    return [
        {
            "name": "altered pixels",
            "group": "",
            "shown": True,
            "unit": "pixels",
            "direction": "",
            "meaning": "Pixels of the delivered frames that differ from the plate, beside the mask's size.",
            "lines": [
                {"label": "altered", "chosen": True, "values": [entry.altered_pixels for entry in frames]},
                {"label": "mask", "chosen": False, "values": [entry.mask_pixels for entry in frames]},
            ],
        }
    ]
