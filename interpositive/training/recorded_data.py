"""Whether the footage and masks that a run learned from are here, as they were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.integrity import take_digest
from interpositive.dailies.take import Take
from interpositive.media.plate_colour import NATIVE
from interpositive.records.digests import sha256_of_path
from interpositive.records.reproduction import Finding
from interpositive.records.run_record import RunRecord, RunTake

_LEARNED_FROM = ("train", "val")


def compare_data(
    record: RunRecord, catalogue_path: Path, damage_paths: Mapping[str, str], progress: bool = True
) -> list[Finding]:
    """What is other in the catalogue, the takes' files (each is read whole) and the masks of known damage.

    Takes that neither trained nor judged the run are compared by name and split only.
    """
    if not catalogue_path.is_file():
        return [
            _missing(
                "the catalogue",
                record.catalogue,
                f"nothing at {catalogue_path}",
                "ingest the same dailies, and name the production's workspace with workspace=<folder>",
            )
        ]
    with Catalogue(catalogue_path) as catalogue:
        digest = catalogue.digest()
        here = {take.name: take for take in catalogue.takes()}
    found = _catalogues(record, here) if digest != record.catalogue_sha256 else []
    used = [take for take in record.takes if take.split in _LEARNED_FROM]
    bar = tqdm(used, desc="read the takes", unit="take", disable=not progress or not used)
    for take in bar:
        if take.name in here:
            found += _footage(take, here[take.name], record.encoding)
    return [*found, *_masks(record, damage_paths)]


def _catalogues(record: RunRecord, here: Mapping[str, Take]) -> list[Finding]:
    found = []
    recorded = {take.name: take for take in record.takes}
    for name, take in recorded.items():
        used = take.split in _LEARNED_FROM
        if name not in here:
            remedy = "ingest it again"
            what = f"take {name} ({take.split})"
            found.append(
                _missing(what, f"sha256 {take.sha256[:12]}", "not in the catalogue", remedy)
                if used
                else Finding(part="data", what=what, recorded="in the catalogue", here="not there", weight="none")
            )
        elif here[name].split != take.split:
            matters = used or here[name].split in _LEARNED_FROM
            found.append(
                Finding(
                    part="data",
                    what=f"split of take {name}",
                    recorded=take.split,
                    here=here[name].split,
                    weight="other result" if matters else "none",
                    remedy="the production's split rule holds out other takes now",
                )
            )
    for name in here.keys() - recorded.keys():
        split = here[name].split
        found.append(
            Finding(
                part="data",
                what=f"take {name}",
                recorded="not in the catalogue",
                here=split,
                weight="other result" if split in _LEARNED_FROM else "none",
                remedy="ingest into another workspace the dailies of that day alone",
            )
        )
    return found


def _footage(recorded: RunTake, take: Take, encoding: str) -> list[Finding]:
    path = Path(take.path)
    what = f"footage of {take.name}"
    if not path.exists():
        return [_missing(what, recorded.path, f"nothing at {path}", "restore it, or ingest it where it is now")]
    found = []
    if (sha256 := take_digest(path)) != recorded.sha256:
        remedy = "restore the footage from its source"
        found.append(_missing(what, f"sha256 {recorded.sha256[:12]}", f"sha256 {sha256[:12]}", remedy))
    # Native codes are the same whatever they are called.
    for name in ("layer",) if encoding == NATIVE else ("layer", "encoding"):
        was, is_now = getattr(recorded, name), getattr(take, name)
        if was != is_now:
            remedy = f"name it so in production.{name}s and ingest again"
            found.append(
                Finding(part="data", what=f"{name} of take {take.name}", recorded=was, here=is_now, remedy=remedy)
            )
    if recorded.proxy_blake3 != take.proxy_blake3:
        remedy = "give ingest the proxy_height that it had then"
        pair = (recorded.proxy_blake3[:12], take.proxy_blake3[:12])
        found.append(
            Finding(part="data", what=f"proxy of take {take.name}", recorded=pair[0], here=pair[1], remedy=remedy)
        )
    return found


def _masks(record: RunRecord, damage_paths: Mapping[str, str]) -> list[Finding]:
    found = []
    for name, given in sorted(damage_paths.items()):
        path, expected = Path(given), record.damage.get(name, "")
        if not (path.is_file() or path.is_dir()):
            remedy = f"name where it lies now: '+damage={{{name}: <mask>}}'"
            found.append(_missing(f"known damage of {name}", f"sha256 {expected[:12]}", f"nothing at {path}", remedy))
        elif not expected:
            what = f"known damage of {name}, whose digest was not recorded"
            found.append(Finding(part="data", what=what, weight="unknown"))
        elif (sha256 := sha256_of_path(path)) != expected:
            remedy = "restore the mask from its source"
            found.append(
                _missing(f"known damage of {name}", f"sha256 {expected[:12]}", f"sha256 {sha256[:12]}", remedy)
            )
    return found


def _missing(what: str, recorded: str, here: str, remedy: str) -> Finding:
    return Finding(part="data", what=what, recorded=recorded, here=here, weight="no run", remedy=remedy)
