"""What of a scoreboard may lie in the repository: its tables, and small pictures of the soundstage alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from bars import UNET, best, stage
from boards import BOARDS
from report import Judged, as_markdown

from interpositive.media.opening import open_reader
from interpositive.records.measures import ShotMeasures
from interpositive.records.publishing import write_file_whole

BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
_LARGEST_WIDTH = 1600


def write_readme(everything: Sequence[Judged], here: Path, output: Path) -> None:
    """Put the tables between the marks of ``README.md``, and a strip of each task into ``pictures/``.

    What is there of tasks that were not judged now stays.
    """
    path = here / "README.md"
    before, _, rest = path.read_text().partition(BEGIN)
    tables, _, after = rest.partition(END)
    sections = {part.partition("\n")[0]: f"## {part.strip()}\n" for part in tables.split("\n## ")[1:]}
    sections |= {judged.board.task: as_markdown(judged) for judged in everything}
    known = "\n".join(sections[board.task] for board in BOARDS if board.task in sections)
    write_file_whole(path, f"{before}{BEGIN}\n\n{known}\n{END}{after}")
    for judged in everything:
        shots = stage(judged.shots)
        if shots:
            write_strip(shots[0], judged, output / judged.board.task, here / "pictures" / f"{judged.board.task}.jpg")


def write_strip(shot: ShotMeasures, judged: Judged, folder: Path, path: Path) -> None:
    """A frame as it came, by the best that learned nothing, by the per-frame U-Net, as delivered, and the truth."""
    learned = {"chosen", "prior", "trained", UNET}
    simple = [method for method in shot.values if method not in learned]
    roles = ["plate", best(shot, simple, "psnr_hole"), *([UNET] if UNET in shot.values else []), "result", "target"]
    masked = [number for number, shown in enumerate(_masked(folder / shot.pictures["matte"])) if shown]
    number = masked[len(masked) // 2]
    crops = []
    for role in roles:
        name = shot.pictures.get(role, shot.pictures["result"])
        with closing(open_reader(folder / name)) as reader:
            crops.append(np.asarray(reader.window(number, number + 1)[0]))
    height, width = crops[0].shape[:2]
    # The middle of a removal is looked at closely; what concerns whole frames is shown whole.
    if judged.board.task in ("wire_removal", "plate_cleaning"):
        crops = [crop[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] for crop in crops]
    strip = np.hstack(crops)
    scale = min(2.0, _LARGEST_WIDTH / strip.shape[1])
    strip = cv2.resize(strip, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def _masked(path: Path) -> list[bool]:
    with closing(open_reader(path)) as reader:
        return [bool(frame.max() > 127) for frame in reader.window(0, len(reader))]
