"""Finished pictures judged against any reference or plate, shot by shot, so that a killed evaluation resumes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from interpositive.dailies.integrity import take_digest
from interpositive.delivery.comparability import refuse_mismatch
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
from interpositive.delivery.result_measuring import (
    AGAINST,
    RESULT,
    ResultSettings,
    are_mattes,
    look_at_all,
    measure_shot,
)
from interpositive.errors import ConfigError, InterpositiveError, MediaError
from interpositive.media.sequence_reader import list_frames
from interpositive.metrics.contract import unmet_needs
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.evaluation_record import (
    EVALUATION_RECORD_NAME,
    EvaluationRecord,
    JudgedFile,
    JudgedShotFiles,
    ShotReport,
)
from interpositive.records.measures import Measures
from interpositive.records.publishing import publish_folder


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
    _check_all(shots, settings)
    digests, notes_of_copies = _digest_all(shots, settings.progress)
    shots = [shot for shot in shots if shot.name in digests]
    notes += notes_of_copies
    with open_evaluation(folder, wanted) as shots_folder:
        finished = finished_shots(shots_folder)
        refuse_changed_shots(folder, finished, digests)
        for shot in shots:
            if shot.name not in finished:
                with publish_folder(shots_folder / shot.name) as scratch:
                    report = measure_shot(shot, digests[shot.name], scratch, settings)
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
        "layers": ", ".join(f"{role}: {layer}" for role, layer in sorted(settings.layers.items())),
        "encoding": settings.encoding,
        "review_movies": str(settings.review_movies),
    }
    if "interpositive" in settings.versions:
        told["version"] = settings.versions["interpositive"]
    lacks = {}
    for metric in [make() for make in settings.metrics]:
        unmet = unmet_needs(metric, **has)
        absence = " ".join((metric.absence or "").split("\n")[0].split())
        unmet_words = "lacks a " + " and a ".join(unmet) if unmet else ""
        lacks[metric.infos[0].name] = unmet_words or (f"cannot be measured: {absence}" if absence else "")
    if not lacks or all(lacks.values()):
        raise ConfigError(
            "nothing can be measured with what is given",
            found="; ".join(f"{name} {lack}" for name, lack in lacks.items()) or "no metric",
            expected="what at least one metric needs",
            remedy="give reference=, plate= or mask=, or choose other metrics with metric=[…]",
        )
    return told | {f"lacks.{name}": lack or "nothing" for name, lack in lacks.items()}


def _check_all(shots: Sequence[JudgedPaths], settings: ResultSettings) -> None:
    """Refuse before anything is measured what cannot be compared; one error for all shots."""
    errors: list[tuple[str, InterpositiveError]] = []
    as_mattes = are_mattes(settings)
    for shot in shots:
        try:
            judged = look_at_all(shot, settings)
            for role, other in judged.items():
                if role != RESULT:
                    refuse_mismatch(judged[RESULT], other, as_mattes=as_mattes, encoding=settings.encoding)
            if "mask" in shot.paths:
                open_mask(shot.paths["mask"], judged[RESULT].info, layer=settings.layers.get("mask")).close()
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
