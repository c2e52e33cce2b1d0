"""Finished pictures judged against any reference or plate, shot by shot, so that a killed evaluation resumes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import torch
from tqdm import tqdm

from interpositive.dailies.integrity import take_digest
from interpositive.delivery.comparability import (
    Judged,
    comparison_notes,
    float_notes,
    look_at,
    open_pictures,
    refuse_mismatch,
)
from interpositive.delivery.evaluation import MEASURES_NAME, measures_of
from interpositive.delivery.evaluation_folder import (
    SHOTS_FOLDER,
    finished_shots,
    open_evaluation,
    refuse_changed_shots,
)
from interpositive.delivery.evaluation_plots import write_plots
from interpositive.delivery.evaluation_tables import write_tables
from interpositive.delivery.judged_shots import ROLES, JudgedPaths, find_shots
from interpositive.delivery.masks import open_mask
from interpositive.delivery.restoring import frames_to_float
from interpositive.delivery.review_movies import ReviewMovies, grey_picture
from interpositive.errors import ConfigError, InterpositiveError, MediaError
from interpositive.media.contract import MediaInfo
from interpositive.media.sequence_reader import list_frames
from interpositive.metrics.contract import MakeMetric, unmet_needs
from interpositive.metrics.shot_meter import ShotMeter, worst_frames
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.evaluation_record import (
    EVALUATION_RECORD_NAME,
    EvaluationRecord,
    JudgedFile,
    JudgedShotFiles,
    ShotReport,
)
from interpositive.records.measures import Measures, ShotMeasures
from interpositive.records.publishing import publish_folder

RESULT, AGAINST = "result", "against"
# What is decoded at a time, all roles together, as float.
_WINDOW_BYTES = 192 << 20
_MOST_FRAMES = 16
_MOVIE_ROLES = {"result": "result", "against": "against", "reference": "target", "plate": "plate"}


@dataclass(frozen=True)
class ResultSettings:
    """What is measured, and what of the measuring is written down.

    ``rate`` (frames per second) is for frame sequences that carry none.
    ``told`` are the choices behind ``metrics`` in words, by key: an evaluation is resumed with the same only.
    """

    metrics: Sequence[MakeMetric]
    rate: Fraction | None = None
    review_movies: bool = True
    told: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    progress: bool = True


def default_output(result: Path) -> Path:
    """Beside the result: ``<name>.evaluation``."""
    path = Path(result).absolute()
    return path.parent / f"{path.name if path.is_dir() else path.stem}.evaluation"


def evaluate_results(given: Mapping[str, Path], folder: Path, settings: ResultSettings) -> Measures:
    """Judge the shots that ``given`` describes (a path by role of ``ROLES``) and leave everything in ``folder``.

    Every shot is published by one rename as soon as it is measured; run again
    with the same files and settings, finished shots are taken as they are.
    Numbers over all shots, tables and plots are written at the end, the record last.
    ``MediaError``, ``MaskError``, ``StorageError`` or ``ConfigError`` say what cannot be compared or resumed.
    """
    shots, notes = find_shots({role: Path(given[role]).absolute() for role in ROLES if role in given})
    wanted = _settings_in_words(shots[0], settings)
    _check_all(shots, settings.rate)
    digests, notes_of_copies = _digest_all(shots, settings.progress)
    shots = [shot for shot in shots if shot.name in digests]
    notes += notes_of_copies
    with open_evaluation(folder, wanted) as shots_folder:
        finished = finished_shots(shots_folder)
        refuse_changed_shots(folder, finished, digests)
        for shot in shots:
            if shot.name not in finished:
                with publish_folder(shots_folder / shot.name) as scratch:
                    report = _measure_shot(shot, digests[shot.name], scratch, settings)
                    report.write(scratch)
                finished[shot.name] = report
        reports = [finished[shot.name] for shot in shots]
        measures = _together(reports, notes)
        measures.write(folder / MEASURES_NAME)
        write_tables(folder, measures)
        write_plots(folder, measures, settings.progress)
        _record(folder, given["result"], shots, digests, wanted, measures, settings)
    return measures


def _settings_in_words(shot: JudgedPaths, settings: ResultSettings) -> dict[str, str]:
    """What must be the same for an evaluation to be resumed, and what each metric lacks to be measured.

    ``ConfigError`` if nothing at all can be measured.
    """
    has = {f"has_{role}": role in shot.paths for role in ("reference", "plate", "mask")}
    told = {
        **settings.told,
        "roles": ", ".join(shot.paths),
        "rate": str(settings.rate),
        "review_movies": str(settings.review_movies),
    }
    if "interpositive" in settings.versions:
        told["version"] = settings.versions["interpositive"]
    lacks = {}
    for make in settings.metrics:
        metric = make()
        unmet = unmet_needs(metric, **has)
        lacks[metric.infos[0].name] = " and ".join(unmet) if unmet else "weights" if metric.absence else ""
    if not lacks or all(lacks.values()):
        raise ConfigError(
            "nothing can be measured with what is given",
            found="; ".join(f"{name} lacks a {lack}" for name, lack in lacks.items()) or "no metric",
            expected="what at least one metric needs",
            remedy="give reference=, plate= or mask=, or choose other metrics with metric=[…]",
        )
    return told | {f"lacks.{name}": lack or "nothing" for name, lack in lacks.items()}


def _look_at_all(shot: JudgedPaths, rate: Fraction | None) -> dict[str, Judged]:
    return {role: look_at(role, path, rate) for role, path in shot.paths.items() if role != "mask"}


def _check_all(shots: Sequence[JudgedPaths], rate: Fraction | None) -> None:
    """Refuse before anything is measured what cannot be compared; one error for all shots."""
    errors: list[tuple[str, InterpositiveError]] = []
    for shot in shots:
        try:
            judged = _look_at_all(shot, rate)
            for role, other in judged.items():
                if role != RESULT:
                    refuse_mismatch(judged[RESULT], other)
            if "mask" in shot.paths:
                open_mask(shot.paths["mask"], judged[RESULT].info).close()
        except InterpositiveError as error:
            errors.append((shot.name, error))
    if len(errors) == 1:
        raise errors[0][1]
    if errors:
        raise MediaError(
            f"{len(errors)} of {len(shots)} shots cannot be judged: {', '.join(name for name, _ in errors)}",
            found="; ".join(f"{name}: {error.found}" for name, error in errors[:8]),
            expected="; ".join(f"{name}: {error.expected}" for name, error in errors[:8]),
            remedy=errors[0][1].remedy,
        )


def _digest_all(shots: Sequence[JudgedPaths], progress: bool) -> tuple[dict[str, dict[str, str]], list[str]]:
    """SHA-256 by shot and role of every shot to be counted, and a note for each copy that is not.

    ``MediaError`` if two shots have the same result but are judged against different things.
    """
    digests = {
        shot.name: {role: take_digest(path) for role, path in shot.paths.items()}
        for shot in tqdm(shots, desc="digests", unit="shot", disable=not progress or len(shots) < 2)
    }
    same: dict[str, list[JudgedPaths]] = defaultdict(list)
    for shot in shots:
        same[_pictures_digest(shot.paths[RESULT], digests[shot.name][RESULT])].append(shot)
    notes = []
    for first, *copies in same.values():
        for copy in copies:
            others = [
                {r: _pictures_digest(p, digests[shot.name][r]) for r, p in shot.paths.items()} for shot in (first, copy)
            ]
            if others[0] != others[1]:
                raise MediaError(
                    f"{first.name} and {copy.name} are the same pictures under two names",
                    found=f"{copy.paths[RESULT]}, the same as {first.paths[RESULT]}",
                    expected="each shot once",
                    remedy="move the one that is not that shot away",
                )
            notes.append(f"counted once: {copy.name} is the same pictures as {first.name}")
            del digests[copy.name]
    return digests, notes


def _pictures_digest(path: Path, digest: str) -> str:
    """A digest that does not depend on what frames are called: copies may be renamed."""
    return sha256_of_value([sha256_of_file(frame) for frame in list_frames(path)]) if path.is_dir() else digest


def _measure_shot(shot: JudgedPaths, digests: Mapping[str, str], scratch: Path, settings: ResultSettings) -> ShotReport:
    """Measure one shot in windows of a few frames, and write its review movies into ``scratch``."""
    judged = _look_at_all(shot, settings.rate)
    info = judged[RESULT].info
    methods = [role for role in (RESULT, AGAINST) if role in judged]
    meter = ShotMeter(
        methods,
        settings.metrics,
        rate=info.rate,
        has_reference="reference" in judged,
        has_plate="plate" in judged,
        has_mask="mask" in shot.paths,
    )
    with ExitStack() as stack:
        readers = {role: open_pictures(one.path, settings.rate) for role, one in judged.items()}
        for reader in readers.values():
            stack.callback(reader.close)
        mask = open_mask(shot.paths["mask"], info) if "mask" in shot.paths else None
        if mask is not None:
            stack.callback(mask.close)
        movies = stack.enter_context(ReviewMovies(scratch, info.rate))
        for start, stop in _windows(info, len(readers) + (mask is not None), shot.name, settings.progress):
            codes = {role: reader.window(start, stop) for role, reader in readers.items()}
            masks = None if mask is None else mask.window(start, stop)
            frames = {role: frames_to_float(found) for role, found in codes.items()}
            meter.update(
                {method: frames[method] for method in methods},
                reference=frames.get("reference"),
                plate=frames.get("plate"),
                mask=None if masks is None else torch.from_numpy(masks)[:, None],
            )
            if settings.review_movies:
                for place in range(stop - start):
                    movies.write({_MOVIE_ROLES[role]: found[place] for role, found in codes.items()})
                    if masks is not None:
                        movies.write({"matte": grey_picture(masks[place])})
        pictures = movies.close()
    values, curves = meter.compute()
    first_frame, timecode = _numbering(judged)
    others = [one for role, one in judged.items() if role != RESULT]
    measures = ShotMeasures(
        name=shot.name,
        role=RESULT,
        num_frames=info.num_frames,
        first_frame=first_frame,
        rate=str(info.rate),
        start_timecode=timecode,
        values=values,
        curves=curves,
        worst_frames=[first_frame + place for place in worst_frames(curves[RESULT])],
        pictures=pictures,
        comments=[
            *(note for other in others for note in comparison_notes(judged[RESULT], other)),
            *(f"the result is the {one.role} itself" for one in others if digests[one.role] == digests[RESULT]),
            *float_notes(list(judged.values())),
        ],
    )  # fmt: skip
    files = [JudgedFile(role=role, path=str(path), sha256=digests[role]) for role, path in shot.paths.items()]
    return ShotReport(
        files=files, metrics=meter.infos, curve_metrics=meter.curve_infos, measures=measures, notes=meter.notes()
    )


def _windows(info: MediaInfo, num_streams: int, name: str, progress: bool) -> Iterator[tuple[int, int]]:
    """Start and end of windows of so few frames that memory does not depend on size or length."""
    frame_bytes = info.width * info.height * 3 * 4 * num_streams
    size = max(1, min(_MOST_FRAMES, _WINDOW_BYTES // frame_bytes))
    with tqdm(total=info.num_frames, desc=f"evaluate {name}", unit="frame", disable=not progress) as bar:
        for start in range(0, info.num_frames, size):
            stop = min(info.num_frames, start + size)
            yield start, stop
            bar.update(stop - start)


def _numbering(judged: Mapping[str, Judged]) -> tuple[int, str | None]:
    """The first frame's number and timecode: the result's own, else the plate's, else the reference's."""
    ordered = [judged[role] for role in (RESULT, "plate", "reference", AGAINST) if role in judged]
    numbers = [one.first_number for one in ordered if one.first_number is not None]
    timecodes = [one.info.start_timecode for one in ordered if one.info.start_timecode is not None]
    return (numbers[0] if numbers else 0), (timecodes[0] if timecodes else None)


def _together(reports: Sequence[ShotReport], notes: Iterable[str]) -> Measures:
    """All shots in one record, their pictures named from where it lies."""
    shots = [
        report.measures.model_copy(
            update={
                "pictures": {
                    role: f"{SHOTS_FOLDER}/{report.measures.name}/{name}"
                    for role, name in report.measures.pictures.items()
                }
            }
        )
        for report in reports
    ]
    return measures_of(
        shots,
        reports[0].metrics,
        reports[0].curve_metrics,
        [(RESULT, AGAINST)] if AGAINST in shots[0].values else [],
        [*notes, *(note for report in reports for note in report.notes)],
    )


def _record(
    folder: Path,
    result: Path,
    shots: Sequence[JudgedPaths],
    digests: Mapping[str, Mapping[str, str]],
    wanted: Mapping[str, str],
    measures: Measures,
    settings: ResultSettings,
) -> None:
    """Write the record last: where it is, the evaluation is whole. An earlier one keeps its date."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    if (folder / EVALUATION_RECORD_NAME).is_file():
        created = EvaluationRecord.read(folder).created
    files = [
        JudgedShotFiles(
            name=shot.name,
            files=[
                JudgedFile(role=role, path=str(path), sha256=digests[shot.name][role])
                for role, path in shot.paths.items()
            ],
        )
        for shot in shots
    ]
    comments = [f"{shot.name}: {comment}" for shot in measures.shots for comment in shot.comments]
    EvaluationRecord(
        title=Path(result).name,
        created=created,
        config_sha256=sha256_of_value(dict(wanted)),
        settings=dict(wanted),
        notes=[*measures.notes, *comments],
        shots=files,
        versions=dict(settings.versions),
        machine=settings.machine,
    ).write(folder)
