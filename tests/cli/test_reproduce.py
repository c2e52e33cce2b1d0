"""A finished run trained anew ends byte for byte as it did, or the first thing that is other is named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from productions import TinyProduction, make_production

from interpositive.cli.hydra_app import config_folder
from interpositive.cli.training import train_here
from interpositive.records.digests import sha256_of_value
from interpositive.records.reproduction import ReproductionRecord
from interpositive.records.run_record import RunRecord

SMALL = [
    *("production.training_height=64", "dailies.window_frames=8", "dailies.num_windows=2", "dailies.num_val_windows=1"),
    *(
        "dailies.batch_size=2",
        "dailies.num_prepare_workers=0",
        "finder.max_steps=0",
        "trainer.max_steps=3",
        "trainer.warmup_steps=1",
    ),
    *("trainer.validate_every=3", "trainer.checkpoint_every=3", "trainer.held_out_windows=1"),
    *("trainer.held_out_frames=1", "mini_model.scorer_width=4", "mini_model.residual_widths=[4,4,4]"),
    *("mini_model.crop_px=32", "mini_model.flow_offsets=[1]", "mini_model.camera_offsets=[2]"),
    *("metric=[psnr]", "wandb=disabled", "progress=false", "seed=3"),
]
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> TinyProduction:
    return make_production(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def trained(production: TinyProduction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, which no test may change."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        places = [f"production.workspace={production.folder}", "production.name=tiny"]
        plain: Any = OmegaConf.to_container(compose("train", [*SMALL, *places]), resolve=True)
    folder = tmp_path_factory.mktemp("runs") / "run"
    train_here(plain, folder)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def reseal(folder: Path, **changes: Any) -> None:
    """Change a record as somebody would who knows how it is sealed."""
    content = json.loads((folder / "run.json").read_text()) | changes
    del content["record_sha256"]
    (folder / "run.json").write_text(json.dumps(content | {"record_sha256": sha256_of_value(content)}))


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_trained_anew_is_the_same_and_the_first_is_left_alone(command: Command, run: Path) -> None:
    before = content_of(run)
    ended = command("reproduce", f"run={run}", "progress=false")
    assert ended.code == 0, ended.err
    anew = run.with_name("run.reproduced")
    account = ReproductionRecord.read(anew)
    assert account.verdict == "equal" and account.first_difference == "" and account.tensors == []
    assert account.num_tensors > 10 and account.weights_sha256[0] == account.weights_sha256[1]
    weights = "archive/weights.safetensors"
    assert content_of(run) == before and (anew / weights).read_bytes() == before[weights]
    assert "run: equal" in ended.out and "byte for byte" in ended.out
    first, second = RunRecord.read(run), RunRecord.read(anew)
    assert first.prepared["train"].sha256 == second.prepared["train"].sha256 and not (anew / "prepared").exists()
    # Once more is a folder of its own, and asking leaves none.
    ended = command("reproduce", f"run={run}", "check_only=true", "progress=false")
    assert ended.code == 0 and "run: can be reproduced" in ended.out
    assert sorted(path.name for path in run.parent.iterdir()) == ["here", "run", "run.reproduced"]


def test_what_ends_otherwise_is_another_run_and_says_where_it_parted(
    command: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interpositive.training.fine_tuner import FineTuner

    original = FineTuner.learning_rate_share
    monkeypatch.setattr(FineTuner, "learning_rate_share", lambda *given: 20.0 * original(*given))
    ended = command("reproduce", f"run={run}", f"output={tmp_path / 'anew'}", "progress=false")
    assert ended.code == 9 and "another one" in ended.err
    account = ReproductionRecord.read(tmp_path / "anew")
    assert account.verdict == "different" and account.distance is not None and account.distance > account.tolerance
    # A patched process has the sources of the record, so that nothing but numerics is left to be named.
    assert account.first_difference.startswith("numerics: ")
    assert command("reproduce", f"run={run}", f"output={run / 'inside'}").code == 2
    ended = command("reproduce", f"run={run}", f"output={tmp_path / 'anew'}", "progress=false")
    assert ended.code == 5 and "already holds a finished run" in ended.err


def asked(command: Command, run: Path, *more: str) -> Any:
    return command("reproduce", f"run={run}", "check_only=true", "progress=false", *more)


class TestAskedWhetherItCanBe:
    def test_other_code_is_named_with_the_way_back(self, command: Command, run: Path) -> None:
        starts = json.loads((run / "run.json").read_text())["starts"]
        starts[0]["code"] |= {"source_sha256": "0" * 64, "commit": "1" * 40, "diff_sha256": "2" * 64}
        reseal(run, starts=starts)
        ended = asked(command, run)
        assert ended.code == 9 and "first difference: code: the package" in ended.err
        assert f"git checkout {'1' * 40}, then git apply" in " ".join(ended.out.split())

    def test_another_package_counts_if_it_shapes_numbers(self, command: Command, run: Path) -> None:
        path = run / "environment.txt"
        lines = path.read_text().replace("numpy==", "numpy==0.").replace("tqdm==", "tqdm==0.")
        path.write_text(lines)
        from interpositive.records.digests import sha256_of_file

        files = json.loads((run / "run.json").read_text())["files"]
        reseal(run, files=files | {path.name: sha256_of_file(path)})
        ended = asked(command, run)
        assert ended.code == 9 and "first difference: environment: numpy" in ended.err
        assert "what decides no result: packages that shape no numbers: tqdm" in " ".join(ended.out.split())

    def test_another_processor_alone_makes_it_no_other_run(self, command: Command, run: Path) -> None:
        starts = json.loads((run / "run.json").read_text())["starts"]
        starts[0]["machine"] |= {"capability": "another", "threads": 7}
        reseal(run, starts=starts)
        ended = asked(command, run)
        assert ended.code == 0 and "other: torch's kernels: another →" in ended.out
        assert "threads:" not in ended.out, "it is trained with as many as the run had"

    def test_footage_that_changed_by_a_byte(
        self, command: Command, run: Path, production: TinyProduction, tmp_path: Path
    ) -> None:
        workspace = Path(shutil.copytree(production.folder, tmp_path / "moved"))
        take = production.takes_of("train")[0]
        other = tmp_path / "other.mov"
        other.write_bytes(Path(take.path).read_bytes()[:-1] + b"\x01")
        catalogue = sqlite3.connect(workspace / "catalogue.sqlite")
        with catalogue:
            catalogue.execute("UPDATE takes SET path = ? WHERE name = ?", (str(other), take.name))
        catalogue.close()
        ended = asked(command, run, f"workspace={workspace}")
        assert ended.code == 10 and f"data: footage of {take.name}" in ended.err
        other.write_bytes(Path(take.path).read_bytes())
        assert asked(command, run, f"workspace={workspace}").code == 0, "where footage lies decides nothing"
        other.unlink()
        assert asked(command, run, f"workspace={workspace}").code == 10

    def test_a_take_held_out_otherwise_and_a_catalogue_that_is_gone(
        self, command: Command, run: Path, production: TinyProduction, tmp_path: Path
    ) -> None:
        workspace = Path(shutil.copytree(production.folder, tmp_path / "moved"))
        name = production.takes_of("test")[0].name
        catalogue = sqlite3.connect(workspace / "catalogue.sqlite")
        with catalogue:
            catalogue.execute("UPDATE takes SET split = 'train' WHERE name = ?", (name,))
        catalogue.close()
        ended = asked(command, run, f"workspace={workspace}")
        assert ended.code == 9 and f"data: split of take {name}: test → train" in ended.err
        ended = asked(command, run, f"workspace={tmp_path / 'nowhere'}")
        assert ended.code == 10 and "data: the catalogue" in ended.err

    def test_a_device_that_is_not_here(self, command: Command, run: Path) -> None:
        ended = asked(command, run, "accelerator=gpu")
        if ended.code == 10:
            assert "machine: accelerator: gpu → no GPU" in ended.err
        assert "config        other: compute.accelerator" in ended.out

    def test_a_record_of_version_1_says_what_it_does_not_know(self, command: Command, run: Path) -> None:
        content = json.loads((run / "run.json").read_text())
        for name in ("damage", "prepared", "starts", "files", "record_sha256"):
            del content[name]
        (run / "run.json").write_text(json.dumps(content | {"schema_version": 1}))
        ended = asked(command, run)
        assert ended.code == 0 and ended.out.count("not known: the record is of version 1") == 3


class TestStrangers:
    @pytest.mark.parametrize("name", ["run.json", "metrics.csv", "environment.txt", "config.yaml"])
    def test_a_paper_that_was_changed_is_named(self, command: Command, run: Path, name: str) -> None:
        path = run / name
        path.write_text(path.read_text().replace('"steps": 3', '"steps": 4') + (" " if name != "run.json" else ""))
        ended = asked(command, run)
        assert ended.code == 4 and name in ended.err

    def test_a_config_whose_record_vouches_for_it_builds_nothing_foreign(self, command: Command, run: Path) -> None:
        path = run / "config.yaml"
        path.write_text(path.read_text().replace("interpositive.tasks.wire_removal.WireRemoval", "os.system"))
        reseal(run, config_sha256=sha256_of_value(path.read_text()), files={})
        ended = asked(command, run)
        assert ended.code == 2 and "task._target_" in ended.err and "outside this package" in ended.err

    def test_a_config_that_this_code_does_not_know_is_no_traceback(self, command: Command, run: Path) -> None:
        path = run / "config.yaml"
        path.write_text(path.read_text().replace("learning_rate:", "learning_pace:"))
        reseal(run, config_sha256=sha256_of_value(path.read_text()), files={})
        ended = asked(command, run)
        assert ended.code == 10 and "config: this code cannot use the configuration" in ended.err
        assert "learning_pace" in ended.out

    @pytest.mark.parametrize(
        ("section", "value"), [("production", "3"), ("trainer", "null"), ("damage", "{a: 3}"), ("compute", "{a: 3}")]
    )
    def test_a_config_of_another_shape_is_no_traceback(
        self, command: Command, run: Path, section: str, value: str
    ) -> None:
        path = run / "config.yaml"
        content = OmegaConf.to_container(OmegaConf.load(path))
        assert isinstance(content, dict)
        path.write_text(OmegaConf.to_yaml({**content, section: OmegaConf.create(f"x: {value}").x}))
        reseal(run, config_sha256=sha256_of_value(path.read_text()), files={})
        ended = asked(command, run)
        assert ended.code in (2, 10) and section in ended.err + ended.out

    def test_a_record_that_reaches_outside_its_folder(self, command: Command, run: Path) -> None:
        reseal(run, files={"../../elsewhere.txt": "0" * 64})
        ended = asked(command, run)
        assert ended.code == 4 and "elsewhere" in ended.err


class TestRunsThatCannotBeHad:
    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("run.json", 3),
            ("config.yaml", 3),
            ("archive/weights.safetensors", 3),
            ("archive/recipe.json", 3),
            ("held_out.json", 4),
            ("windows.csv", 4),
            ("provenance.json", 4),
        ],
    )
    def test_a_file_that_is_gone_is_named(self, command: Command, run: Path, name: str, code: int) -> None:
        (run / name).unlink()
        ended = command("reproduce", f"run={run}", "progress=false")
        assert ended.code == code and Path(name).name in ended.err and not list(run.parent.glob("*.reproduced"))

    def test_what_nothing_can_be_compared_with_is_told_before_training(self, command: Command, run: Path) -> None:
        """Also where no digest tells it, as in records of version 1."""
        (run / "held_out.json").rename(run / "kept.json")
        reseal(run, files={})
        ended = command("reproduce", f"run={run}", "progress=false")
        assert ended.code == 3 and "held-out course" in ended.err
        (run / "kept.json").rename(run / "held_out.json")
        for name, text in (("metrics.csv", "step,name\nsoon,train/loss\n"), ("windows.csv", b"\xff\xfe\n")):
            before = (run / name).read_bytes()
            (run / name).write_bytes(text if isinstance(text, bytes) else text.encode())
            ended = command("reproduce", f"run={run}", "progress=false")
            assert ended.code == 3 and f"{name} is not what a run writes" in ended.err
            (run / name).write_bytes(before)
        assert not list(run.parent.glob("*.reproduced"))

    def test_a_record_of_a_later_version_is_refused(self, command: Command, run: Path) -> None:
        reseal(run, schema_version=4)
        ended = asked(command, run)
        assert ended.code == 3 and "of another version" in ended.err and "schema_version 4" in ended.err

    def test_a_folder_that_is_no_runs_is_not_written_into(self, command: Command, run: Path, tmp_path: Path) -> None:
        for text, code in (("[1, 2]\n", 2), ("a: !evil x\n", 2), ("a: 1\n", 5)):
            output = tmp_path / "anew"
            output.mkdir(exist_ok=True)
            (output / "config.yaml").write_text(text)
            assert command("reproduce", f"run={run}", f"output={output}", "progress=false").code == code
            assert (output / "config.yaml").read_text() == text
        (output / "config.yaml").rename(output / "thesis.txt")
        ended = command("reproduce", f"run={run}", f"output={output}", "progress=false")
        assert ended.code == 5 and "output=" in ended.err and "thesis.txt" in ended.err


class TestOtherKindsOfRuns:
    def test_a_trial_of_a_sweep(self, command: Command, trained: Path, tmp_path: Path) -> None:
        trial = Path(shutil.copytree(trained, tmp_path / "sweep" / "trials" / "0003"))
        for name in ("trial.json", "trial.lock", "console.log"):
            (trial / name).write_text("{}")
        ended = asked(command, trial)
        assert ended.code == 0 and "0003: can be reproduced" in ended.out

    @pytest.mark.parametrize(
        ("compute", "code", "told"),
        [
            ({"devices": 2}, 0, "can be reproduced"),
            ({"devices": 2, "num_nodes": 2}, 10, "machine: processes: 2 machines → one process"),
            ({"devices": 1000, "accelerator": "gpu"}, 10, "machine: accelerator: 1000 GPUs → "),
            ({"devices": 3}, 10, "config: this code cannot use the configuration"),
        ],
    )
    def test_one_of_several_processes(
        self, command: Command, run: Path, compute: dict[str, Any], code: int, told: str
    ) -> None:
        path = run / "config.yaml"
        content: Any = OmegaConf.to_container(OmegaConf.load(path))
        path.write_text(OmegaConf.to_yaml({**content, "compute": content["compute"] | compute}))
        reseal(run, config_sha256=sha256_of_value(path.read_text()), files={})
        ended = asked(command, run)
        assert ended.code == code and told in ended.out + ended.err
