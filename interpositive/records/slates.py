"""How a take is marked: scene, take, camera, roll."""

from __future__ import annotations

from interpositive.records.base import Record


class Slate(Record):
    """What the clapperboard says; empty strings where it is silent.

    ``scene`` is the script's unit (``"42A"``), ``take`` the count within it,
    ``camera`` the camera letter and ``roll`` the camera's magazine.
    """

    scene: str = ""
    take: str = ""
    camera: str = ""
    roll: str = ""

    @property
    def setup(self) -> str:
        """Scene and take, which a split must never cut apart from their other cameras."""
        return f"{self.scene}/{self.take}"
