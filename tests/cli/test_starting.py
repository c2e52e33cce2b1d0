"""``train start_from=``: what may be begun with, what is recorded of it, and that it is found again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from productions import SMALL_TRAINING, TinyProduction

from interpositive.cli.hydra_app import config_folder
from interpositive.cli.runs import open_run
from interpositive.cli.starting import footage_of
from interpositive.cli.training import train_here
from interpositive.cli.verbs.export import _about
from interpositive.dailies.take import Take
from interpositive.mini_models.archive import archive_digest, load_archive
from interpositive.records.run_record import RunRecord
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production

Command = Callable[..., Any]
GRANT = "production.grants=[{of: tiny, to: other, by: A. Producer, on: '2026-11-30', document: letter 12}]"


@pytest.fixture(scope="module")
def settings(tiny_production: TinyProduction) -> list[str]:
    places = [f"production.workspace={tiny_production.folder}", "production.training_height=64"]
    return [*places, *SMALL_TRAINING, "mini_model.crop_px=32", "metric=[psnr]", "wandb=disabled", "progress=false"]


@pytest.fixture(scope="module")
def base(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the production called tiny, which no test may change."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("train", [*settings, "production.name=tiny"]), resolve=True)
    folder = tmp_path_factory.mktemp("base") / "run"
    train_here(plain, folder)
    return folder


@pytest.fixture
def train(command: Command, settings: list[str]) -> Callable[..., Any]:
    """``train(name, start, …)`` begins a run of a production with another."""

    def start(name: str, start_from: Path, *others: str) -> Any:
        return command("train", *settings, f"production.name={name}", f"start_from={start_from}", *others)

    return start


def test_a_run_goes_on_from_the_production_s_own_and_is_trained_anew_from_there(
    train: Callable[..., Any], command: Command, base: Path, tmp_path: Path
) -> None:
    ended = train("tiny", base, "adapter=norms", "dry_run=true")
    assert ended.code == 0 and "begins with what tiny learned" in " ".join(ended.out.split())
    start, run = Path(shutil.copytree(base, tmp_path / "start")), tmp_path / "run"
    ended = train("tiny", start, "adapter=lora", "adapter.rank=2", f"run_folder={run}")
    assert ended.code == 0, ended.err
    record = RunRecord.read(run)
    (begun,) = record.begun_with
    assert begun.archive_sha256 == archive_digest(base / "archive") and begun.because == "it is this production's own"
    assert record.adapter == "lora of rank 2" and 0 < record.num_parameters < RunRecord.read(base).num_parameters
    assert (run / "config.yaml").read_text().splitlines()[1] == f"# begins with {begun.archive_sha256}"
    assert load_archive(run / "archive")[1].begun_with == [begun]
    assert begun.words() in _about(open_run(run)).origins, "what is exported from it says so too"

    anew = ["reproduce", f"run={run}", "progress=false", "check_only=true"]
    shutil.move(start, tmp_path / "elsewhere")
    ended = command(*anew)
    assert ended.code == 10 and "data: what the run began with: archive sha256" in ended.err
    ended = command("reproduce", f"run={run}", "progress=false", f"start_from={tmp_path / 'elsewhere'}")
    assert ended.code == 0, ended.err
    # Another mini-model of the same shapes lies there now.
    shutil.rmtree(tmp_path / "elsewhere")
    shutil.copytree(run, tmp_path / "elsewhere")
    ended = command(*anew, f"start_from={tmp_path / 'elsewhere'}")
    assert ended.code == 10 and "data: what the run began with: archive sha256" in ended.err


def test_what_another_production_learned_needs_a_grant(train: Callable[..., Any], base: Path, tmp_path: Path) -> None:
    for start in (base, base / "archive"):
        ended = train("other", start, f"run_folder={tmp_path / 'run'}")
        assert ended.code == 11 and "tiny may not be used in other" in ended.err
        assert "a grant of tiny to other" in ended.err and not (tmp_path / "run").exists()
    ended = train("other", base / "archive", GRANT, f"run_folder={tmp_path / 'run'}")
    assert ended.code == 0, ended.err
    (note, *_) = RunRecord.read(tmp_path / "run").notes
    assert note.endswith("granted by A. Producer on 2026-11-30: tiny to other (letter 12)")
    # What a third production begins with from there was still learned from the first.
    ended = train("tiny", tmp_path / "run", f"run_folder={tmp_path / 'third'}")
    assert ended.code == 11 and "other may not be used in tiny" in ended.err


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["mini_model.scorer_width=8"], "has weights of other shapes"),
        (["adapter=lora", "start_from=null"], "an adapter learns beside what was learned before"),
        (["adapter=lora", "adapter.rank=0"], "adapter.rank"),
        (["start_from=nowhere"], "there is nothing to start from"),
        (["production.grants=[{of: a, to: b}]"], "production.grants"),
    ],
)
def test_what_cannot_be_begun_with_is_refused(
    train: Callable[..., Any], base: Path, tmp_path: Path, others: list[str], said: str
) -> None:
    ended = train("tiny", base, f"run_folder={tmp_path / 'run'}", *others)
    assert ended.code in (2, 3) and said in ended.err and not (tmp_path / "run").exists()


def test_a_run_that_was_changed_is_not_begun_with(train: Callable[..., Any], base: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(base, tmp_path / "changed"))
    content = json.loads((changed / "run.json").read_text())
    (changed / "run.json").write_text(json.dumps(content | {"production": "other"}))
    ended = train("other", changed, f"run_folder={tmp_path / 'run'}")
    assert ended.code == 4 and "not what this run wrote" in ended.err


def test_an_adapter_learns_on_two_processes(train: Callable[..., Any], base: Path, tmp_path: Path) -> None:
    ended = train("tiny", base, "adapter=lora", "compute=two_process_cpu", f"run_folder={tmp_path / 'run'}")
    assert ended.code == 0, ended.err
    assert load_archive(tmp_path / "run" / "archive")[1].begun_with[0].production == "tiny"


def test_the_stage_vouches_for_its_own_movies_alone(tmp_path: Path, tiny_production: TinyProduction) -> None:
    spec = StageSpec(width=64, height=48, num_frames=1, scenes=("27",), takes_per_scene=1)
    (movie,) = render_production(spec, tmp_path / "stage", with_truth=False, progress=False)
    digest = json.loads((tmp_path / "stage" / "stage.json").read_text())["takes"][movie.stem]["sha256"]
    camera = tiny_production.takes_of("train")[0]

    def take(**changes: Any) -> Take:
        return camera.model_copy(update={"path": str(movie), "sha256": digest, **changes})

    assert footage_of([take(), take(split="val")]) == "soundstage"
    assert footage_of([take(), take(sha256=camera.sha256)]) == "camera", "a movie that was put there afterwards"
    assert footage_of([take(), camera]) == "camera" and footage_of([camera]) == "camera"
