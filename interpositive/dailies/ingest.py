"""From a folder of dailies to a catalogue: look, probe, digest, slate, split, and tell what was left out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tqdm import tqdm

from interpositive.dailies.camera_reports.attaching import CAMERA_FOLDER, attach_reports, find_reports
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.engines import Engine, LocalEngine
from interpositive.dailies.footage_rules import FootageRules
from interpositive.dailies.inspecting import (
    SLOWEST_BYTES_PER_SECOND,
    CheckedTake,
    Inspection,
    Probe,
    decode_whole,
    inspect_footage,
)
from interpositive.dailies.marking import Marking
from interpositive.dailies.opening import digests_of
from interpositive.dailies.proxies import PROXY_FOLDER, make_proxies
from interpositive.dailies.report import MOST_LISTED, IngestReport, OutcomeRows, report_paths
from interpositive.dailies.settling import Settling
from interpositive.dailies.slate_rules import SlateRules
from interpositive.dailies.splitting import SplitRule, plan_splits
from interpositive.dailies.take_marks import LOG_EXTENSION
from interpositive.dailies.vouching import HashListRule, ListedFootage, Vouching
from interpositive.dailies.walking import Walk, walk_source
from interpositive.media.probing import Check

_SECONDS_A_FRAME = 5.0
_SPLIT_RULE_FACT = "split_rule"


def ingest(
    source: Path,
    catalogue_path: Path,
    *,
    slate_rules: SlateRules | None = None,
    split_rule: SplitRule | None = None,
    footage_rules: FootageRules | None = None,
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
    is decoded (:func:`probe_media`), for which ``probe`` stands in; with ``all`` proxies that were
    made before are checked too. Takes enter the catalogue in path order, one transaction
    each, so a killed ingest goes on where it stopped when it is run again. Footage that a
    hash list in the source names is checked
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
        rows = OutcomeRows(walk.source)
        marking, camera_reports = _sort_paper(walk, vouching, rows)
        slate_rules, footage_rules = slate_rules or SlateRules(), footage_rules or FootageRules()
        settling = Settling(walk, catalogue, marking, slate_rules, footage_rules, vouching, rows)
        inspect = partial(inspect_footage, probe=probe, check=check, source=walk.source)
        slowest = SLOWEST_BYTES_PER_SECOND[check]
        again = _take_in(settling, settling.unsettled(), inspect, engine, timeout_seconds, slowest, progress)
        _take_in(settling, again, inspect, engine, timeout_seconds, slowest, progress, is_last=True)
        settling.note_missing()
        for attached in attach_reports(camera_reports, catalogue.takes(), folder, walk.source):
            rows.add(attached.path, attached.outcome, attached.reason, attached.take)
        note = _assign_splits(catalogue, split_rule or SplitRule())
        failures: dict[str, str] = {}
        if proxy_height is not None:
            failures = make_proxies(catalogue, proxy_height, engine, progress, check_made=check == "all")
            failures = _quarantine_undecodable(catalogue, failures, engine, rows)
        report = IngestReport(
            source=str(walk.source),
            catalogue=str(catalogue_path),
            num_takes=len(catalogue),
            seconds=round(time.monotonic() - began, 3),
            rows=rows.in_order(),
            splits=catalogue.split_sizes(),
            split_note=note,
            encodings={" ".join(key).strip(): count for key, count in catalogue.encoding_sizes().items()},
            without_encoding=catalogue.without_encoding(MOST_LISTED),
            proxy_failures=failures,
            num_verified=settling.num_verified,
            num_unlisted=settling.num_unlisted,
        )
        report.write(folder)
    return report


def _sort_paper(walk: Walk, vouching: Vouching, rows: OutcomeRows) -> tuple[Marking, list[Path]]:
    """The marks that paper gives, and the camera reports; all other paper gets its outcome."""
    paperwork = [path for path, _ in walk.ignored]
    untrusted = vouching.untrusted() | vouching.contradicted([*walk.sheets, *paperwork])
    camera_reports = find_reports(path for path in paperwork if path not in untrusted)
    used = set(camera_reports)
    for path, reason in walk.ignored:
        if path in used or path in untrusted or path.suffix.lower() == LOG_EXTENSION:
            continue
        if vouching.is_used(path):
            rows.add(path, "attached", "a hash list; footage is checked against it")
        else:
            rows.add(path, "ignored", reason)
    for path, reason in (*walk.refused, *untrusted.items()):
        rows.add(path, "quarantined", reason)
    return Marking(walk, untrusted, rows), camera_reports


def _take_in(
    settling: Settling,
    jobs: list[ListedFootage],
    inspect: Callable[[ListedFootage], Inspection],
    engine: Engine,
    timeout_seconds: float,
    slowest: float,
    progress: bool,
    is_last: bool = False,
) -> list[ListedFootage]:
    """Read footage and settle it in path order; gives what must be read in another way, unless this is the last time.

    A job may take ``timeout_seconds`` and the time for its bytes at ``slowest`` a second.
    """

    def patience(listed: ListedFootage) -> float:
        return timeout_seconds + listed.footage.state.num_bytes / slowest

    again = []
    total = sum(one.footage.state.num_bytes for one in jobs)
    disable = not progress or (is_last and not jobs)
    with tqdm(total=total, unit="B", unit_scale=True, desc="ingest", file=sys.stderr, disable=disable) as bar:
        for done, outcome in enumerate(engine.run(inspect, jobs, patience), 1):
            unsettled = settling.settle(outcome, is_last=is_last)
            again += [unsettled] if unsettled is not None else []
            bar.set_postfix_str(f"{done}/{len(jobs)} files", refresh=False)
            bar.update(outcome.job.footage.state.num_bytes)
    return again


def _quarantine_undecodable(
    catalogue: Catalogue, failures: Mapping[str, str], engine: Engine, rows: OutcomeRows
) -> dict[str, str]:
    """Decode takes that no proxy could be made of: those that cannot be leave the catalogue; gives the others."""
    takes = [catalogue.take(name) for name in failures]
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
            catalogue.remove(take.path)
            rows.forget(Path(take.path))
            rows.add(take.path, "quarantined", outcome.reason)
    return blameless


def _assign_splits(catalogue: Catalogue, rule: SplitRule) -> str:
    same_rule = catalogue.fact(_SPLIT_RULE_FACT) == rule.digest()
    plan = plan_splits(catalogue.marked_takes(), rule, keep=same_rule)
    catalogue.set_splits(plan.changes, {_SPLIT_RULE_FACT: rule.digest()})
    return plan.note
