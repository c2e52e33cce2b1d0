"""Do the recorded experiments still come out the same? Renders, ingests and trains each anew, and compares.

    python scripts/check_reproductions.py [--only pan] [--record]

Each folder of experiments/reproduced has the overrides of one run, and the run folder that it left when it was
recorded, without checkpoints and previews. On the same class of machine the archived weights must be the same bytes, on
another they must be within the tolerance. There the stage itself may round otherwise, so that the footage is not the
recorded one; the run is then trained on what was rendered here, and the score that chose the checkpoint must agree
within half a decibel. Exits with 1 when one does not hold. --record makes the recorded runs anew, from a checkout
without changes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from interpositive.records.code_state import CODE_DIFF_NAME, measure_code
from interpositive.records.reproduction import ReproductionRecord
from interpositive.records.run_record import RunRecord
from interpositive.training.comparing_runs import compare_runs
from interpositive.training.surroundings import measure_machine

HOME = Path(__file__).resolve().parents[1] / "experiments" / "reproduced"
MOST_DECIBELS = 0.5
LEFT_OUT = {"checkpoints", "previews", "wandb", CODE_DIFF_NAME}
Process = subprocess.CompletedProcess[str]
PRODUCTION = ("production=soundstage", "production.workspace=production")


@dataclass(frozen=True)
class Outcome:
    """One experiment, checked: whether it holds, and a line that says it."""

    name: str
    holds: bool
    line: str
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="the name of one experiment")
    parser.add_argument("--record", action="store_true", help="make the recorded runs anew")
    given = parser.parse_args()
    folders = [path.parent for path in sorted(HOME.glob("*/experiment.yaml"))]
    if given.only:
        folders = [folder for folder in folders if folder.name == given.only]
    if not folders:
        sys.exit(f"no experiment of that name in {HOME}")
    if given.record and measure_code().state.differs:
        sys.exit("the checkout has changes: commit them first, so that the record names code that can be had again")
    machine = measure_machine()
    print(f"{machine.processor}, {machine.capability}, {machine.cores} cores, {machine.threads} threads", flush=True)
    outcomes = []
    for folder in folders:
        with tempfile.TemporaryDirectory(prefix="interpositive_") as scratch:
            outcomes.append((record if given.record else check)(folder, Path(scratch)))
        done = outcomes[-1]
        print(f"{done.name:<12} {'holds' if done.holds else 'FAILS'}  {done.seconds:5.0f} s  {done.line}", flush=True)
    sys.exit(0 if all(outcome.holds for outcome in outcomes) else 1)


def record(folder: Path, scratch: Path) -> Outcome:
    """Train, and keep what the run left but for what is large."""
    started = time.monotonic()
    make_production(folder, scratch)
    train(folder, scratch)
    shutil.rmtree(folder / "run", ignore_errors=True)
    shutil.copytree(scratch / "run", folder / "run", ignore=lambda _, names: LEFT_OUT & set(names))
    written = RunRecord.read(folder / "run")
    # Where footage lay is nobody's business, and never the same again.
    takes = [take.model_copy(update={"path": f"stage/dailies/{Path(take.path).name}"}) for take in written.takes]
    changes = {"takes": takes, "catalogue": "production/catalogue.sqlite"}
    written.model_copy(update=changes).write(folder / "run")
    num_bytes = sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file())
    return Outcome(folder.name, True, f"recorded, {num_bytes / 1000:.0f} kB", time.monotonic() - started)


def check(folder: Path, scratch: Path) -> Outcome:
    """Reproduce on the stage that is rendered here."""
    started = time.monotonic()
    make_production(folder, scratch)
    told = [f"run={folder / 'run'}", "workspace=production", "output=anew", "progress=false"]
    done = command("reproduce", scratch, *told, refuse_failure=False)
    if (scratch / "anew" / "reproduction.json").is_file():
        account = ReproductionRecord.read(scratch / "anew")
        holds, line = account.verdict in ("equal", "within tolerance"), told_of(account)
        if account.verdict == "within tolerance" and is_same_class(folder):
            holds, line = False, f"{line}, on the same class of machine"
    elif is_same_class(folder):
        holds, line = False, " ".join(done.stderr.split())
    else:
        holds, line = compare_scores(folder, scratch)
    return Outcome(folder.name, holds, line, time.monotonic() - started)


def told_of(account: ReproductionRecord) -> str:
    """The verdict and, where the weights are not the same, how far they and the score are, and the likeliest cause."""
    if account.verdict == "equal":
        return "equal, byte for byte"
    score = "held_out/psnr_hole/trained"
    was, is_now = account.scores[score]
    return (
        f"{account.verdict}: weights {account.distance:.2g} of their length apart, {score} {was:.3f} → {is_now:.3f}; "
        f"{account.first_difference}"
    )


def compare_scores(folder: Path, scratch: Path) -> tuple[bool, str]:
    """On another class of machine: the same configuration on the footage of here, judged by its score alone."""
    train(folder, scratch)
    compared = compare_runs(folder / "run", scratch / "run")
    was, is_now = compared.scores[compared.score]
    assert was is not None and is_now is not None
    line = f"another class of machine, and footage rendered here: {compared.score} {was:.3f} → {is_now:.3f}"
    return abs(was - is_now) <= MOST_DECIBELS, line


def is_same_class(folder: Path) -> bool:
    recorded, here = RunRecord.read(folder / "run").starts[0].machine, measure_machine()
    # A reproduction takes as many threads as the run had.
    return recorded.arithmetic | {"threads": ""} == here.arithmetic | {"threads": ""}


def make_production(folder: Path, scratch: Path) -> None:
    told = yaml.safe_load((folder / "experiment.yaml").read_text())
    command("soundstage", scratch, "output=stage", *told["stage"], "progress=false")
    command("ingest", scratch, *PRODUCTION, "source=stage/dailies", "progress=false")


def train(folder: Path, scratch: Path) -> None:
    told = yaml.safe_load((folder / "experiment.yaml").read_text())
    quiet = ("wandb=disabled", "progress=false", "run_folder=run")
    command("train", scratch, *PRODUCTION, *told["train"], *quiet)


def command(verb: str, here: Path, *arguments: str, refuse_failure: bool = True) -> Process:
    """One verb as a user types it, in a folder of its own; one thread, as every machine has."""
    done = subprocess.run(
        [sys.executable, "-m", "interpositive.cli.main", verb, *arguments],
        cwd=here,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HOME.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and refuse_failure:
        sys.exit(f"interpositive {verb} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


if __name__ == "__main__":
    main()
