"""Can a checkpoint be trusted? Flips, cuts and forgeries, on the checkpoints of a real training.

    python scripts/check_checkpoints.py
    python scripts/check_checkpoints.py --flips 100 --cuts 5 --resumes 1

Flips: single bits of all files of the newest checkpoint, every second one anywhere, the others as often in one part
as in another. Each must be refused, its file and tensor named, and the checkpoint before used; after
some of them the run is taken up again, and must end with the archive of the run that nobody touched. Cuts: each file
ends early. Forgeries: headers and records that lie, and what is no file; refused within memory of twice the files
and 16 MiB. Exits 1 when one check is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import torch
from blake3 import blake3

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.ingest import ingest
from interpositive.errors import IntegrityError
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.records.run_record import RunRecord
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.checkpoint_format import (
    MAX_JSON_BYTES,
    RECORD_NAME,
    STATE_NAME,
    TENSORS_NAME,
    newest_valid_checkpoint,
    read_checkpoint,
)
from interpositive.training.run import train_mini_model
from interpositive.training.settings import ComputeSettings, TrainSettings

BEFORE, NEWEST, LAST = 4, 6, 8
NAMES = (RECORD_NAME, STATE_NAME, TENSORS_NAME)
MIB = 1 << 20


class SmallProduction:
    """A production of the soundstage, and a training of a few steps on it; ``arguments`` are the mini-model's."""

    def __init__(self, folder: Path, **arguments: Any) -> None:
        self.folder = folder
        self.arguments = {"crop_px": 32, "crops_per_frame": 2, "frames_per_window": 2, **arguments}
        spec = StageSpec(num_frames=16, width=128, height=96, scenes=("12A", "44C"), takes_per_scene=1)
        render_production(spec, folder / "stage", with_truth=False, progress=False)
        ingest(folder / "stage" / "dailies", folder / "catalogue.sqlite", num_workers=0, progress=False)
        with Catalogue(folder / "catalogue.sqlite") as catalogue:
            self.takes = [take.model_copy(update={"split": "train"}) for take in catalogue.takes()]

    def train(self, run_folder: Path) -> RunRecord:
        """Start, or take up, a run of eight steps with a checkpoint at every second."""
        torch.manual_seed(0)
        mini_model, task = CandidateFusion(**self.arguments), WireRemoval()
        dailies = ProductionDataModule(
            self.takes,
            task.example,
            mini_model.prepare,
            folder=self.folder / "prepared",
            recipe_digest="check",
            window_frames=8,
            num_windows=3,
            num_val_windows=1,
            batch_size=2,
            num_prepare_workers=0,
            progress=False,
        )
        settings = TrainSettings(
            max_steps=LAST,
            warmup_steps=2,
            checkpoint_every=2,
            keep_checkpoints=3,
            validate_every=LAST,
            judge_every=4,
            held_out_windows=1,
            held_out_frames=2,
            progress=False,
        )
        return train_mini_model(
            mini_model,
            dailies,
            task.example,
            folder=run_folder,
            production="check",
            task=task.name,
            arguments=self.arguments,
            catalogue_path=self.folder / "catalogue.sqlite",
            catalogue_sha256="0" * 64,
            config_text="check: checkpoints\n",
            settings=settings,
            compute=ComputeSettings(accelerator="cpu"),
        )


def cut_short(whole: Path, cut: Path) -> Path:
    """A copy of a finished run as a kill after step 6 would have left it; gives its checkpoints."""
    shutil.copytree(whole, cut)
    (cut / "run.json").unlink()
    shutil.rmtree(cut / "archive")
    shutil.rmtree(cut / "checkpoints" / f"step={LAST}.ckpt")
    return cut / "checkpoints"


def part_of(folder: Path, name: str, offset: int) -> str:
    """How a refusal must name a byte, as the safetensors format has it."""
    if name != TENSORS_NAME:
        return f"{name} is damaged"
    content = (folder / name).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for tensor, place in json.loads(content[8:start]).items():
        if place["data_offsets"][0] <= offset - start < place["data_offsets"][1]:
            return f"{name} is damaged in {tensor}"
    return f"{name} is damaged in its header"


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    """Inside, the file has other bytes."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def count_flips(checkpoints: Path, num_flips: int, chance: random.Random) -> tuple[int, dict[str, int]]:
    """Flips that were refused by name with the checkpoint before used, and how many fell where."""
    folder = checkpoints / f"step={NEWEST}.ckpt"
    files = {name: (folder / name).read_bytes() for name in NAMES}
    header = 8 + int.from_bytes(files[TENSORS_NAME][:8], "little")
    parts = [*((name, len(content)) for name, content in files.items()), (TENSORS_NAME, header)]
    found, places = 0, dict.fromkeys((*NAMES, "the header"), 0)
    for number in range(num_flips):
        weights = [*(length for _, length in parts[:3]), 0] if number % 2 else [1] * 4
        ((name, length),) = chance.choices(parts, weights)
        offset, bit = chance.randrange(length), chance.randrange(8)
        expected = part_of(folder, name, offset)
        places["the header" if expected.endswith("header") else name] += 1
        flipped = bytearray(files[name])
        flipped[offset] ^= 1 << bit
        with changed(folder / name, flipped):
            used = newest_valid_checkpoint(checkpoints)
        told = used.damaged[0].splitlines()[0] if used.damaged else "nothing"
        good = used.step == BEFORE and told == f"{folder}/{expected}"
        found += good
        if not good:
            print(f"MISSED  {name} byte {offset}: step {used.step} used, told: {told}, expected: {expected}")
    return found, places


def count_resumes(production: SmallProduction, whole: Path, num: int, chance: random.Random) -> int:
    """Runs that went on from the checkpoint before a damaged one, said so, and ended like the whole run."""
    equal = 0
    expected = RunRecord.read(whole).archive_sha256
    for number in range(num):
        run = whole.parent / f"resumed_{number}"
        path = cut_short(whole, run) / f"step={NEWEST}.ckpt" / NAMES[number % 3]
        content = bytearray(path.read_bytes())
        bit = chance.randrange(8 * len(content))
        told = part_of(path.parent, path.name, bit // 8)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        record = production.train(run)
        equal += record.archive_sha256 == expected and any(told in note for note in record.notes)
        shutil.rmtree(run)
    return equal


def count_cuts(checkpoints: Path, num_cuts: int, chance: random.Random) -> tuple[int, int]:
    """Files that end early, at every kind of place, and how many of them were refused."""
    folder, refused, tried = checkpoints / f"step={NEWEST}.ckpt", 0, 0
    for name in NAMES:
        content = (folder / name).read_bytes()
        for end in {0, 1, 8, len(content) - 1, *(chance.randrange(len(content)) for _ in range(num_cuts))}:
            with changed(folder / name, content[:end]):
                used = newest_valid_checkpoint(checkpoints)
            tried += 1
            refused += used.step == BEFORE and name in used.damaged[0]
    return refused, tried


def seal(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let a record say something else, and agree with itself."""
    record = json.loads((folder / RECORD_NAME).read_text())
    del record["record_blake3"]
    change(record)
    text = json.dumps(record, separators=(",", ":")).encode()[:-1]
    (folder / RECORD_NAME).write_bytes(text + f',"record_blake3":"{blake3(text).hexdigest()}"}}\n'.encode())


def forgeries(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What each forgery is, and how to make it of a good checkpoint."""
    tensors, state = folder / TENSORS_NAME, folder / STATE_NAME
    content = tensors.read_bytes()
    size = int.from_bytes(content[:8], "little")
    places = json.loads(content[8 : 8 + size])
    first, second = list(places)[:2]
    for length in (2**63 - 1, 2**40, len(content), size - 8):
        yield (
            f"header of {length} bytes",
            lambda length=length: tensors.write_bytes(length.to_bytes(8, "little") + content[8:]),
        )
    end = len(content) - 8 - size
    for kind, offsets in {
        "overlap": places[first]["data_offsets"],
        "hole": [end - 4, end],
        "beyond the file": [end, 2**50],
        "backwards": [8, 0],
    }.items():
        header = json.dumps(places | {second: places[second] | {"data_offsets": offsets}}, separators=(",", ":"))
        text = header.encode().ljust(size + 8 - size % 8 if len(header) > size else size)
        yield (
            f"offsets: {kind}",
            lambda text=text: tensors.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :]),
        )
    for kind, changes in {
        "a tensor of 2^60 numbers": {"shape": [2**30, 2**30]},
        "a negative shape": {"shape": [-1, -1]},
        "an unknown dtype": {"dtype": "F31"},
        "another dtype": {"dtype": "I16"},
    }.items():
        yield kind, lambda changes=changes: seal(folder, lambda record: record["tensors"][first].update(changes))
    yield "a tensor too few", lambda: seal(folder, lambda record: record["tensors"].pop(first))
    texts = {
        "a state nested without end": b"[" * (MAX_JSON_BYTES // 2),
        "a state that is no mapping": b"[1]",
        "a state without its tensors": b"{}",
        "a tensor used twice": b'{"a":{"$tensor":"%b"},"b":{"$tensor":"%b"}}' % (first.encode(), first.encode()),
        "a tensor that is not there": b'{"a":{"$tensor":"nowhere"}}',
        "a state too large": b" " * (MAX_JSON_BYTES + 1),
    }
    for kind, text in texts.items():

        def forge(text: bytes = text) -> None:
            state.write_bytes(text)
            digest = blake3(text).hexdigest()
            seal(folder, lambda record: record.update(state_bytes=len(text), state_blake3=digest))

        yield kind, forge
    yield "a record without end", lambda: (folder / RECORD_NAME).write_bytes(b'{"a":' * (20 * MIB))
    yield "a pickle", lambda: torch.save({"a": torch.ones(3)}, tensors)
    yield "an archive at the end", lambda: tensors.write_bytes(content + b"PK\x05\x06" + bytes(18))
    yield "a sparse file of 1 TiB", lambda: os.truncate(tensors, 1 << 40)
    yield "a link", lambda: (tensors.rename(folder.parent / "elsewhere"), tensors.symlink_to("../elsewhere"))
    yield "a pipe", lambda: (state.unlink(), os.mkfifo(state))
    yield "one file more", lambda: (folder / "more.json").touch()


def peak_bytes(work: Callable[[], object]) -> int:
    """Memory that work takes beyond what the process had."""

    def status(key: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])

    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


def count_forgeries(folder: Path) -> tuple[int, int]:
    """Forgeries refused within bounded memory, and how many there are."""
    refused = 0
    names = [kind for kind, _ in forgeries(folder)]
    for index, kind in enumerate(names):
        forged = folder.parent / "forged" / folder.name
        shutil.copytree(folder, forged)
        list(forgeries(forged))[index][1]()
        size = sum(min(path.stat().st_size, 1 << 30) for path in forged.iterdir())

        def refuse(forged: Path = forged) -> None:
            try:
                read_checkpoint(forged)
            except IntegrityError:
                return
            raise AssertionError("it was read")

        try:
            peak = peak_bytes(refuse)
            good = peak <= 2 * size + 16 * MIB
            told = "" if good else f"took {peak / MIB:.0f} MiB for {size / MIB:.1f}"
        except AssertionError as error:
            good, told = False, str(error)
        refused += good
        if not good:
            print(f"MISSED  {kind}: {told}")
        shutil.rmtree(forged.parent)
    return refused, len(names)


def main() -> int:
    """Train, damage, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=50, help="of each file")
    parser.add_argument("--resumes", type=int, default=6)
    choices = parser.parse_args()
    chance, rows = random.Random(1), []
    print(f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        production = SmallProduction(Path(name))
        whole = Path(name) / "whole"
        production.train(whole)
        checkpoints = cut_short(whole, Path(name) / "cut")
        newest = checkpoints / f"step={NEWEST}.ckpt"
        sizes = {name: (newest / name).stat().st_size for name in NAMES}
        print("the checkpoint: " + ", ".join(f"{name} {size} bytes" for name, size in sizes.items()))

        found, places = count_flips(checkpoints, choices.flips, chance)
        rows.append(("bits flipped, named, the one before used", found, choices.flips))
        print("flips fell: " + ", ".join(f"{num} in {place}" for place, num in places.items()))
        rows.append(
            (
                "resumed beside a damaged one, ended equal",
                count_resumes(production, whole, choices.resumes, chance),
                choices.resumes,
            )
        )
        rows.append(("files cut short", *count_cuts(checkpoints, choices.cuts, chance)))
        rows.append(("forgeries refused in bounded memory", *count_forgeries(newest)))
    print(f"\n{'check':<44} {'held':>6}")
    for kind, held, tried in rows:
        print(f"{kind:<44} {held:>6} of {tried}")
    return int(any(held != tried for _, held, tried in rows))


if __name__ == "__main__":
    sys.exit(main())
