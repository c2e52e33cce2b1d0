"""Every bar, in the order of the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from bars import (
    CLASSICAL,
    FLOWS,
    UNET,
    Bar,
    Costs,
    Measured,
    Shots,
    cost,
    gain,
    labelled,
    over_shots,
    real,
    stage,
    summary,
    value,
    worst_gain,
)
from boards import ON_PERFORMERS, OTHER_TAKE

from interpositive.tasks.flicker import DRAWS

HOLE, WARP, CHOSEN = "psnr_hole", "e_warp_rel_dis_hole", "chosen"
EQUALISERS = ("mean_variance", "histogram_track")


def rig(name: str, label: str = "") -> Callable[[Shots], Shots]:
    """The soundstage's shots by one kind of camera, under one kind of damage."""
    return lambda shots: stage(labelled(shots, label) if label else as_learned(shots), name)


def on_location(shots: Shots) -> Shots:
    """Shots of real footage, by themselves."""
    return real(as_learned(shots))


def kind(name: str) -> Callable[[Shots], Shots]:
    """Shots under one kind of damage."""
    return lambda shots: labelled(shots, name)


def every(shots: Shots) -> Shots:
    """All of them."""
    return shots


def as_learned(shots: Shots) -> Shots:
    """Shots that are judged under the damage that is learned from, and to which no other take lends anything."""
    return [shot for shot in shots if not shot.name.endswith((f"_{OTHER_TAKE}", f"_{ON_PERFORMERS}"))]


def flickering(shots: Shots) -> Shots:
    """Shots that flicker was put on."""
    return [shot for shot in shots if not shot.name.endswith("_steady")]


def left_ahead(shots: Shots, costs: Costs) -> Measured:
    """The kind on which the delivered result leaves least less than the better equaliser does, as shares of that."""
    del costs
    ratios = []
    for name in DRAWS:
        of_kind = labelled(shots, name)
        if of_kind:
            found = np.mean([np.log(value(s, CHOSEN, "gain_left")) for s in of_kind])
            other = min(np.mean([np.log(value(s, m, "gain_left")) for s in of_kind]) for m in EQUALISERS)
            ratios.append(float(np.exp(found - other)))
    return over_shots(ratios, max)


def loss_on_steady(shots: Shots, costs: Costs) -> Measured:
    """Decibels that a steady shot at 40 dB (grain of 1/100) would lose by what was changed of it, at worst."""
    del costs
    changed = [10 ** (-value(s, CHOSEN, "psnr") / 10) for s in labelled(shots, "steady")]
    return over_shots([10 * float(np.log10(1 + c / 1e-4)) for c in changed], max)


def sharpness_off(shots: Shots, costs: Costs) -> Measured:
    """How far sharpness is from the truth's, at worst."""
    del costs
    return over_shots([abs(value(s, CHOSEN, "sharpness") - 1.0) for s in shots], max)


def gradient_gain(shots: Shots, costs: Costs) -> Measured:
    """Share of the gradient error of bidirectional DIS interpolation that is gone, in the middle of gaps."""
    del costs
    pairs = [(value(s, CHOSEN, "gradient_middle"), value(s, "dis_interpolation", "gradient_middle")) for s in shots]
    return over_shots([1.0 - ours / theirs for ours, theirs in pairs])


def jitter(shots: Shots, costs: Costs) -> Measured:
    """The correction's trembling as a share of the shot's own, at worst."""
    del costs
    return over_shots([value(s, CHOSEN, "gain_jitter") / value(s, CHOSEN, "gain_jitter_own") for s in shots], max)


def removal(task: str) -> list[Bar]:
    """What holds for anything that is taken out of the picture."""
    return [
        Bar(
            task,
            "≥ +3 dB over the per-frame U-Net, given the same minutes",
            gain(HOLE, CHOSEN, [UNET], as_learned),
            3.0,
        ),
        Bar(
            task,
            "training ≥ +0.7 dB over the untrained prior, on average",
            gain(HOLE, "trained", ["prior"], as_learned),
            0.7,
            why="most of the gain is the prior's, which copies real pixels; what no frame shows, regression blurs",
        ),
        Bar(
            task,
            "training ≥ +0.7 dB over the untrained prior, another take lends",
            gain(HOLE, "trained", ["prior"], kind(OTHER_TAKE)),
            0.7,
            why="what the take lends is copied by both",
        ),
    ]


def times(task: str, at_540: str = "") -> list[Bar]:
    """Time and memory of the delivered mini-model; why a frame of 540 lines takes longer."""
    return [
        Bar(
            task,
            "≤ 300 s of training at 384 x 216 on two cores",
            cost("train", "two_cores"),
            most=300.0,
            why="half is the finder's: windows, steps, its choice",
        ),
        Bar(
            task,
            "≤ 2 processor s a frame at 540p (1 s on two cores)",
            cost("apply 540", "cpu_seconds"),
            most=2.0,
            why=at_540,
        ),
        Bar(task, "≤ 8 processor s a frame at 1080p (4 s on two cores)", cost("apply 1080", "cpu_seconds"), most=8.0),
        Bar(task, "≤ 3072 MiB at the peak at 1080p", cost("apply 1080", "peak_mib"), most=3072.0),
        Bar(
            task,
            "peak at 1080p ≤ 1.1 of that after half of the frames",
            cost("apply 1080", "growth"),
            most=1.1,
        ),
    ]


BARS: Sequence[Bar] = (
    *(
        Bar(
            "wire_removal",
            f"{name}: ≥ {least:+g} dB over {other}",
            gain(HOLE, CHOSEN, methods, rig("pan", label)),
            least,
            why=why,
        )
        for name, label, why in (
            (
                "pan, wires on performers",
                ON_PERFORMERS,
                "0.56 to 0.89 of the masks show in other frames: without any error there, and else as Telea, it would "
                "be +3.3 to +8.9 dB over Telea (`scripts/study_coverage.py`); the masks' clean margins add to that",
            ),
            (
                "pan, wires on performers, set and frame",
                "",
                "0.26 to 0.53 of the masks show in other frames: without any error there, and else as Telea, it would "
                "be +0.6 to +2.1 dB over Telea (`scripts/study_coverage.py`); the rest is the masks' clean margins and "
                "lines that go on",
            ),
            ("pan, the same, another take lends", OTHER_TAKE, ""),
        )
        for other, methods, least in (("Telea", ["telea"], 5.0), ("the best flow propagation", FLOWS, 2.0))
    ),
    Bar(
        "wire_removal",
        "hand-held: ≥ +0.7 dB over the best classical fill",
        gain(HOLE, CHOSEN, CLASSICAL, rig("hand-held")),
        0.7,
    ),
    Bar(
        "wire_removal",
        "locked-off: never below the best classical fill",
        worst_gain(HOLE, CHOSEN, CLASSICAL, rig("locked-off")),
        0.0,
    ),
    *removal("wire_removal"),
    Bar(
        "wire_removal",
        "hole warp error 0.9 to 1.3 of the clean shot's, on average",
        summary(WARP, CHOSEN, as_learned),
        0.9,
        1.3,
        why="a mean of views has less grain than each of them: steadier than the clean shot on pans (0.6 to 0.8 of "
        "it); a tripod's clean shot has hardly any (27: 1.5)",
    ),
    Bar(
        "wire_removal",
        "real footage: ≥ +1.5 dB over the best classical fill, on average",
        gain(HOLE, CHOSEN, CLASSICAL, on_location),
        1.5,
    ),
    Bar(
        "wire_removal",
        "real footage: never below it by more than 0.1 dB",
        worst_gain(HOLE, CHOSEN, CLASSICAL, on_location),
        -0.1,
    ),
    *(
        Bar(
            "wire_removal",
            f"mask=auto, wires ≥ 1.5 px, {name}: {key} ≥ {least:g}",
            cost(f"finder {where}", key),
            least,
            why="thin wires of which no piece is found at all cannot be followed",
        )
        for where, name in (("stage", "soundstage"), ("real", "drawn over real footage"))
        for key, least in (("recall", 0.9), ("precision", 0.8))
    ),
    *times("wire_removal", "holes are looked at before they are filled, which the untrained fill does without"),
    Bar(
        "plate_cleaning",
        "another take lends: ≥ +5 dB over Telea in holes > 40 px",
        gain(HOLE, CHOSEN, ["telea"], kind(OTHER_TAKE)),
        5.0,
    ),
    *(
        Bar("plate_cleaning", f"blind dust, hairs, scratches, {name}: F1 ≥ 0.85", cost(f"finder {where}", "f1"), 0.85)
        for where, name in (("stage", "soundstage"), ("real", "drawn over real footage"))
    ),
    Bar(
        "plate_cleaning",
        "never below the best classical fill by more than 0.1 dB",
        worst_gain(HOLE, CHOSEN, CLASSICAL, as_learned),
        -0.1,
    ),
    *removal("plate_cleaning"),
    *times("plate_cleaning", "large intrusions are a fifth of the frame: views, flow and bridging over all of it"),
    Bar(
        "deflicker",
        "gain error down by ≥ 90 %: share left, geometric mean",
        summary("gain_left", CHOSEN, flickering, lambda v: float(np.exp(np.mean(np.log(v))))),
        most=0.1,
        why="density drift is kept in part, for it looks like real light; short shots tell it least",
    ),
    Bar(
        "deflicker",
        "ahead of per-frame equalisation on each kind: left as a share of theirs, at worst",
        left_ahead,
        most=1.0,
    ),
    Bar("deflicker", "steady shot: < 0.1 dB lost, at worst", loss_on_steady, most=0.1),
    Bar("deflicker", "sharpness within 2 %, at worst", sharpness_off, most=0.02),
    *times("deflicker"),
    Bar(
        "missing_frames",
        "middle frame ≥ +0.7 dB over bidirectional DIS, over all footage and gaps",
        gain("psnr_middle", CHOSEN, ["dis_interpolation"], every),
        0.7,
    ),
    *(
        Bar(
            "missing_frames",
            f"{gap} missing: middle frame ≥ +0.7 dB over bidirectional DIS",
            gain("psnr_middle", CHOSEN, ["dis_interpolation"], kind(f"gap_{gap}")),
            0.7,
            why="over a single frame DIS is little behind: 0.2 to 0.9 dB",
        )
        for gap in (1, 3, 8)
    ),
    Bar(
        "missing_frames", "gradient error of the middle frame below DIS interpolation's: share gone", gradient_gain, 0.0
    ),
    *times("missing_frames"),
    *(
        Bar(
            "reframing",
            f"0.75 crop on {name}: border ≥ +4 dB over edge extension and Telea",
            gain(HOLE, CHOSEN, ["edge", "telea"], rig("pan", label)),
            4.0,
            why=why,
        )
        for name, label, why in (
            (
                "pans",
                "",
                "0.23 to 0.28 of these borders show in other frames: without any error there, and else as Telea, it "
                "would be +1.2 to +1.4 dB over Telea (`scripts/study_coverage.py`)",
            ),
            ("pans, a wider take lends", OTHER_TAKE, ""),
        )
    ),
    Bar(
        "reframing",
        "everywhere: never below edge extension and Telea",
        worst_gain(HOLE, CHOSEN, ["edge", "telea"], as_learned),
        0.0,
        why="on intel_room_people the choice takes Telea, where an edge extension is 0.09 dB better",
    ),
    *times("reframing"),
    Bar("color_match", "median ΔE00 ≤ 1.5 on known grades", summary("delta_e00", CHOSEN, every, np.median), most=1.5),
    Bar("color_match", "the correction trembles no more than the shot itself, at worst", jitter, most=1.0),
    *times("color_match"),
)
