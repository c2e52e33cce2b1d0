"""Other takes of a shot's set-up: which of their frames show what it shows, at what level, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from interpositive.media.contract import FrameReader
from interpositive.media.plate_colour import PlateColour
from interpositive.motion.camera_motion import Homography
from interpositive.motion.colour_pairs import agreeing_colours
from interpositive.motion.lent_frames import Level, fit_level
from interpositive.motion.set_views import SetView, at_full_size, match_views, set_view
from interpositive.tasks.laying_out import Asked, Condition

LENT = "lent"
_LONG_SIDE_PX = 384
_NUM_FEATURES = 700
_NUM_LOOKED_AT = 16
_FRAMES_A_GROUP = 12
_MOST_LENT = 4
_AS_GOOD = 0.5
_LEAST_AGREEING = 0.1
_LEAST_OVERLAP = 0.2
_GRID = 9
_MOST_SCALE = 2.5
_NUM_TRIED, _NUM_TRIED_OF_TAKE = 3, 4


class AskedOfTakes(Asked):
    """Where else the hole may be seen: names of takes, or paths.

    ``clean_plate`` is one that nothing stands in; ``takes`` are other takes of the set-up, or ``auto`` to have them
    found in the catalogue. ``of`` says whose footage lies at a path that is no take of the production.
    """

    clean_plate: str | None = None
    takes: Literal["auto"] | tuple[str, ...] = ()
    of: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """All that are asked for by name, each once."""
        takes = () if self.takes == "auto" else self.takes
        return tuple(dict.fromkeys(([self.clean_plate] if self.clean_plate else []) + list(takes)))


@dataclass(frozen=True)
class OtherTake:
    """A take, or a clean plate, that may lend pixels; ``colour`` makes of its codes the values that are worked on."""

    name: str
    reader: FrameReader
    colour: PlateColour


@dataclass(frozen=True)
class _Looked:
    """One frame of another take, as it was looked at."""

    take: int
    frame: int
    view: SetView


@dataclass(frozen=True)
class _Lender:
    """A frame that lends pixels to a group of a shot's frames, and the level that it is brought to."""

    looked: _Looked
    level: Level


class LentByTakes:
    """What other takes lend to a shot, found window by window.

    The frames of a shot are looked at in groups; for each the frames of the takes are chosen that agree with its
    middle one, and each frame of it is matched with those. Everything depends on the shot and the takes alone, not on
    the windows that are asked for.
    """

    def __init__(self, reader: FrameReader, colour: PlateColour, takes: Sequence[OtherTake]) -> None:
        self._reader, self._colour, self.takes = reader, colour, list(takes)
        self._looked: list[_Looked] | None = None
        self._groups: dict[int, list[_Lender]] = {}
        self._homographies: dict[int, list[Homography | None]] = {}
        self._pictures: dict[tuple[int, int], NDArray[np.float32]] = {}

    def condition(self, first: int, last: int) -> Condition:
        """Frames that lend to the window ``first <= n < last``; nothing where none does.

        ``lent_frames`` are ``m 3 h w`` at the shot's raster and level, ``lent_homographies`` ``t m 3 3`` as
        :class:`~interpositive.motion.lent_frames.LentFrames` has them, and ``lent_places`` ``m 2``: which take, which
        frame of it.
        """
        numbers = range(first, last)
        self._match(numbers)
        groups = sorted({number // _FRAMES_A_GROUP for number in numbers})
        lenders = [(group, place) for group in groups for place in range(len(self._groups[group]))]
        if not lenders:
            return {}
        homographies = np.full((len(numbers), len(lenders), 3, 3), np.nan)
        for index, number in enumerate(numbers):
            for column, (group, place) in enumerate(lenders):
                found = self._homographies[number][place] if number // _FRAMES_A_GROUP == group else None
                if found is not None:
                    homographies[index, column] = found
        chosen = [self._groups[group][place] for group, place in lenders]
        wanted = {(one.looked.take, one.looked.frame) for one in chosen}
        self._pictures = {key: picture for key, picture in self._pictures.items() if key in wanted}
        frames = np.stack([self._lent_picture(one).transpose(2, 0, 1) for one in chosen])
        return {
            f"{LENT}_frames": torch.from_numpy(frames),
            f"{LENT}_homographies": torch.from_numpy(homographies),
            f"{LENT}_places": torch.tensor([[one.looked.take, one.looked.frame] for one in chosen]),
        }

    def close(self) -> None:
        """Close the takes."""
        for take in self.takes:
            take.reader.close()

    def _match(self, numbers: range) -> None:
        for number in (n for n in numbers if n not in self._homographies):
            view = _view(self._reader, self._colour, number)
            group = number // _FRAMES_A_GROUP
            lenders = self._lenders(group)
            found: list[Homography | None] = []
            for lender in lenders:
                matched = match_views(view, lender.looked.view)
                found.append(None if matched is None else self._homography(view, lender.looked.view, matched[0]))
            self._homographies[number] = found

    def _homography(self, view: SetView, other: SetView, matched: Homography) -> Homography | None:
        if _overlap(matched, view, other) < _LEAST_OVERLAP:
            return None
        # Lent frames are brought to the shot's raster, and matched at another.
        info = self._reader.info
        height, width = other.luma.shape
        stretch = np.diag([info.width * other.scale / width, info.height * other.scale / height, 1.0])
        found: Homography = stretch @ at_full_size(matched, view, other)
        return np.asarray(found / found[2, 2], np.float64)

    def _lenders(self, group: int) -> list[_Lender]:
        if group not in self._groups:
            middle = min(group * _FRAMES_A_GROUP + _FRAMES_A_GROUP // 2, len(self._reader) - 1)
            self._groups[group] = _choose(_view(self._reader, self._colour, middle), self._all_looked())
        return self._groups[group]

    def _all_looked(self) -> list[_Looked]:
        if self._looked is None:
            self._looked = []
            for index, take in enumerate(self.takes):
                step = -(-len(take.reader) // _NUM_LOOKED_AT)
                for frame in range(step // 2, len(take.reader), step):
                    self._looked.append(_Looked(index, frame, _view(take.reader, take.colour, frame)))
        return self._looked

    def _lent_picture(self, lender: _Lender) -> NDArray[np.float32]:
        key = lender.looked.take, lender.looked.frame
        if key not in self._pictures:
            take, info = self.takes[key[0]], self._reader.info
            picture = take.colour.to_values(take.reader.window(key[1], key[1] + 1)[0])
            if picture.shape[:2] != (info.height, info.width):
                size = (info.width, info.height)
                picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
            self._pictures[key] = picture
        return lender.level.apply(self._pictures[key])


def take_likeness(shot: Sequence[SetView], take: OtherTake) -> float:
    """How much of the set-up a take shows: 0 where nothing of it agrees, features that agree else.

    A few frames of each are compared; ``shot`` are views as :func:`looked_at` makes them.
    """
    best = 0.0
    for other in looked_at(take.reader, take.colour, _NUM_TRIED_OF_TAKE):
        for view in shot:
            matched = match_views(view, other)
            if matched is None:
                continue
            score = matched[1] * _overlap(matched[0], view, other)
            if score > best and _agrees(view, other, matched[0]) is not None:
                best = score
    return best


def looked_at(reader: FrameReader, colour: PlateColour, num: int = _NUM_TRIED) -> list[SetView]:
    """A few frames of a shot or take, evenly spaced, as they are compared."""
    return [_view(reader, colour, int((place + 0.5) / num * len(reader))) for place in range(num)]


def _view(reader: FrameReader, colour: PlateColour, frame: int) -> SetView:
    return set_view(colour.to_values(reader.window(frame, frame + 1)[0]), _LONG_SIDE_PX, _NUM_FEATURES)


def _agrees(
    view: SetView, other: SetView, homography: Homography
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """The colours that two views have in common, if they have enough."""
    colours = agreeing_colours(view, other, homography)
    enough = colours is not None and len(colours[0]) >= _LEAST_AGREEING * view.blocks[0] * view.blocks[1]
    return colours if enough else None


def _choose(view: SetView, looked: Sequence[_Looked]) -> list[_Lender]:
    """The frames that agree with a view of the shot: well, and far from one another in time, for people move."""
    scored = []
    for one in looked:
        matched = match_views(view, one.view)
        if matched is not None and (overlap := _overlap(matched[0], view, one.view)) >= _LEAST_OVERLAP:
            scored.append((matched[1] * overlap, matched[0], one))
    best = max((score for score, _, _ in scored), default=0.0)
    good = [(score, homography, one) for score, homography, one in scored if score >= _AS_GOOD * best]
    good.sort(key=lambda each: (-each[0], each[2].take, each[2].frame))
    lenders: list[_Lender] = []
    while good and len(lenders) < _MOST_LENT:
        _, homography, one = good.pop(_farthest([each[2] for each in good], [lender.looked for lender in lenders]))
        colours = _agrees(view, one.view, homography)
        if colours is not None:
            lenders.append(_Lender(one, fit_level(colours[1], colours[0])))
    return lenders


def _farthest(candidates: Sequence[_Looked], chosen: Sequence[_Looked]) -> int:
    """Which candidate is farthest in time from all that are chosen of its take; the first of equals."""
    gaps = [
        min((abs(one.frame - other.frame) for other in chosen if other.take == one.take), default=1 << 30)
        for one in candidates
    ]
    return gaps.index(max(gaps))


def _overlap(homography: Homography, view: SetView, other: SetView) -> float:
    """The share of a view that another shows; 0 where the homography folds it or changes its size out of reason."""
    height, width = view.luma.shape
    xs, ys = np.meshgrid(np.linspace(0, width - 1, _GRID), np.linspace(0, height - 1, _GRID))
    points = homography @ np.stack((xs.ravel(), ys.ravel(), np.ones(xs.size)))
    if (points[2] <= 0).any():
        return 0.0
    x, y = points[0] / points[2], points[1] / points[2]
    scale = np.sqrt(abs(np.linalg.det(homography[:2, :2])))
    if np.linalg.det(homography[:2, :2]) <= 0 or not 1.0 / _MOST_SCALE < scale < _MOST_SCALE:
        return 0.0
    inside = (x >= 0) & (x <= other.luma.shape[1] - 1) & (y >= 0) & (y <= other.luma.shape[0] - 1)
    return float(inside.mean())
