"""What is shot on the virtual soundstage: size, rate, scenes, takes, film stock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from interpositive.errors import ConfigError

SceneName = Literal["12A", "27", "31B", "44C"]
SCENE_NAMES: tuple[SceneName, ...] = ("12A", "27", "31B", "44C")

_RANGES: dict[str, tuple[float, float]] = {
    "width": (64, 4096),
    "height": (48, 4096),
    "num_frames": (1, 4096),
    "takes_per_scene": (1, 99),
    "takes_per_set": (1, 99),
    "grain": (0, 8),
    "softness_px": (0, 4),
    "shutter": (0, 1),
    "vignette": (0, 1),
}


@dataclass(frozen=True)
class StageSpec:
    """One production on the soundstage; equal specs give bitwise equal frames on one machine.

    ``width`` and ``height`` in pixels (even, for the movie codec), ``rate`` in frames per second (anything
    ``Fraction`` reads), ``num_frames`` per take. After ``takes_per_set`` takes a scene's set is built and lit anew;
    None keeps one for all. ``shutter`` is the open part of the frame time (0.5 is a
    180-degree shutter). ``grain`` scales the film grain (0 switches it off), ``softness_px`` is the standard
    deviation of the lens blur at 384 pixels of width, ``vignette`` the fall-off in the corners.

    Raises ``ConfigError`` for a value outside its range.
    """

    seed: int = 2024
    width: int = 384
    height: int = 216
    num_frames: int = 48
    rate: Fraction = Fraction(24)
    scenes: tuple[SceneName, ...] = SCENE_NAMES
    takes_per_scene: int = 2
    takes_per_set: int | None = None
    grain: float = 1.0
    softness_px: float = 0.55
    shutter: float = 0.5
    vignette: float = 0.28

    def __post_init__(self) -> None:
        """Accept what a YAML can say (rates as text, scenes as a list) and refuse what cannot be shot."""
        object.__setattr__(self, "rate", Fraction(self.rate))
        object.__setattr__(self, "scenes", tuple(self.scenes))
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name == "takes_per_set":
                continue
            if not low <= value <= high:
                raise ConfigError(
                    f"the soundstage cannot work with this {name}", found=value, expected=f"{low} to {high}"
                )
        if self.width % 2 or self.height % 2:
            raise ConfigError(
                "the soundstage cannot shoot an odd frame size",
                found=f"{self.width}x{self.height}",
                expected="even width and height, for 4:2:0 movies",
                remedy="round width and height to even numbers",
            )
        if not 0 < self.rate <= 1000:
            raise ConfigError(
                "a frame rate must be positive", found=str(self.rate)[:100], expected="24 or 24000/1001, to 1000"
            )
        known = set(self.scenes) <= set(SCENE_NAMES)
        if not self.scenes or not known or len(set(self.scenes)) != len(self.scenes):
            raise ConfigError(
                "scenes must be named once each",
                found=self.scenes,
                expected=f"some of {', '.join(SCENE_NAMES)}",
            )

    @property
    def scale(self) -> float:
        """Size of the frame against the 384-pixel frame that optics are designed for."""
        return self.width / 384.0

    def set_seed(self, take: int) -> int:
        """The seed of the set that a take is shot on; the first set's is the production's."""
        number = 0 if self.takes_per_set is None else (take - 1) // self.takes_per_set
        return self.seed if number == 0 else int(stream(self.seed, "set", number).integers(2**31))

    def slates(self) -> list[tuple[SceneName, int]]:
        """Every (scene, take) of the production, takes counted from 1."""
        return [(scene, take) for scene in self.scenes for take in range(1, self.takes_per_scene + 1)]

    def to_values(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_values` is the way back."""
        return {**asdict(self), "rate": str(self.rate), "scenes": list(self.scenes)}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> StageSpec:
        """A spec from plain values."""
        return cls(**values)


def stream(*keys: object) -> np.random.Generator:
    """A random stream that depends on the keys alone, never on call order or worker."""
    text = "\x1f".join(str(key) for key in keys)
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16], "big")))
