"""What performers wear: looks, and the pieces of a dressed figure in painting order."""

from __future__ import annotations

import numpy as np

from interpositive.soundstage.cloth import Piece, Vector, cut_piece
from interpositive.soundstage.performers import Performer
from interpositive.soundstage.spec import stream
from interpositive.soundstage.textures import Colour

LOOKS: dict[str, dict[str, Colour]] = {
    "coat": {
        "top": (0.16, 0.10, 0.06),
        "legs": (0.05, 0.055, 0.075),
        "hair": (0.05, 0.03, 0.02),
        "shoe": (0.03, 0.02, 0.02),
    },
    "red_jacket": {
        "top": (0.36, 0.045, 0.035),
        "legs": (0.06, 0.09, 0.16),
        "hair": (0.16, 0.09, 0.04),
        "shoe": (0.25, 0.24, 0.22),
    },
    "worker": {
        "top": (0.08, 0.13, 0.24),
        "legs": (0.07, 0.10, 0.18),
        "hair": (0.42, 0.30, 0.06),
        "shoe": (0.07, 0.05, 0.03),
    },
    "pale_shirt": {
        "top": (0.52, 0.50, 0.45),
        "legs": (0.10, 0.085, 0.07),
        "hair": (0.03, 0.025, 0.02),
        "shoe": (0.06, 0.03, 0.02),
    },
    "dark_suit": {
        "top": (0.028, 0.03, 0.04),
        "legs": (0.022, 0.023, 0.03),
        "hair": (0.03, 0.02, 0.015),
        "shoe": (0.02, 0.015, 0.01),
    },
    "ochre_parka": {
        "top": (0.42, 0.24, 0.055),
        "legs": (0.035, 0.035, 0.04),
        "hair": (0.22, 0.16, 0.10),
        "shoe": (0.14, 0.09, 0.05),
    },
}


SKIN: Colour = (0.40, 0.24, 0.17)


def dress(performer: Performer, density: float, seed: int, blur_texels: float = 0.0) -> list[Piece]:
    """All pieces of a performer in the order they are painted, far side first; ``blur_texels`` is its
    defocus.
    """
    look, size = LOOKS[performer.look], performer.tall / 1.75
    back = performer.view == "back"
    counter = iter(range(100))

    def cut(
        name: str,
        ends: tuple[str, str],
        metres: float,
        radii: tuple[float, float],
        colour: Colour,
        gain: float = 1.0,
        overshoot: tuple[float, float] = (0.0, 0.0),
        folds: float = 1.0,
        flat: float = 0.0,
        pattern: float = 0.0,
    ) -> Piece:
        rng = stream(seed, performer.name, performer.look, name, next(counter))
        return cut_piece(
            rng,
            name,
            ends,
            metres * size,
            (radii[0] * size, radii[1] * size),
            colour,
            density,
            gain=gain,
            overshoot=overshoot,
            folds=folds,
            flat=flat,
            pattern=pattern,
            edge=1.3 + 2 * blur_texels,
        )

    top, legs, hair, shoe = look["top"], look["legs"], look["hair"], look["shoe"]
    checked = 0.22 if performer.look == "pale_shirt" else 0.0

    def arm(side: str, gain: float) -> list[Piece]:
        return [
            cut(
                f"{side} hand",
                (f"{side}_elbow", f"{side}_hand"),
                0.05,
                (0.035, 0.042),
                SKIN,
                gain,
                (-0.9, 0.14),
                0.2,
            ),
            cut(
                f"{side} upper arm",
                (f"{side}_shoulder", f"{side}_elbow"),
                0.30,
                (0.068, 0.052),
                top,
                gain,
                pattern=checked,
            ),
            cut(
                f"{side} forearm",
                (f"{side}_elbow", f"{side}_hand"),
                0.27,
                (0.053, 0.041),
                top,
                gain,
                (0, -0.06),
                pattern=checked,
            ),
        ]

    def leg(side: str, gain: float) -> list[Piece]:
        return [
            cut(
                f"{side} shoe",
                (f"{side}_ankle", f"{side}_toe"),
                0.16,
                (0.052, 0.036),
                shoe,
                gain,
                (0.1, 0.0),
                0.3,
            ),
            cut(f"{side} shin", (f"{side}_knee", f"{side}_ankle"), 0.42, (0.068, 0.050), legs, gain, (0, 0.02)),
            cut(f"{side} thigh", (f"{side}_hip", f"{side}_knee"), 0.44, (0.098, 0.070), legs, gain),
        ]

    shoulders = (0.10, 0.135) if not back else (0.14, 0.175)
    torso = cut("torso", ("left_hip", "neck"), 0.42, shoulders, top, overshoot=(0.0, -0.2), flat=0.25, pattern=checked)
    torso = _between(torso, "middle_hip", "neck")
    skirt = [
        cut(
            "skirt",
            ("middle_hip", "skirt_hem"),
            0.34,
            (shoulders[0] * 0.97, shoulders[0] * 1.22),
            top,
            flat=0.2,
            folds=1.6,
        )
    ]
    skirt = skirt if performer.look in ("coat", "ochre_parka") else []
    neck = cut("throat", ("neck", "head"), 0.10, (0.055, 0.05), SKIN, overshoot=(0.1, -0.4), folds=0.1)
    head = _hairline(
        cut("head", ("neck", "head"), 0.085, (0.084, 0.104), SKIN, overshoot=(-0.74, 0.26), folds=0.15),
        hair,
        back,
    )
    if back:
        pieces = [
            *leg("left", 1.0),
            *leg("right", 1.0),
            neck,
            *skirt,
            torso,
            head,
            *arm("left", 1.0),
            *arm("right", 1.0),
        ]
    else:
        pieces = [
            *arm("left", 0.7),
            *leg("left", 0.72),
            *leg("right", 1.0),
            neck,
            *skirt,
            torso,
            head,
            *arm("right", 1.0),
        ]
    return pieces


def with_virtual_joints(performer: Performer, time: float) -> dict[str, Vector]:
    """The joints plus the points that cloth alone hangs on: middle of the hips and hem of the coat."""
    joints = performer.joints(time)
    middle = (joints["left_hip"] + joints["right_hip"]) / 2
    knees = (joints["left_knee"] + joints["right_knee"]) / 2
    hem = middle + (knees - middle) * np.array([0.55, 0.80])
    return {**joints, "middle_hip": middle, "skirt_hem": hem}


def _between(piece: Piece, first: str, last: str) -> Piece:
    return Piece(**{**piece.__dict__, "ends": (first, last)})


def _hairline(piece: Piece, hair: Colour, back: bool) -> Piece:
    """Cover the skull with hair: all of it seen from behind, all but the face from the side."""
    height, width = piece.alpha.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    up, ahead = (y - height / 2) / height, (x - (width - 1) / 2) / width
    bare = 0.0 if back else np.clip((ahead * 1.5 - up * 0.9 - 0.05) * 14, 0, 1)
    bare = np.broadcast_to(np.asarray(bare, np.float32), (height, width))[..., None]
    gloss = np.exp(0.25 * np.sin(x * 2.1 + y * 0.4))[..., None].astype(np.float32)
    albedo = piece.albedo * bare + np.asarray(hair, np.float32) * gloss * (1 - bare)
    return Piece(**{**piece.__dict__, "albedo": albedo.astype(np.float32), "mirrors": True})
