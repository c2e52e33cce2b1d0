"""Reading what a page is about: a run, a delivery or an evaluation, as a stranger would find it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interpositive.errors import IntegrityError, RunFolderError
from interpositive.records.delivery_manifest import MANIFEST_NAME, DeliveryManifest, read_and_verify
from interpositive.records.evaluation_record import EVALUATION_RECORD_NAME, EvaluationRecord
from interpositive.records.held_out_course import HELD_OUT_COURSE_NAME, HeldOutCourse
from interpositive.records.measures import Measures
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord

MEASURES_NAME = "measures.json"
EVALUATION_FOLDER = "evaluation"
_FEW_FILES = 3


@dataclass(frozen=True)
class Subject:
    """What a page is about, with its measures; exactly one of ``run``, ``delivery`` and ``evaluation`` is there.

    ``course`` is how a run fared while it learned, None for runs of an older version.
    """

    folder: Path
    measures_path: Path
    measures: Measures
    run: RunRecord | None = None
    delivery: DeliveryManifest | None = None
    evaluation: EvaluationRecord | None = None
    course: HeldOutCourse | None = None

    @property
    def title(self) -> str:
        """Production and task, and the shot where there is one; an evaluation has a title of its own."""
        if self.evaluation is not None:
            return self.evaluation.title
        record = self._made
        return " — ".join([record.production, record.task, *([self.delivery.shot] if self.delivery else [])])

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What the header says beside the title: whose footage, and what was done to it or judged of it."""
        if self.evaluation is None:
            return [("Production", self._made.production), ("Task", self._made.task)]
        paths: dict[str, dict[Path, None]] = {}
        for shot in self.evaluation.shots:
            for file in shot.files:
                paths.setdefault(file.role, {})[Path(file.path)] = None
        return [(role.capitalize(), files_in_short(list(held))) for role, held in paths.items()]

    @property
    def created(self) -> str:
        """When it was made, as its record says it."""
        return self.evaluation.created if self.evaluation else self._made.created

    @property
    def _made(self) -> RunRecord | DeliveryManifest:
        made = self.run or self.delivery
        assert made is not None
        return made

    def picture_path(self, relative: str) -> Path:
        """The movie that the measures call ``relative``, refused if it lies outside or is not sealed."""
        root = self.measures_path.parent
        path = root / relative
        if not path.resolve().is_relative_to(root.resolve()):
            raise RunFolderError(f"{self.measures_path} names a picture outside its folder", found=relative)
        if not path.exists():
            raise RunFolderError(
                f"the picture {path} is missing",
                expected=f"a movie, as {self.measures_path} says",
                remedy="evaluate or deliver again",
            )
        if self.delivery is not None:
            _require_sealed(self.delivery, path.relative_to(self.folder).as_posix(), self.folder)
        return path


def read_subject(folder: Path) -> Subject:
    """Read a run, a delivery or an evaluation.

    A delivery is verified first: ``IntegrityError`` names the file that is not
    what was delivered, or that the page would show and no digest covers.
    ``RunFolderError`` says what another folder lacks. A run that was trained
    and not evaluated is read if it tells how it fared while it learned.
    """
    if (folder / MANIFEST_NAME).is_file():
        manifest = read_and_verify(folder)
        _require_sealed(manifest, MEASURES_NAME, folder)
        path = folder / MEASURES_NAME
        return Subject(folder, path, _checked(Measures.read(path), path), delivery=manifest)
    if not folder.is_dir():
        raise RunFolderError(
            f"there is no folder at {folder}",
            remedy="give the folder that train, evaluate or deliver printed",
        )
    if (folder / EVALUATION_RECORD_NAME).is_file():
        path = folder / MEASURES_NAME
        judged = EvaluationRecord.read(folder)
        return Subject(folder, path, _checked(Measures.read(path), path), evaluation=judged)
    if not (folder / RUN_RECORD_NAME).is_file():
        raise RunFolderError(
            f"{folder} is neither a run nor a delivery nor an evaluation",
            found=f"no {RUN_RECORD_NAME}, no {MANIFEST_NAME} and no {EVALUATION_RECORD_NAME}",
            expected="the folder that train, evaluate or deliver printed",
        )
    record = RunRecord.read(folder)
    course = HeldOutCourse.read(folder) if (folder / HELD_OUT_COURSE_NAME).is_file() else None
    path = folder / EVALUATION_FOLDER / MEASURES_NAME
    measures = Measures() if course and not path.exists() else _checked(Measures.read(path), path)
    return Subject(folder, path, measures, run=record, course=course)


def files_in_short(paths: Sequence[Path]) -> str:
    """Names of a few files; of many, how many and the folder that they share."""
    if len(paths) <= _FEW_FILES:
        return ", ".join(dict.fromkeys(path.name for path in paths))
    folders = {path.parent for path in paths}
    return f"{folders.pop().name}: {len(paths)} files" if len(folders) == 1 else f"{len(paths)} files"


def _require_sealed(manifest: DeliveryManifest, relative: str, folder: Path) -> None:
    if relative not in {entry.path for entry in manifest.files}:
        raise IntegrityError(
            f"{folder / relative} is not covered by the delivery's manifest",
            found="a delivery whose manifest gives it no digest",
            expected="a digest for every file that the page shows",
            remedy="deliver the shot again into a new folder",
        )


def _checked(measures: Measures, path: Path) -> Measures:
    if not measures.shots:
        raise RunFolderError(f"{path} holds no shot", remedy="run interpositive evaluate on at least one take")
    for shot in measures.shots:
        frames = range(shot.first_frame, shot.first_frame + shot.num_frames)
        outside = [frame for frame in shot.worst_frames if frame not in frames]
        if outside:
            raise RunFolderError(
                f"{path} names worst frames that {shot.name} does not have",
                found=outside,
                expected=f"frame numbers from {frames.start} to {frames.stop - 1}",
            )
        for curves in shot.curves.values():
            for metric, curve in curves.items():
                if len(curve) != shot.num_frames:
                    raise RunFolderError(
                        f"{path} has a curve of {metric} that does not fit {shot.name}",
                        found=f"{len(curve)} values",
                        expected=f"one for each of {shot.num_frames} frames",
                    )
    return measures
