"""Plate cleaning: learn to repair dirt, damage and intrusions by drawing them over the production's own frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from interpositive.errors import ConfigError
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.blemishes import (
    Blemish,
    Colour,
    Hair,
    Intrusion,
    Scratch,
    SensorSpot,
    Speck,
    draw_blemishes,
)
from interpositive.tasks.outlines import uneven_outline
from interpositive.tasks.removal import Removal, ends_of
from interpositive.tasks.wires import Points

_KINDS = ("dust", "hair", "scratch", "sensor_spot", "intrusion")
_BOUNDS: Bounds = {
    "num_blemishes": (1, 1000),
    "kinds": (0.0, 1e6),
    "dust_px_at_1080": (0.1, 1080.0),
    "line_px_at_1080": (0.1, 1080.0),
    "spot_px_at_1080": (0.1, 1080.0),
    "intrusion_px_at_1080": (0.1, 1080.0),
    "bright_share": (0.0, 1.0),
    "shadow_share": (0.0, 1.0),
    "gate_hair_share": (0.0, 1.0),
    "mask_margin_px": (0, 1000),
    "object_share": (0.0, 1.0),
}
_NUM_OUTLINE_POINTS = 16
_NUM_CURVE_POINTS = 24


class PlateCleaning(Removal):
    """Dust, hairs, scratches, sensor spots and intrusions such as booms, over clean frames.

    ``kinds`` is their mix, in this order. Sizes are given for 1080 lines and scale with the raster: dust and spots
    across, hairs and scratches wide (``line_px_at_1080``), the tip of a boom across. ``bright_share`` of what lies on
    film is bright (dirt on a negative), ``gate_hair_share`` of the hairs stay in the gate, and ``shadow_share`` of the
    intrusions throw a shadow, which has to go too.
    """

    name = "plate_cleaning"

    def __init__(
        self,
        *,
        num_blemishes: Sequence[int] = (4, 12),
        kinds: Sequence[float] = (0.35, 0.15, 0.2, 0.1, 0.2),
        dust_px_at_1080: Sequence[float] = (4.0, 60.0),
        line_px_at_1080: Sequence[float] = (1.5, 8.0),
        spot_px_at_1080: Sequence[float] = (12.0, 60.0),
        intrusion_px_at_1080: Sequence[float] = (40.0, 160.0),
        bright_share: float = 0.5,
        shadow_share: float = 0.5,
        gate_hair_share: float = 0.3,
        mask_margin_px: Sequence[int] = (1, 2),
        object_share: float = 0.5,
    ) -> None:
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "task")
        if len(kinds) != len(_KINDS) or sum(kinds) <= 0:
            raise ConfigError("kinds needs a share for each of " + ", ".join(_KINDS), found=list(kinds))
        if not num_blemishes[0] <= num_blemishes[1]:
            raise ConfigError("num_blemishes is a range from few to many", found=list(num_blemishes))
        self.num_blemishes = (int(num_blemishes[0]), int(num_blemishes[1]))
        self.kinds = np.asarray(kinds, np.float64) / sum(kinds)
        self.dust_px_at_1080 = ends_of(dust_px_at_1080)
        self.line_px_at_1080 = ends_of(line_px_at_1080)
        self.spot_px_at_1080 = ends_of(spot_px_at_1080)
        self.intrusion_px_at_1080 = ends_of(intrusion_px_at_1080)
        self.bright_share = bright_share
        self.shadow_share = shadow_share
        self.gate_hair_share = gate_hair_share
        self.mask_margin_px = (int(mask_margin_px[0]), int(mask_margin_px[1]))
        self.object_share = object_share

    def draw_over(
        self, clean: NDArray[np.float32], random: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Blemishes in the window; those of one frame fall anywhere in it."""
        return draw_blemishes(clean, self.random_blemishes(clean.shape[:3], random))

    def random_blemishes(self, shape: tuple[int, int, int], random: np.random.Generator) -> list[Blemish]:
        """Blemishes for a window ``t h w``; every kind with its own size, shade and course."""
        makers: Sequence[Callable[[tuple[int, int, int], np.random.Generator], Blemish]] = (
            self._speck,
            self._hair,
            self._scratch,
            self._sensor_spot,
            self._intrusion,
        )
        num = int(random.integers(self.num_blemishes[0], self.num_blemishes[1] + 1))
        kinds = random.choice(len(_KINDS), size=num, p=self.kinds)
        blemishes: list[Blemish] = []
        for kind in kinds:
            # What lasts one frame has to fall on many of them to be as frequent as what stays.
            num_alike = shape[0] if _KINDS[int(kind)] in ("dust", "hair") else 1
            blemishes += [makers[int(kind)](shape, random) for _ in range(num_alike)]
        return blemishes

    def _speck(self, shape: tuple[int, int, int], random: np.random.Generator) -> Speck:
        num_frames, height, width = shape
        radius = 0.5 * _between(random, self.dust_px_at_1080) * height / 1080.0
        turned = uneven_outline(random, max(0.4, radius), _NUM_OUTLINE_POINTS, 0.3, (1, 2, 3, 5))
        centre = random.uniform((0.0, 0.0), (width, height))
        outline = (turned + centre).astype(np.float32)
        return Speck(int(random.integers(num_frames)), outline, self._shade(random), float(random.uniform(0.6, 1.0)))

    def _hair(self, shape: tuple[int, int, int], random: np.random.Generator) -> Hair:
        num_frames, height, width = shape
        line = self._line_px(shape, random)
        length = random.uniform(0.05, 0.3) * height
        stays = random.random() < self.gate_hair_share / num_frames
        # A gate holds hairs at its edges.
        start = random.uniform((0.0, 0.0), (width, height)) if not stays else np.array([random.uniform(0, width), 0.0])
        heading = random.uniform(0.0, 2.0 * np.pi) if not stays else random.uniform(0.25, 0.75) * np.pi
        turning = random.uniform(-2.5, 2.5) + np.cumsum(random.normal(0.0, 0.15, _NUM_CURVE_POINTS))
        headings = heading + turning * np.linspace(0.0, 1.0, _NUM_CURVE_POINTS)
        step = length / _NUM_CURVE_POINTS
        curve = start + step * np.cumsum(np.stack((np.cos(headings), np.sin(headings)), -1), 0)
        first = 0 if stays else int(random.integers(num_frames))
        shift = random.normal(0.0, 0.3 if stays else 0.0, (num_frames, 2))
        end = num_frames if stays else first + 1
        opacity = float(random.uniform(0.6, 1.0))
        return Hair(_points(curve), line, first, end, _points(shift), self._shade(random), opacity)

    def _scratch(self, shape: tuple[int, int, int], random: np.random.Generator) -> Scratch:
        num_frames, height, width = shape
        y = np.linspace(-1.0, height, _NUM_CURVE_POINTS)
        drift = np.cumsum(random.normal(0.0, 0.4, num_frames)) + random.uniform(-0.5, 0.5) * np.arange(num_frames)
        lean = random.uniform(-0.03, 0.03) * y
        wobble = 0.4 * np.sin(2.0 * np.pi * (y / height * random.uniform(0.5, 3.0) + random.random()))
        x = random.uniform(0.0, width) + drift[:, None] + lean + wobble
        shifts = random.uniform(0.0, 4.0, (num_frames, 1))
        strength = 0.55 + 0.45 * np.sin(2.0 * np.pi * (y / height * random.uniform(0.3, 2.0) + shifts))
        strength = np.clip(strength, 0.0 if random.random() < 0.3 else 0.35, 1.0) * random.uniform(0.5, 0.95)
        colour = self._shade(random)
        # One emulsion layer scratched through shows as a colour.
        if random.random() < 0.25:
            colour = (colour[0] * 0.5, colour[1], colour[2] * 0.6)
        return Scratch(
            np.asarray(x, np.float32),
            np.asarray(y, np.float32),
            self._line_px(shape, random),
            np.asarray(strength, np.float32),
            colour,
        )

    def _sensor_spot(self, shape: tuple[int, int, int], random: np.random.Generator) -> SensorSpot:
        _, height, width = shape
        radius = max(0.7, 0.5 * _between(random, self.spot_px_at_1080) * height / 1080.0)
        x, y = random.uniform((0.0, 0.0), (width, height))
        return SensorSpot((float(x), float(y)), radius, float(random.uniform(0.1, 0.5)))

    def _intrusion(self, shape: tuple[int, int, int], random: np.random.Generator) -> Intrusion:
        num_frames, height, width = shape
        across = _between(random, self.intrusion_px_at_1080) * height / 1080.0
        side = random.random()
        if side < 0.7:
            start = np.array([random.uniform(-0.1, 1.1) * width, -0.1 * height])
        else:
            start = np.array([(-0.1 if side < 0.85 else 1.1) * width, random.uniform(0.0, 0.9) * height])
        tip = random.uniform((0.15, 0.1), (0.85, 0.6)) * (width, height)
        times = np.arange(num_frames)[:, None]
        bob = random.uniform(0.0, 0.04, 2) * height * np.sin(2.0 * np.pi * (times * random.uniform(0.01, 0.05, 2)))
        tips = tip + bob + times * random.normal(0.0, 0.002, 2) * (width, height)
        ends = np.stack((np.broadcast_to(start, tips.shape), tips), 1)
        shade = random.uniform(0.03, 0.35)
        tint = random.uniform(0.9, 1.1, 3)
        shadow = None
        if random.random() < self.shadow_share:
            offset = random.uniform((-1.0, 0.3), (1.0, 1.0)) * 0.25 * height
            shadow = (float(offset[0]), float(offset[1]), float(random.uniform(0.1, 0.4)))
        return Intrusion(
            ends=_points(ends),
            pole_px=max(0.8, float(random.uniform(0.12, 0.3)) * across),
            tip_px=max(1.0, across),
            tip_length_px=float(random.uniform(1.5, 4.0)) * across,
            colour=(float(shade * tint[0]), float(shade * tint[1]), float(shade * tint[2])),
            grain=np.asarray(random.uniform(0.5, 1.6, (height // 2 + 1, width // 2 + 1)), np.float32),
            shadow=shadow,
        )

    def _line_px(self, shape: tuple[int, int, int], random: np.random.Generator) -> float:
        return max(0.4, _between(random, self.line_px_at_1080) * shape[1] / 1080.0)

    def _shade(self, random: np.random.Generator) -> Colour:
        level = random.uniform(0.85, 1.0) if random.random() < self.bright_share else random.uniform(0.0, 0.15)
        tint = random.uniform(0.92, 1.0, 3)
        return float(level * tint[0]), float(level * tint[1]), float(level * tint[2])


def _between(random: np.random.Generator, span: tuple[float, float]) -> float:
    """A size, drawn evenly in its logarithm: small ones are more frequent."""
    return float(np.exp(random.uniform(*np.log(span))))


def _points(values: NDArray[np.float64]) -> Points:
    return np.asarray(values, np.float32)
