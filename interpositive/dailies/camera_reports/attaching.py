"""Camera reports beside the footage, each brought to its take and kept with the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from interpositive.dailies.camera_reports.joining import closeness, join_reports, report_keys, take_keys
from interpositive.dailies.camera_reports.reading import family_of, read_camera_report
from interpositive.dailies.selection import take_columns
from interpositive.dailies.take import Take
from interpositive.errors import PaperworkError
from interpositive.records.camera_data import CameraReport, TakeCameraData
from interpositive.records.digests import sha256_of_file
from interpositive.records.publishing import write_file_whole

CAMERA_FOLDER = "camera"
_EXTENSIONS = {".csv", ".tsv", ".txt", ".json", ".f4"}


@dataclass(frozen=True)
class AttachedReport:
    """What became of one camera report."""

    path: Path
    outcome: Literal["attached", "ignored", "quarantined"]
    reason: str
    take: str = ""


def find_reports(paths: Iterable[Path]) -> list[Path]:
    """Those of the files beside the footage that are camera reports, by their first bytes."""
    candidates = (path for path in paths if path.suffix.lower() in _EXTENSIONS and not path.is_symlink())
    return [path for path in candidates if family_of(path) is not None]


def camera_data_path(workspace: Path, take_name: str) -> Path:
    """Where the camera data of a take is kept."""
    return workspace / CAMERA_FOLDER / f"{take_name}.json"


def read_camera_data(workspace: Path, take_name: str) -> TakeCameraData | None:
    """The camera data of a take as ingest left it; None if no report came with it."""
    path = camera_data_path(workspace, take_name)
    if not path.is_file():
        return None
    try:
        return TakeCameraData.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise PaperworkError(
            f"{path} cannot be read",
            found=str(error.errors()[0]["msg"]),
            remedy="delete it and run the same interpositive ingest again",
        ) from None


def attach_reports(paths: Sequence[Path], takes: Sequence[Take], workspace: Path, source: Path) -> list[AttachedReport]:
    """Bring each report to the take it is about and write ``camera/<take>.json``, whole; one outcome a report.

    A report that cannot be trusted is quarantined with its line, one about no take here is ignored. Camera data of
    takes that have gone are removed, and of those in the folder ``source`` whose reports have.
    """
    outcomes: list[AttachedReport] = []
    reports: list[tuple[Path, CameraReport]] = []
    for path in paths:
        try:
            reports.append((path, read_camera_report(path)))
        except PaperworkError as error:
            outcomes.append(AttachedReport(path, "quarantined", _in_one_line(error)))
    by_key = _takes_by_key(takes, {key for path, report in reports for key in report_keys(report, path)})
    owned: dict[str, Take] = {}
    by_take: defaultdict[str, list[tuple[Path, CameraReport]]] = defaultdict(list)
    for path, report in reports:
        owners = _owners(report, path, by_key)
        if len(owners) == 1:
            owned[owners[0].name] = owners[0]
            by_take[owners[0].name].append((path, report))
        else:
            outcomes.append(AttachedReport(path, "ignored", _why_alone(report, owners)))
    for name, members in by_take.items():
        camera_data = _write(members, owned[name], workspace)
        outcomes += [AttachedReport(path, "attached", _story(camera_data), name) for path, _ in members]
    _remove_stale(workspace, set(by_take), takes, source)
    return outcomes


def _in_one_line(error: PaperworkError) -> str:
    found = f" ({error.found})" if error.found is not None else ""
    return " ".join(f"{error.what}{found}".split())


def _takes_by_key(takes: Sequence[Take], wanted: set[str]) -> dict[str, list[Take]]:
    """The takes that go by a wanted name, by that name; no other is made out of its row."""
    by_key: defaultdict[str, list[Take]] = defaultdict(list)
    for place, columns in enumerate(take_columns(takes, "path", "kind", "reel")):
        if keys := take_keys(*columns) & wanted:
            take = takes[place]
            for key in keys:
                by_key[key].append(take)
    return by_key


def _owners(report: CameraReport, path: Path, by_key: dict[str, list[Take]]) -> list[Take]:
    """The takes the report is most surely about; of these, those beside it before those elsewhere."""
    near = {take.name: take for key in report_keys(report, path) for take in by_key.get(key, ())}
    surely = {name: closeness(report, path, take) for name, take in near.items()}
    most = max(surely.values(), default=0)
    found = [take for name, take in near.items() if most and surely[name] == most]
    return [take for take in found if Path(take.path).parent == path.parent] or found


def _why_alone(report: CameraReport, owners: list[Take]) -> str:
    what = f"a camera report ({report.family})"
    if owners:
        return f"{what} that could be about {', '.join(take.name for take in owners[:4])}; put it beside its take"
    return f"{what} of {report.clip_name}, which is not here" if report.clip_name else f"{what} of no take here"


def _write(members: list[tuple[Path, CameraReport]], take: Take, workspace: Path) -> TakeCameraData:
    digests = {path.name: sha256_of_file(path) for path, _ in members}
    camera_data = join_reports([report for _, report in members], digests, take)
    path, content = camera_data_path(workspace, take.name), camera_data.model_dump_json(exclude_none=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        write_file_whole(path, content)
    return camera_data


def _story(camera_data: TakeCameraData) -> str:
    parts = [f"{', '.join(camera_data.families)}"]
    if camera_data.joined_by:
        parts.append(f"{camera_data.num_covered} of {camera_data.num_frames} frames by {camera_data.joined_by}")
    parts += camera_data.notes
    return "; ".join(parts)


def _remove_stale(workspace: Path, written: set[str], takes: Sequence[Take], source: Path) -> None:
    doubtful = {path.stem: path for path in (workspace / CAMERA_FOLDER).glob("*.json") if path.stem not in written}
    if doubtful:
        for name, footage in take_columns(takes, "name", "path"):
            if not Path(footage).is_relative_to(source):
                doubtful.pop(name, None)
    for path in doubtful.values():
        path.unlink()
