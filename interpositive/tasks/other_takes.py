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
_MOST_GROUPS = 40
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


@dataclass
class _Lender:
    """A frame that lends pixels to some groups of a shot's frames, and the one level that it is brought to."""

    looked: _Looked
    groups: set[int]
    level: Level


class LentByTakes:
    """What other takes lend to a shot, found window by window.

    The frames of a shot are looked at in groups; for each, frames of the takes are chosen that agree with its middle
    one, and as few as will do for all: what is lent does not change while the camera stands still. Each frame is
    matched with those of its group. Everything depends on the shot and the takes alone, not on the windows.
    """

    def __init__(self, reader: FrameReader, colour: PlateColour, takes: Sequence[OtherTake]) -> None:
        self._reader, self._colour, self.takes = reader, colour, list(takes)
        self._group_frames = max(_FRAMES_A_GROUP, -(-len(reader) // _MOST_GROUPS))
        self._lenders: list[_Lender] | None = None
        self._homographies: dict[int, dict[int, Homography]] = {}
        self._pictures: dict[int, NDArray[np.float32]] = {}

    def condition(self, first: int, last: int) -> Condition:
        """Frames that lend to the window ``first <= n < last``; nothing where none does.

        ``lent_frames`` are ``m 3 h w`` at the shot's raster and level, ``lent_homographies`` ``t m 3 3`` as
        :class:`~interpositive.motion.lent_frames.LentFrames` has them, and ``lent_places`` ``m 2``: which take, which
        frame of it.
        """
        if self._lenders is None:
            self._lenders = _choose(self._middles(), self._looked())
        found = [self._matched(number) for number in range(first, last)]
        chosen = sorted({place for of_frame in found for place in of_frame})
        if not chosen:
            return {}
        homographies = np.full((len(found), len(chosen), 3, 3), np.nan)
        for index, of_frame in enumerate(found):
            for place, homography in of_frame.items():
                homographies[index, chosen.index(place)] = homography
        self._pictures = {place: picture for place, picture in self._pictures.items() if place in chosen}
        looked = [self._lenders[place].looked for place in chosen]
        return {
            f"{LENT}_frames": torch.from_numpy(np.stack([self._lent(place).transpose(2, 0, 1) for place in chosen])),
            f"{LENT}_homographies": torch.from_numpy(homographies),
            f"{LENT}_places": torch.tensor([[one.take, one.frame] for one in looked]),
        }

    def close(self) -> None:
        """Close the takes."""
        for take in self.takes:
            take.reader.close()

    def _matched(self, number: int) -> dict[int, Homography]:
        """The homographies from a frame of the shot to the lenders of its group, by their places."""
        assert self._lenders is not None
        if number not in self._homographies:
            view = _view(self._reader, self._colour, number)
            found = self._homographies[number] = {}
            for place, lender in enumerate(self._lenders):
                if number // self._group_frames in lender.groups:
                    matched = match_views(view, lender.looked.view)
                    way = None if matched is None else self._homography(view, lender.looked.view, matched[0])
                    if way is not None:
                        found[place] = way
        return self._homographies[number]

    def _homography(self, view: SetView, other: SetView, matched: Homography) -> Homography | None:
        if _overlap(matched, view, other) < _LEAST_OVERLAP:
            return None
        # Lent frames are brought to the shot's raster, and matched at another.
        info = self._reader.info
        height, width = other.luma.shape
        stretch = np.diag([info.width * other.scale / width, info.height * other.scale / height, 1.0])
        found: Homography = stretch @ at_full_size(matched, view, other)
        return np.asarray(found / found[2, 2], np.float64)

    def _middles(self) -> list[SetView]:
        """The middle frame of each group."""
        num, step = len(self._reader), self._group_frames
        return [_view(self._reader, self._colour, min(n + step // 2, num - 1)) for n in range(0, num, step)]

    def _looked(self) -> list[_Looked]:
        looked = []
        for index, take in enumerate(self.takes):
            step = -(-len(take.reader) // _NUM_LOOKED_AT)
            for frame in range(step // 2, len(take.reader), step):
                looked.append(_Looked(index, frame, _view(take.reader, take.colour, frame)))
        return looked

    def _lent(self, place: int) -> NDArray[np.float32]:
        assert self._lenders is not None
        lender = self._lenders[place]
        if place not in self._pictures:
            take, info = self.takes[lender.looked.take], self._reader.info
            picture = take.colour.to_values(take.reader.window(lender.looked.frame, lender.looked.frame + 1)[0])
            if picture.shape[:2] != (info.height, info.width):
                size = (info.width, info.height)
                picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
            self._pictures[place] = lender.level.apply(picture)
        return self._pictures[place]


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


def _choose(middles: Sequence[SetView], looked: Sequence[_Looked]) -> list[_Lender]:
    """The fewest frames that serve all groups: each agrees well with many, and is far from others in time.

    People move: far in time, they stand elsewhere. A group has at most four lenders, none of which is much worse than
    its best.
    """
    good = [_good_for(view, looked) for view in middles]
    lenders: list[_Lender] = []
    num_served = [0] * len(middles)
    tried: set[int] = set()
    while True:
        waiting = [group for group, served in enumerate(num_served) if served < _MOST_LENT]
        uses = {
            place: count
            for place in range(len(looked))
            if place not in tried and (count := sum(place in good[group] for group in waiting))
        }
        if not uses:
            return lenders
        most = [place for place, count in uses.items() if count == max(uses.values())]
        place = most[_farthest([looked[p] for p in most], [lender.looked for lender in lenders])]
        tried.add(place)
        agreed = {
            group: colours
            for group in waiting
            if place in good[group]
            and (colours := _agrees(middles[group], looked[place].view, good[group][place])) is not None
        }
        if agreed:
            mine, theirs = (np.concatenate([colours[side] for colours in agreed.values()]) for side in (0, 1))
            lenders.append(_Lender(looked[place], set(agreed), fit_level(theirs, mine)))
            for group in agreed:
                num_served[group] += 1


def _good_for(view: SetView, looked: Sequence[_Looked]) -> dict[int, Homography]:
    """The frames, by place, that agree with a view nearly as well as the best, and how they lie to it."""
    scored: dict[int, tuple[float, Homography]] = {}
    for place, one in enumerate(looked):
        matched = match_views(view, one.view)
        if matched is not None and (overlap := _overlap(matched[0], view, one.view)) >= _LEAST_OVERLAP:
            scored[place] = (matched[1] * overlap, matched[0])
    best = max((score for score, _ in scored.values()), default=0.0)
    return {place: homography for place, (score, homography) in scored.items() if score >= _AS_GOOD * best}


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
