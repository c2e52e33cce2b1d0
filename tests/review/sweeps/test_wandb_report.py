"""The W&B Report of a sweep: the page's own numbers, built without a network, and nothing of this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpositive.errors import RunFolderError
from interpositive.records.sweep_record import Objective, ParameterSpace, SweepRecord, TrialRecord, trial_folder
from interpositive.review.page import write_review
from interpositive.review.sweeps import verdict as words
from interpositive.review.sweeps.subject import read_sweep
from interpositive.review.sweeps.wandb_report import build_report, report_json

pytest.importorskip("wandb_workspaces", reason="wandb-workspaces is not installed")
# The package's own, of its older style of validators.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1 style")
Build = Callable[..., Path]
SCRIPT = Path(__file__).parents[3] / "scripts" / "wandb_report.py"
COST = Objective(name="seconds_training", direction="minimize")
PSNR = Objective(name="held_out/psnr_hole/trained", direction="maximize")
FLICKER = Objective(name="held_out/flicker_score/trained", direction="minimize")
NO_NETWORK = """
import runpy, socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("it asked for a network")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def blocks_of(report: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in report["spec"]["blocks"] if block["type"] == kind]


def words_of(report: dict[str, Any]) -> str:
    """All Markdown of a report, as it is read."""
    return re.sub(r"\\(.)", r"\1", "\n".join(block["content"] for block in blocks_of(report, "markdown-block")))


def test_script_builds_it_without_network_or_login(make_sweep: Build, tmp_path: Path) -> None:
    folder = make_sweep(12, objectives=(PSNR, FLICKER, COST), failed=(4,))
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(SCRIPT.parents[1])}
    command = [sys.executable, "-c", NO_NETWORK, str(SCRIPT), str(folder)]
    ended = subprocess.run(command, env=home, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    path = folder / "wandb_report.json"
    assert ended.stdout == f"report, as it would be sent: {path}\n"
    assert path.read_text() == report_json(build_report(read_sweep(folder), "interpositive"))
    ended = subprocess.run([*command, "--save"], env=home, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "saving a report needs a login to W&B" in ended.stderr


def test_report_and_page_say_the_same(make_sweep: Build) -> None:
    folder = make_sweep(12, objectives=(PSNR, FLICKER, COST), failed=(4,))
    subject = read_sweep(folder)
    page = re.sub(r"<[^>]+>", "", write_review(folder).read_text()).replace("&#x27;", "'").replace("&amp;", "&")
    report = json.loads(report_json(build_report(subject, "interpositive")))
    text = words_of(report)
    for sentence in [*words.verdict(subject), *words.doubts(subject)]:
        assert sentence in page and sentence in text
    for number in subject.figures.front:
        trial = subject.figures.trial(number)
        row = [words.value_words(o, trial.values[o.name]) for o in subject.figures.objectives]
        assert f"| {number} | {' | '.join(row)} |" in text
        assert "".join(row) in page
    assert text.count("\n| 4 | failed, exit code 8 |") == 1
    for strength in re.findall(r"\| (0\.\d\d) \| 0\.\d\d \|", text):
        assert strength in page


def test_panels_look_at_the_runs_of_the_group(make_sweep: Build) -> None:
    report = json.loads(report_json(build_report(read_sweep(make_sweep(9)), "wires", group='a "b" = c')))
    grid = blocks_of(report, "panel-grid")[0]["metadata"]
    told = grid["runSets"][0]["filters"]["filters"][0]
    assert (told["key"], told["value"]) == ({"section": "run", "name": "group"}, 'a "b" = c')
    panels = {panel["viewType"]: panel["config"] for panel in grid["panelBankSectionConfig"]["panels"]}
    columns = panels["Parallel Coordinates Plot"]["columns"]
    assert columns[0] == {
        "accessor": "config:trainer.value.learning_rate", "displayName": "learning_rate", "inverted": False, "log": True
    }  # fmt: skip
    assert columns[-1]["accessor"] == "summary:held_out/flicker_score/trained" and columns[-1]["inverted"]
    assert panels["Scatter Plot"]["xAxis"] == "summary:held_out/psnr_hole/trained"
    assert panels["Media Browser"]["mediaKeys"] == ["preview", "held_out/video"]


def test_nothing_of_the_machine_goes_in(make_sweep: Build) -> None:
    planted = "hunter2"
    space = (ParameterSpace(key="mini_model.weights", choices=[f"/srv/{planted}/a.safetensors", "plain"]),)
    facts = {"name": f"/srv/{planted}/rates", "overrides": [f"wandb.entity={planted}"], "sampler": "grid"}
    folder = make_sweep(9, space=space, record=facts, failed=(3,), reason=f"no file /srv/{planted}/key")
    sweep, trial = SweepRecord.read(folder), TrialRecord.read(trial_folder(folder, 3))
    assert planted in sweep.model_dump_json() and planted in trial.model_dump_json()
    text = report_json(build_report(read_sweep(folder), "interpositive"))
    assert planted not in text and "/srv" not in text and str(folder.parent) not in text
    assert "10A_T02_B" not in text, "names of takes stay here"
    assert "(left out: a path)" in text and "plain" in text and "| rates" not in text and "rates" in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"asked": 5}, "2 of 5 trials still to come"), ({"failed": (0, 1, 2)}, "no trial of .* finished")],
)
def test_sweeps_that_say_nothing_yet_are_refused(make_sweep: Build, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RunFolderError, match=told):
        build_report(read_sweep(make_sweep(3, **changes)), "interpositive")
