"""From a folder of dailies to a catalogue: look, probe, digest, slate, split, and tell what was left out."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from tqdm import tqdm

from interpositive.dailies.camera_reports.attaching import CAMERA_FOLDER, attach_reports, find_reports
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.encoding_rules import NAMED, EncodingRules
from interpositive.dailies.engines import Engine, LocalEngine
from interpositive.dailies.inspecting import (
    SLOWEST_BYTES_PER_SECOND,
    CheckedTake,
    Inspection,
    Probe,
    decode_whole,
    inspect_footage,
)
from interpositive.dailies.opening import digests_of
from interpositive.dailies.proxies import PROXY_FOLDER, make_proxies
from interpositive.dailies.report import MOST_LISTED, FileOutcome, IngestReport, OutcomeKind, printable, report_paths
from interpositive.dailies.slate_rules import SlateRules, SlateSheet, read_slate_sheet
from interpositive.dailies.splitting import SplitRule, plan_splits
from interpositive.dailies.take import Take, name_for, take_from_info, timecode_fault
from interpositive.dailies.take_marks import LOG_EXTENSION, TakeMarks, marked, read_log_beside
from interpositive.dailies.vouching import HashListRule, ListedFootage, Vouching
from interpositive.dailies.walking import Walk, walk_source
from interpositive.dailies.workers import Outcome
from interpositive.media.probing import Check
from interpositive.records.slates import Slate

_SECONDS_A_FRAME = 5.0
_SPLIT_RULE_FACT = "split_rule"


def ingest(
    source: Path,
    catalogue_path: Path,
    *,
    slate_rules: SlateRules | None = None,
    split_rule: SplitRule | None = None,
    encoding_rules: EncodingRules | None = None,
    hash_lists: HashListRule = "check",
    num_workers: int = 2,
    engine: Engine | None = None,
    proxy_height: int | None = None,
    progress: bool = True,
    timeout_seconds: float = 30.0,
    check: Check = "ends",
    probe: Probe | None = None,
) -> IngestReport:
    """Bring the catalogue up to date with a folder of dailies, and write the report beside it.

    Files are probed and digested by the ``engine``, which is ``num_workers``
    spawned processes (0: this one) unless another is given. A file may take
    ``timeout_seconds`` plus the time to read its bytes at 10 MB/s; one that
    crashes or hangs is quarantined like any other file that
    cannot be trusted, and the rest goes on. ``check`` says how much of a take
    is decoded (:func:`probe_media`); ``probe`` stands in for that. Takes enter the catalogue in path
    order, one transaction each, so a killed ingest goes on where it stopped
    when it is run again. Footage that a hash list in the source names is checked
    against it as it is read, by the rule ``hash_lists``. With ``proxy_height`` (lines), takes that are taller
    get a proxy, and one that turns out not to decode is quarantined.
    Raises ``MediaError`` for a source that is no folder, ``CatalogueError`` for
    a catalogue that cannot be used.
    """
    began = time.monotonic()
    source, catalogue_path = Path(source), Path(catalogue_path).absolute()
    folder = catalogue_path.parent
    own = [Path(f"{catalogue_path}{suffix}") for suffix in ("", "-wal", "-shm", "-journal", ".lock")]
    walk = walk_source(source, leave_out=[*own, *report_paths(folder), folder / PROXY_FOLDER, folder / CAMERA_FOLDER])
    with Catalogue(catalogue_path, writable=True) as catalogue:
        engine = engine or LocalEngine(num_workers)
        engine.check_sees([walk.source, folder])
        vouching = Vouching(walk, hash_lists)
        run = _Ingest(walk, catalogue, slate_rules or SlateRules(), encoding_rules or EncodingRules(), vouching)
        inspect = partial(inspect_footage, probe=probe, check=check, source=walk.source)
        run.take_in(inspect, engine, timeout_seconds, SLOWEST_BYTES_PER_SECOND[check], progress)
        run.note_missing()
        run.attach_camera_reports(folder)
        note = _assign_splits(catalogue, split_rule or SplitRule())
        failures: dict[str, str] = {}
        if proxy_height is not None:
            failures = make_proxies(catalogue, proxy_height, engine, progress)
            failures = run.quarantine_undecodable(failures, engine)
        report = IngestReport(
            source=str(walk.source),
            catalogue=str(catalogue_path),
            num_takes=len(catalogue),
            seconds=round(time.monotonic() - began, 3),
            rows=sorted(run.rows, key=lambda row: Path(row.path).parts),
            splits=catalogue.split_sizes(),
            split_note=note,
            encodings={" ".join(key).strip(): count for key, count in catalogue.encoding_sizes().items()},
            without_encoding=catalogue.without_encoding(MOST_LISTED),
            proxy_failures=failures,
            num_verified=run.num_verified,
            num_unlisted=run.num_unlisted,
        )
        report.write(folder)
    return report


class _Ingest:
    """One pass over a source; ``rows`` grows as files find their outcome."""

    def __init__(
        self,
        walk: Walk,
        catalogue: Catalogue,
        slate_rules: SlateRules,
        encoding_rules: EncodingRules,
        vouching: Vouching,
    ) -> None:
        self.rows: list[FileOutcome] = []
        self._name_counts: dict[str, int] = {}
        self.num_verified = 0
        self.num_unlisted = 0
        self._vouching = vouching
        self._walk = walk
        self._catalogue = catalogue
        self._slate_rules = slate_rules
        self._encoding_rules = encoding_rules
        self._states = {str(footage.path): footage.state for footage in walk.footage}
        paperwork = [path for path, _ in walk.ignored]
        untrusted = vouching.untrusted() | vouching.contradicted([*walk.sheets, *paperwork])
        self._camera_reports = find_reports(path for path in paperwork if path not in untrusted)
        for path, reason in walk.ignored:
            if path not in self._camera_reports and path not in untrusted and path.suffix.lower() != LOG_EXTENSION:
                self._row(path, "ignored", reason)
        for path, reason in (*walk.refused, *untrusted.items()):
            self._row(path, "quarantined", reason)
        sheets = [path for path in walk.sheets if path not in untrusted]
        self._marks = {**self._read_logs(untrusted), **self._read_sheets(sheets)}

    def _is_current(self, path: str) -> bool:
        """Whether the take at ``path`` is still there as it was ingested, as far as size and time tell."""
        if path in self._states:
            return self._catalogue.file_state(path) == self._states[path]
        return not Path(path).is_relative_to(self._walk.source) and Path(path).exists()

    def _row(self, path: Path | str, outcome: OutcomeKind, reason: str = "", take: str = "") -> None:
        path = Path(path)
        shown = path.relative_to(self._walk.source) if path.is_relative_to(self._walk.source) else path
        text = printable(os.fsencode(shown).decode("utf-8", "backslashreplace"))
        self.rows.append(FileOutcome(path=text, outcome=outcome, reason=printable(reason), take=take))

    def _read_logs(self, untrusted: Collection[Path]) -> dict[Path, TakeMarks]:
        marks: dict[Path, TakeMarks] = {}
        footage = [one.path for one in self._walk.footage]
        for path, reason in self._walk.ignored:
            if path.suffix.lower() != LOG_EXTENSION or path in untrusted:
                continue
            if path.is_symlink() or path.name.startswith("."):
                self._row(path, "ignored", reason)
                continue
            log = read_log_beside(path, footage)
            for line, why in log.refused:
                self._row(f"{path}, line {line}", "quarantined", why)
            self._row(path, "ignored", f"a log; it marks {len(log.marks)} takes")
            marks |= log.marks
        return marks

    def _read_sheets(self, paths: list[Path]) -> dict[Path, TakeMarks]:
        marks: dict[Path, TakeMarks] = {}
        met = {footage.path for footage in self._walk.footage}
        for sheet in map(read_slate_sheet, paths):
            for line, reason in sheet.refused:
                self._row(f"{sheet.path}, line {line}", "quarantined", reason)
            self._refuse_idle_lines(sheet, met)
            marks |= sheet.marks
        return marks

    def _refuse_idle_lines(self, sheet: SlateSheet, met: set[Path]) -> None:
        for path, line in sheet.lines.items():
            if path not in met:
                reason = f"{path.relative_to(sheet.path.parent)} is no footage in this folder"
                self._row(f"{sheet.path}, line {line}", "quarantined", reason)

    def _slate(self, path: Path) -> Slate:
        marks = self._marks.get(path)
        return (marks.slate if marks else None) or self._slate_rules.slate_for(path)

    def _unique_name(self, slate: Slate, path: Path, former: str = "") -> str:
        wanted = re.sub(r"[^\w.-]+", "-", name_for(slate, path)).strip("-.") or "take"
        # Counted on from the last of that name: ten thousand folders may each hold a "plate".
        count = self._name_counts.get(wanted, 1)
        name = wanted if count == 1 else f"{wanted}_{count}"
        while name != former and name in self._catalogue:
            count += 1
            name = f"{wanted}_{count}"
        self._name_counts[wanted] = count
        return name

    def take_in(
        self,
        inspect: Callable[[ListedFootage], Inspection],
        engine: Engine,
        timeout_seconds: float,
        slowest: float,
        progress: bool,
    ) -> None:
        """Tell known from new, inspect what is new, and put it into the catalogue in path order."""
        listed = map(self._vouching.of, self._walk.footage)
        new = [one for one in listed if not self._is_settled(one)]

        def patience(listed: ListedFootage) -> float:
            return timeout_seconds + listed.footage.state.num_bytes / slowest

        total = sum(one.footage.state.num_bytes for one in new)
        bar = tqdm(total=total, unit="B", unit_scale=True, desc="ingest", file=sys.stderr, disable=not progress)
        with bar:
            for done, outcome in enumerate(engine.run(inspect, new, patience), 1):
                self._settle(outcome)
                bar.set_postfix_str(f"{done}/{len(new)} files", refresh=False)
                bar.update(outcome.job.footage.state.num_bytes)

    def _is_settled(self, listed: ListedFootage) -> bool:
        footage, path = listed.footage, str(listed.footage.path)
        if self._catalogue.file_state(path) == footage.state:
            return self._keep(listed)
        sha256, state = self._catalogue.duplicate_at(path) or ("", None)
        original = self._catalogue.take_of_content(sha256) if state == footage.state else None
        if original is not None and self._is_current(original.path):
            self._row(path, "duplicate", f"same content as {original.path}", original.name)
            return True
        return False

    def _keep(self, listed: ListedFootage) -> bool:
        """Bring a take whose file is unchanged up to date; False if what its tags or lists say must be read anew."""
        footage = listed.footage
        take = self._catalogue.take_at(str(footage.path))
        assert take is not None
        if not listed.settles(take):
            return False
        slate = self._slate(footage.path)
        now, notes = marked(take, self._marks.get(footage.path))
        slated = now if slate == take.slate else self._renamed(now, slate, footage.path)
        named = self._encoding_rules.name(slated)
        if take.encoding_source == NAMED and named is slated:
            return False
        self._tally(take)
        if named == take:
            self._row(take.path, "known", "; ".join(notes), take.name)
            return True
        self._catalogue.put(named, footage.state, replaces=take.path)
        if slated != take:
            self._row(take.path, "reslated", _reslated(take, named), named.name)
        else:
            self._row(take.path, "recoded", _recoded(take, named), named.name)
        return True

    def _renamed(self, take: Take, slate: Slate, path: Path) -> Take:
        return take.model_copy(update={"slate": slate, "name": self._unique_name(slate, path, former=take.name)})

    def _settle(self, outcome: Outcome[ListedFootage, Inspection]) -> None:
        listed, path, state = outcome.job, outcome.job.footage.path, outcome.job.footage.state
        was_read = self._catalogue.file_state(str(path)) == state
        former = self._catalogue.take_at(str(path))
        if outcome.result is None:
            self._catalogue.remove(str(path))
            self._row(path, "quarantined", outcome.reason.removeprefix(f"{path.name} "))
            return
        sha256, digests, slate = outcome.result.sha256, outcome.result.digests, self._slate(path)
        twin = self._catalogue.take_of_content(sha256)
        if twin is not None and twin.path != str(path):
            if self._is_current(twin.path):
                self._catalogue.put_duplicate(str(path), sha256, state)
                self._row(path, "duplicate", f"same content as {twin.path}", twin.name)
            else:
                self._move(twin, listed, slate)
            return
        keeps_name = former is not None and former.slate == slate
        name = former.name if former and keeps_name else self._unique_name(slate, path, former.name if former else "")
        info = outcome.result.info
        take, notes = marked(take_from_info(info, name, path, sha256, slate), self._marks.get(path))
        take = self._encoding_rules.name(take).model_copy(
            update={"blake3": digests.root, "hash_list": listed.hash_list}
        )
        if take.start_frame is None and (fault := timecode_fault(info)):
            notes.insert(0, fault)
        if listed.note:
            notes.append(listed.note)
        notes += info.notes
        if former is not None:
            take = take.model_copy(update={"split": former.split})
        self._catalogue.put(take, state, digests=digests)
        self._tally(take)
        if former is not None and former.sha256 == take.sha256 and former.encoding != take.encoding:
            self._row(path, "recoded", _recoded(former, take), take.name)
        elif former is not None and former.sha256 == take.sha256 and was_read:
            vouched = f"read again, {listed.hash_list} vouches for it" if listed.hash_list else "read again"
            self._row(path, "known", "; ".join([vouched, *notes]), take.name)
        else:
            self._row(path, "changed" if former else "accepted", "; ".join(notes), take.name)

    def _move(self, take: Take, listed: ListedFootage, slate: Slate) -> None:
        path, state = listed.footage.path, listed.footage.state
        self._catalogue.remove(str(path))
        moved = marked(take, self._marks.get(path))[0]
        moved = moved if take.slate == slate else self._renamed(moved, slate, path)
        moved = self._encoding_rules.name(moved.model_copy(update={"path": str(path), "hash_list": listed.hash_list}))
        self._catalogue.put(moved, state, replaces=take.path)
        self._tally(moved)
        self._row(path, "moved", f"was at {take.path}", moved.name)

    def _tally(self, take: Take) -> None:
        if take.hash_list:
            self.num_verified += 1
        elif self._vouching.any_list:
            self.num_unlisted += 1

    def quarantine_undecodable(self, failures: Mapping[str, str], engine: Engine) -> dict[str, str]:
        """Decode takes that no proxy could be made of: those that cannot be leave the catalogue; gives the others."""
        takes = [self._catalogue.take(name) for name in failures]
        # Light of no known encoding has no proxy: nothing is wrong with it.
        doubtful = [take for take in takes if take.encoding or take.pixel_format not in ("half", "float")]

        def patience(job: CheckedTake) -> float:
            return 60 + job.take.num_frames * _SECONDS_A_FRAME

        blameless = dict(failures)
        jobs = (CheckedTake(take, digests_of(take)) for take in doubtful)
        for outcome in engine.run(decode_whole, jobs, patience):
            if outcome.result is None:
                take = outcome.job.take
                del blameless[take.name]
                self._catalogue.remove(take.path)
                self.rows = [row for row in self.rows if row.take != take.name]
                self._row(take.path, "quarantined", outcome.reason)
        return blameless

    def note_missing(self) -> None:
        """Report takes of this source whose files are gone, which stay in the catalogue, and listed files not there."""
        met = {str(path) for path, _ in (*self._walk.refused, *self._walk.ignored)}
        for path, name in self._catalogue.paths_under(self._walk.source):
            if path not in met and path not in self._states:
                self._row(path, "missing", "no longer on disk", name)
        for listed, reason in self._vouching.missing():
            self._row(listed, "missing", reason)

    def attach_camera_reports(self, folder: Path) -> None:
        """Lay what the cameras wrote down onto the takes, under their final names."""
        for attached in attach_reports(self._camera_reports, self._catalogue.takes(), folder):
            self._row(attached.path, attached.outcome, attached.reason, attached.take)


def _reslated(before: Take, after: Take) -> str:
    if after.name != before.name:
        return f"{before.name} is now {after.name}"
    return f"{after.name} is now marked {after.reel or 'without reel'}, {after.start_timecode or 'without timecode'}"


def _recoded(before: Take, after: Take) -> str:
    return f"encoding {after.encoding or 'not known'}, was {before.encoding or 'not known'}"


def _assign_splits(catalogue: Catalogue, rule: SplitRule) -> str:
    same_rule = catalogue.fact(_SPLIT_RULE_FACT) == rule.digest()
    plan = plan_splits(catalogue.marked_takes(), rule, keep=same_rule)
    catalogue.set_splits(plan.changes, {_SPLIT_RULE_FACT: rule.digest()})
    return plan.note
