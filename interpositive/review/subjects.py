"""Reading what a page is about: a run folder or a delivery, as a stranger would find it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interpositive.errors import IntegrityError, RunFolderError
from interpositive.records.delivery_manifest import MANIFEST_NAME, DeliveryManifest, read_and_verify
from interpositive.records.measures import Measures
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord

MEASURES_NAME = "measures.json"
EVALUATION_FOLDER = "evaluation"


@dataclass(frozen=True)
class Subject:
    """A run or a delivery with its measures; exactly one of ``run`` and ``delivery`` is there."""

    folder: Path
    measures_path: Path
    measures: Measures
    run: RunRecord | None = None
    delivery: DeliveryManifest | None = None

    @property
    def production(self) -> str:
        """The title that the footage belongs to."""
        return self.run.production if self.run else self._manifest.production

    @property
    def task(self) -> str:
        """What was repaired."""
        return self.run.task if self.run else self._manifest.task

    @property
    def created(self) -> str:
        """When the run or the delivery was made, as its record says it."""
        return self.run.created if self.run else self._manifest.created

    @property
    def _manifest(self) -> DeliveryManifest:
        assert self.delivery is not None
        return self.delivery

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
    """Read a run or a delivery.

    A delivery is verified first: ``IntegrityError`` names the file that is not
    what was delivered, or that the page would show and no digest covers.
    ``RunFolderError`` says what a run folder lacks.
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
    if not (folder / RUN_RECORD_NAME).is_file():
        raise RunFolderError(
            f"{folder} is neither a run nor a delivery",
            found=f"no {RUN_RECORD_NAME} and no {MANIFEST_NAME}",
            expected="the folder that train, evaluate or deliver printed",
        )
    record = RunRecord.read(folder)
    path = folder / EVALUATION_FOLDER / MEASURES_NAME
    return Subject(folder, path, _checked(Measures.read(path), path), run=record)


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
