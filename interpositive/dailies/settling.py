"""What becomes of each movie and sequence in the catalogue: new, known, changed, moved, a duplicate, or left out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.footage_rules import FootageRules, Reading, words_of
from interpositive.dailies.inspecting import Inspection
from interpositive.dailies.marking import Marking
from interpositive.dailies.report import OutcomeKind, OutcomeRows
from interpositive.dailies.slate_rules import SlateRules
from interpositive.dailies.take import Take, name_for, take_from_info
from interpositive.dailies.take_marks import marked, slate_from
from interpositive.dailies.vouching import ListedFootage, Vouching
from interpositive.dailies.walking import Walk
from interpositive.dailies.workers import Outcome
from interpositive.records.slates import Slate


class Settling:
    """One pass over a source, footage by footage.

    What is known of a take is built up anew each time, later words over earlier ones: its file, Avid logs, slate
    sheets, the production. What contradicts is noted.
    """

    def __init__(
        self,
        walk: Walk,
        catalogue: Catalogue,
        marking: Marking,
        slate_rules: SlateRules,
        footage_rules: FootageRules,
        vouching: Vouching,
        rows: OutcomeRows,
    ) -> None:
        self.num_verified = 0
        self.num_unlisted = 0
        self._name_counts: dict[str, int] = {}
        self._walk, self._catalogue, self._rows = walk, catalogue, rows
        self._marking, self._slate_rules, self._footage_rules = marking, slate_rules, footage_rules
        self._vouching = vouching
        self._states = {str(footage.path): footage.state for footage in walk.footage}

    # What is said of a take

    def _as_said(self, take: Take) -> tuple[Take, list[str]]:
        """The take by all that is said of it now, and where that differs."""
        path = Path(take.path)
        marks = self._marking.of(path)
        from_paper, notes = slate_from(marks)
        take, differing = marked(take, marks)
        slate = from_paper or self._slate_rules.slate_for(path)
        if not take.name or slate != take.slate:
            take = take.model_copy(update={"slate": slate, "name": self._unique_name(slate, path, former=take.name)})
        take, overruled = self._footage_rules.encoded(take)
        idle = self._footage_rules.idle_notes(take)
        return take, [*filter(None, [take.notes]), *notes, *differing, *overruled, *idle]

    def _unique_name(self, slate: Slate, path: Path, former: str) -> str:
        wanted = _fit_for_files(name_for(slate, path))
        # Counted on from the last of that name: ten thousand folders may each hold a "plate".
        count = self._name_counts.get(wanted, 1)
        name = wanted if count == 1 else f"{wanted}_{count}"
        while name != former and name in self._catalogue:
            count += 1
            name = f"{wanted}_{count}"
        self._name_counts[wanted] = count
        return name

    def _reading(self, listed: ListedFootage, take: Take | None) -> Reading:
        """How footage is to be read by the production, as far as it is known what it goes by."""
        if not listed.footage.frames:
            return Reading()
        if take is not None:
            return self._footage_rules.reading(words_of(take))
        path = listed.footage.path
        marks = self._marking.of(path)
        slate = slate_from(marks)[0] or self._slate_rules.slate_for(path)
        reels = [one.reel for one in marks if one.reel]
        words = (_fit_for_files(name_for(slate, path)), slate.setup, "".join(reels[-1:]), str(path))
        return self._footage_rules.reading(words)

    # Before it is read

    def unsettled(self) -> list[ListedFootage]:
        """The footage that must be read, in path order; all other has its outcome."""
        listed = map(self._vouching.of, self._walk.footage)
        return [job for one in listed if (job := self._job(one)) is not None]

    def _job(self, listed: ListedFootage) -> ListedFootage | None:
        footage, path = listed.footage, str(listed.footage.path)
        take = self._catalogue.take_at(path)
        said, notes = self._as_said(take) if take else (None, [])
        reading = self._reading(listed, said)
        if take is not None and said is not None and self._catalogue.file_state(path) == footage.state:
            if listed.settles(take) and reading == Reading(take.layer, take.named_rate):
                self._keep(take, said, notes, listed)
                return None
        elif self._is_known_duplicate(listed):
            return None
        return replace(listed, reading=reading)

    def _keep(self, take: Take, said: Take, notes: list[str], listed: ListedFootage) -> None:
        self._tally(said)
        said = _without_stale_proxy(take, said)
        outcome, told = _difference(take, said)
        if said != take:
            self._catalogue.put(said, listed.footage.state, replaces=take.path)
        self._rows.add(said.path, outcome, "; ".join([*told, *notes]), said.name)

    def _is_known_duplicate(self, listed: ListedFootage) -> bool:
        path = str(listed.footage.path)
        sha256, state = self._catalogue.duplicate_at(path) or ("", None)
        original = self._catalogue.take_of_content(sha256) if state == listed.footage.state else None
        if original is None or not self._is_current(original.path):
            return False
        self._rows.add(path, "duplicate", f"same content as {original.path}", original.name)
        return True

    def _is_current(self, path: str) -> bool:
        """Whether the take at ``path`` is still there as it was ingested, as far as size and time tell."""
        if path in self._states:
            return self._catalogue.file_state(path) == self._states[path]
        return not Path(path).is_relative_to(self._walk.source) and Path(path).exists()

    # After it was read

    def settle(self, outcome: Outcome[ListedFootage, Inspection], is_last: bool = False) -> ListedFootage | None:
        """Put what was read into the catalogue.

        Gives the footage back, with nothing done, if what it says of itself (its reel, say) shows that the
        production wants it read in another way; not where this is its last reading (``is_last``).
        """
        listed, path, state = outcome.job, outcome.job.footage.path, outcome.job.footage.state
        if outcome.result is None:
            self._catalogue.remove(str(path))
            self._rows.add(path, "quarantined", outcome.reason.removeprefix(f"{path.name} "))
            return None
        former, sha256 = self._catalogue.take_at(str(path)), outcome.result.sha256
        twin = self._catalogue.take_of_content(sha256)
        has_moved = twin is not None and twin.path != str(path)
        if twin is not None and has_moved:
            if self._is_current(twin.path):
                self._catalogue.put_duplicate(str(path), sha256, state)
                self._rows.add(path, "duplicate", f"same content as {twin.path}", twin.name)
                return None
            former = twin
        take, notes = self._built(listed, outcome.result, former)
        reading = self._reading(listed, take)
        if not is_last and reading != listed.reading:
            return replace(listed, reading=reading)
        was_read = self._catalogue.file_state(str(path)) == state
        if has_moved:
            self._catalogue.remove(str(path))
        replaces = twin.path if twin is not None and has_moved else None
        self._catalogue.put(take, state, replaces=replaces, digests=outcome.result.digests)
        self._tally(take)
        kind, told = _outcome_of_reading(former, take, was_read)
        self._rows.add(path, kind, "; ".join([*told, *notes]), take.name)
        return None

    def _built(self, listed: ListedFootage, inspection: Inspection, former: Take | None) -> tuple[Take, list[str]]:
        name, slate = (former.name, former.slate) if former else ("", Slate())
        reading, path = listed.reading, listed.footage.path
        take = take_from_info(
            inspection.info, name, path, inspection.sha256, slate, reading.layer, reading.rate is not None
        )
        take = take.model_copy(update={"blake3": inspection.digests.root, "hash_list": listed.hash_list})
        if former is not None:
            kept = ("split", "proxy_path", "proxy_encoding", "proxy_blake3")
            take = take.model_copy(update={name: getattr(former, name) for name in kept})
        take, notes = self._as_said(take)
        return _without_stale_proxy(former, take), [*filter(None, [listed.note]), *notes]

    def _tally(self, take: Take) -> None:
        if take.hash_list:
            self.num_verified += 1
        elif self._vouching.any_list:
            self.num_unlisted += 1

    def note_missing(self) -> None:
        """Report takes of this source whose files are gone, which stay in the catalogue, and listed files not there."""
        met = {str(path) for path, _ in (*self._walk.refused, *self._walk.ignored)}
        for path, name in self._catalogue.paths_under(self._walk.source):
            if path not in met and path not in self._states:
                self._rows.add(path, "missing", "no longer on disk", name)
        for listed, reason in self._vouching.missing():
            self._rows.add(listed, "missing", reason)


def _fit_for_files(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "take"


def _without_stale_proxy(former: Take | None, take: Take) -> Take:
    """The take without the proxy that was made of it when its pictures were others."""
    if former is None:
        return take
    same = (former.sha256, former.layer, former.rate) == (take.sha256, take.layer, take.rate)
    if same and (not former.proxy_encoding or former.encoding == take.encoding):
        return take
    return take.model_copy(update={"proxy_path": None, "proxy_encoding": "", "proxy_blake3": ""})


def _outcome_of_reading(former: Take | None, take: Take, was_read: bool) -> tuple[OutcomeKind, list[str]]:
    """What became of footage that was read, by the take it was; ``was_read`` says its file is as it was then."""
    if former is None:
        return "accepted", []
    if former.sha256 != take.sha256:
        return "changed", []
    outcome, told = _difference(former, take)
    if former.path != take.path:
        return "moved", [f"was at {former.path}", *told]
    if outcome == "known" and not was_read:
        return "changed", []
    if outcome == "known":
        return "known", [f"read again, {take.hash_list} vouches for it" if take.hash_list else "read again"]
    return outcome, told


def _difference(before: Take, after: Take) -> tuple[OutcomeKind, list[str]]:
    """How a take of the same content is now known otherwise, in words; ``known`` if it is not."""
    slated, read = [], []
    if after.name != before.name:
        slated.append(f"{before.name} is now {after.name}")
    elif _marks_of(after) != _marks_of(before):
        slated.append(
            f"{after.name} is now marked {after.reel or 'without reel'}, {after.start_timecode or 'without timecode'}"
        )
    if after.encoding != before.encoding:
        read.append(f"encoding {after.encoding or 'not known'}, was {before.encoding or 'not known'}")
    elif after.encoding_source != before.encoding_source:
        read.append(f"encoding {after.encoding} is now {after.encoding_source}, was {before.encoding_source}")
    if after.layer != before.layer:
        read.append(f"layer {after.layer or 'by default'}, was {before.layer or 'by default'}")
    if after.rate != before.rate:
        read.append(f"{after.rate} frames per second, was {before.rate}")
    return ("reslated" if slated else "recoded" if read else "known"), slated + read


def _marks_of(take: Take) -> tuple[object, ...]:
    return take.slate, take.reel, take.start_timecode
