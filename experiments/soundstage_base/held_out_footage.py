"""Productions that the base has never seen: other seeds of the soundstage, and real shots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.media.contract import Frames
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.soundstage.spec import SceneName, StageSpec
from interpositive.soundstage.writing import render_production

SHOT_FRAMES, GAP_FRAMES, MOST_FRAMES, HEIGHT = 40, 24, 240, 216
FIRST_TEACH_SECOND_JUDGES = {"*/01": "train", "*/02": "val"}


@dataclass(frozen=True)
class HeldOut:
    """A production: scenes of the stage at a seed, or a movie of the material whose ``first`` frames on are judged."""

    name: str
    scenes: tuple[SceneName, ...] = ()
    seed: int = 0
    source: str = ""
    first: int = 0

    @property
    def is_stage(self) -> bool:
        """Whether it was rendered."""
        return bool(self.scenes)


PRODUCTIONS = (
    HeldOut("stage_9001", ("12A", "31B"), 9001),
    HeldOut("stage_9002", ("27", "44C"), 9002),
    HeldOut("gopro_hero7", source="clips/gopro_hero7.mp4", first=60),
    HeldOut("sam2_juggle", source="clips/sam2_juggle.mp4", first=20),
)


def bring_in(production: HeldOut, material: Path, output: Path) -> bool:
    """Render or cut a production's dailies and ingest them, once; False if its movie is not in the material."""
    catalogue = output / "productions" / production.name / "catalogue.sqlite"
    if catalogue.exists():
        return True
    dailies = output / "stages" / production.name
    if production.is_stage:
        if not dailies.exists():
            spec = StageSpec(seed=production.seed, scenes=production.scenes, num_frames=48)
            render_production(spec, dailies, with_truth=False, num_workers=2)
    elif (material / production.source).is_file():
        cut(production, material / production.source, dailies)
    else:
        return False
    ingest(dailies, catalogue, split_rule=SplitRule(explicit=FIRST_TEACH_SECOND_JUDGES), num_workers=0, progress=False)
    return True


def cut(production: HeldOut, movie: Path, dailies: Path) -> None:
    """A shot that judges, and what teaches: other frames of the movie, none of them near the shot."""
    reader = open_reader(movie)
    stop = min(len(reader), production.first + SHOT_FRAMES)
    spans = [(0, production.first - GAP_FRAMES), (stop + GAP_FRAMES, len(reader))]
    start, end = max(spans, key=lambda span: span[1] - span[0])
    dailies.mkdir(parents=True, exist_ok=True)
    for number, (low, high) in enumerate([(start, min(end, start + MOST_FRAMES)), (production.first, stop)], 1):
        codes = scaled(reader.window(low, high))
        path = dailies / f"1A_T{number:02d}_A_R01.mkv"
        with MovieWriter(path, reader.info.rate, codes.shape[2], codes.shape[1], codec="ffv1") as writer:
            writer.write(codes)
    reader.close()


def scaled(codes: Frames, lines: int = HEIGHT) -> Frames:
    """Frames ``t h w 3`` at no more than so many lines; if not told, those that are learned at."""
    height = min(lines, codes.shape[1]) // 2 * 2
    size = (round(codes.shape[2] * height / codes.shape[1] / 2) * 2, height)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])
