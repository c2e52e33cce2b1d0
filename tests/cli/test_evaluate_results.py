"""``interpositive evaluate result=…`` as a user types it: the table, the score, and one message for each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from productions import panning_shot, write_shot

from interpositive.cli.hydra_app import config_folder
from interpositive.cli.verbs import evaluate

QUICK = ("metric=[psnr,luma_flicker]", "review_movies=false", "progress=false")


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, str]:
    """Two shots as they should be and as they came out, the second result better than the first."""
    for number, name in enumerate(("sh010", "sh020")):
        clean = panning_shot(number, num_frames=5)
        write_shot(tmp_path / "reference" / f"{name}.mov", clean)
        write_shot(tmp_path / "result" / f"{name}.mov", np.clip(clean + 0.02, 0, 1))
        write_shot(tmp_path / "against" / f"{name}.mov", np.clip(clean + 0.08, 0, 1))
        write_shot(tmp_path / "long" / f"{name}.mov", panning_shot(number, num_frames=6))
    return {role: f"{role}={tmp_path / role}" for role in ("result", "reference", "against")}


def test_a_folder_of_shots_is_judged_and_resumed(command: Any, pictures: dict[str, str], tmp_path: Path) -> None:
    ended = command("evaluate", *pictures.values(), *QUICK)
    assert ended.code == 0, ended.err
    folder = tmp_path / "result.evaluation"
    for told in ("sh010", "sh020", "means over 2 shots", "result minus against", "2 shots, 6 are needed", "rough"):
        assert told in ended.out
    assert f"evaluation: {folder}" in ended.out
    assert {"evaluation.json", "measures.json", "frames.csv", "shots.csv", "plots", "shots"} <= {
        path.name for path in folder.iterdir()
    }
    record = json.loads((folder / "evaluation.json").read_text())
    assert record["settings"]["metric.psnr"].startswith('{"_target_"') and record["versions"] and record["machine"]
    again = command("evaluate", *pictures.values(), *QUICK)
    assert again.code == 0 and again.out == ended.out


def test_other_settings_need_another_folder(command: Any, pictures: dict[str, str], tmp_path: Path) -> None:
    given = (pictures["result"], pictures["reference"], *QUICK)
    assert command("evaluate", *given).code == 0
    ended = command("evaluate", *given, "metric.psnr.ceiling_db=100")
    assert ended.code == 5 and "100" in ended.err and "150.0" in ended.err and "output=" in ended.err
    assert command("evaluate", *given, "metric.psnr.ceiling_db=100", f"output={tmp_path / 'other'}").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], ["either a run or a result", "neither", "result=<movie or folder>"]),
        (["run=a", "result=b"], ["either a run or a result", "run=a result=b"]),
        (["reference=b"], ["either a run or a result", "reference=b"]),
        (["run=a", "mask=b"], ["its own held-out takes", "run=a mask=b"]),
        (["result=nowhere.mov"], ["no result at"]),
        (["result=.", "rate=fast"], ["no frame rate", "fast", "24000/1001"]),
        (["result=.", "rate=24/0"], ["no frame rate"]),
        (["result=.", "metric=[no_such]"], ["no metric named no_such"]),
        (["result=.", "metric.psnr.ceiling=3"], ["ceiling"]),
        (["result=.", "lpips_weights=x.pth"], ["lpips_weights"]),
        (["result=.", "refrence=x"], ["did you mean reference?"]),
        (["result=."], ["holds no shots"]),
    ],
)
def test_mistakes_have_one_message(command: Any, arguments: list[str], told: list[str]) -> None:
    ended = command("evaluate", *arguments)
    assert ended.code in (2, 3) and "Traceback" not in ended.err and ended.err.startswith("interpositive evaluate: ")
    assert all(words in ended.err for words in told), ended.err


def test_a_mismatch_shows_both_values(command: Any, pictures: dict[str, str], tmp_path: Path) -> None:
    result = f"result={tmp_path / 'result' / 'sh010.mov'}"
    ended = command("evaluate", result, f"reference={tmp_path / 'long' / 'sh010.mov'}", *QUICK)
    assert ended.code == 3 and "5 frames (result)" in ended.err and "6 frames (reference)" in ended.err
    assert "to mend:" in ended.err and not (tmp_path / "result" / "sh010.evaluation").exists()
    ended = command("evaluate", pictures["result"], f"plate={tmp_path / 'long'}", *QUICK)
    assert ended.code == 3 and "2 of 2 shots cannot be judged: sh010, sh020" in ended.err


def test_a_sweeper_is_given_the_mean_psnr(pictures: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    plain = OmegaConf.load(config_folder() / "evaluate.yaml")
    del plain["defaults"]
    chosen = {"psnr": {"_target_": "interpositive.metrics.psnr.Psnr"}}
    given = {"result": str(tmp_path / "result"), "reference": str(tmp_path / "reference"), "metric": chosen}
    config = OmegaConf.merge(plain, given, {"progress": False, "review_movies": False})
    score = evaluate.run(config)  # type: ignore[arg-type]
    assert score == pytest.approx(20 * np.log10(1 / 0.02), abs=1.5)
    assert evaluate.run(OmegaConf.merge(config, {"reference": None, "output": str(tmp_path / "alone"), "metric": {
        "psnr": chosen["psnr"], "luma_flicker": {"_target_": "interpositive.metrics.luma_flicker.LumaFlicker"}}})) is None  # type: ignore[arg-type]  # fmt: skip # noqa: E501
