"""A run folder is opened as its run left it, or not at all; a new run never lands in an old one's folder."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from productions import TinyProduction

from interpositive.cli.assembling import assemble
from interpositive.cli.hydra_app import config_folder
from interpositive.cli.runs import open_run
from interpositive.errors import ConfigError, IntegrityError, RunFolderError
from interpositive.mini_models.archive import archive_digest, save_archive
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MiniModel
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.run import ARCHIVE_NAME, CONFIG_NAME

TINY = ["mini_model.scorer_width=4", "mini_model.residual_widths=[4,4,4]", "task.num_wires=[1,1]"]


def write_run(folder: Path) -> Path:
    """What a finished run leaves, without the training."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("train", TINY), resolve=True)
    folder.mkdir()
    text = OmegaConf.to_yaml(OmegaConf.create(plain))
    (folder / CONFIG_NAME).write_text(text)
    mini_model = assemble(plain["mini_model"], "mini_model", MiniModel)
    arguments = {key: value for key, value in plain["mini_model"].items() if key != "_target_"}
    digest = save_archive(
        mini_model, folder / ARCHIVE_NAME, arguments=arguments, production="soundstage", task="wire_removal"
    )
    RunRecord(
        production="soundstage",
        task="wire_removal",
        mini_model="CandidateFusion",
        created="2026-01-01T00:00:00+00:00",
        finished=True,
        seed=0,
        steps=1,
        seconds_training=1.0,
        num_parameters=mini_model.num_parameters,
        takes=[],
        catalogue="catalogue.sqlite",
        catalogue_sha256="",
        config_sha256=sha256_of_value(text),
        archive_sha256=digest,
        versions={},
        machine="",
    ).write(folder)
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_whole_run_is_opened(run_folder: Path) -> None:
    opened = open_run(run_folder)
    assert isinstance(opened.mini_model, CandidateFusion) and not opened.mini_model.training
    assert isinstance(opened.task, WireRemoval) and opened.task.num_wires == (1, 1)
    assert opened.config["production"]["training_height"] == 216


@pytest.mark.parametrize("name", [RUN_RECORD_NAME, CONFIG_NAME, "archive/weights.safetensors", "archive/recipe.json"])
def test_a_run_that_lacks_a_file_is_no_run(run_folder: Path, name: str) -> None:
    (run_folder / name).unlink()
    with pytest.raises(RunFolderError, match=Path(name).name):
        open_run(run_folder)


def test_a_folder_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run folder"):
        open_run(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="no run folder"):
        open_run(tmp_path / "file")


class TestTampered:
    def test_weights(self, run_folder: Path) -> None:
        path = run_folder / "archive" / "weights.safetensors"
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(bytes(content))
        with pytest.raises(IntegrityError, match="archive"):
            open_run(run_folder)

    def test_weights_with_a_recipe_that_vouches_for_them(self, run_folder: Path) -> None:
        recipe, weights = (run_folder / "archive" / name for name in ("recipe.json", "weights.safetensors"))
        before = sha256_of_file(weights)
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
        rewrite(recipe, before, sha256_of_file(weights))
        with pytest.raises(IntegrityError, match="is not what this run wrote"):
            open_run(run_folder)

    def test_a_recipe_that_names_a_foreign_class_is_never_built(self, run_folder: Path) -> None:
        recipe = run_folder / "archive" / "recipe.json"
        rewrite(recipe, "interpositive.mini_models.candidate_fusion.CandidateFusion", "os.system")
        with pytest.raises(IntegrityError):
            open_run(run_folder)

    @pytest.mark.parametrize("target", ["os.system", "interpositive.media.movie_writer.MovieWriter"])
    def test_a_config_that_names_another_task(self, run_folder: Path, target: str) -> None:
        rewrite(run_folder / CONFIG_NAME, "interpositive.tasks.wire_removal.WireRemoval", target)
        with pytest.raises(IntegrityError, match=r"config\.yaml"):
            open_run(run_folder)

    def test_a_config_whose_record_vouches_for_it_still_builds_nothing_foreign(self, run_folder: Path) -> None:
        config = run_folder / CONFIG_NAME
        before = sha256_of_value(config.read_text())
        rewrite(config, "interpositive.tasks.wire_removal.WireRemoval", "os.system")
        rewrite(run_folder / RUN_RECORD_NAME, before, sha256_of_value(config.read_text()))
        with pytest.raises(ValueError, match="outside this package"):
            open_run(run_folder)

    @pytest.mark.parametrize(
        ("added", "told"),
        [
            ("a0: &a [1, 1]\n" + "".join(f"a{n}: &a{n} [*a, *a]\n" for n in range(60_000)), "too large"),
            ("deep: " + "[" * 500 + "]" * 500 + "\n", "too large"),
            ("tag: !!python/object/apply:os.system [ls]\n", "tag"),
            ("number: " + "9" * 5000 + "\n", "number without end"),
            ("seed: 1\nseed: 2\n", "duplicate"),
            ("- a list\n", "no YAML"),
        ],
    )
    def test_a_strangers_config_is_read_within_bounds(self, run_folder: Path, added: str, told: str) -> None:
        config = run_folder / CONFIG_NAME
        before = sha256_of_value(config.read_text())
        config.write_text(config.read_text() + added)
        rewrite(run_folder / RUN_RECORD_NAME, before, sha256_of_value(config.read_text()))
        with pytest.raises(ConfigError, match=told):
            open_run(run_folder)

    def test_a_strangers_config_reads_no_environment(self, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANARY", "planted-secret")
        config = run_folder / CONFIG_NAME
        before = sha256_of_value(config.read_text())
        rewrite(config, "name: soundstage", "name: ${oc.env:CANARY}")
        rewrite(run_folder / RUN_RECORD_NAME, before, sha256_of_value(config.read_text()))
        assert open_run(run_folder).config["production"]["name"] == "${oc.env:CANARY}"

    def test_a_strangers_archive_asks_for_no_more_memory_than_there_is(self, run_folder: Path) -> None:
        rewrite(run_folder / "archive" / "recipe.json", '"scorer_width": 4', '"scorer_width": 1000000000')
        before, record = RunRecord.read(run_folder).archive_sha256, run_folder / RUN_RECORD_NAME
        rewrite(record, before, archive_digest(run_folder / "archive"))
        with pytest.raises(IntegrityError, match="scorer_width"):
            open_run(run_folder)

    @pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}'])
    def test_a_record_that_is_none(self, run_folder: Path, text: str) -> None:
        (run_folder / RUN_RECORD_NAME).write_text(text)
        with pytest.raises(RunFolderError, match="not a run record"):
            open_run(run_folder)

    def test_a_production_swapped(self, run_folder: Path) -> None:
        record = json.loads((run_folder / RUN_RECORD_NAME).read_text())
        (run_folder / RUN_RECORD_NAME).write_text(json.dumps({**record, "production": "another_title"}))
        with pytest.raises(IntegrityError, match="another production"):
            open_run(run_folder)

    @pytest.mark.parametrize("verb", ["apply", "evaluate"])
    def test_is_one_message_on_the_command_line(self, command: Any, run_folder: Path, verb: str) -> None:
        (run_folder / CONFIG_NAME).write_text("task: {_target_: os.system}\n")
        others = ["shot=a", "mask=b", "deliver_to=c"] if verb == "apply" else []
        ended = command(verb, f"run={run_folder}", *others)
        assert ended.code == IntegrityError.exit_code and "Traceback" not in ended.err
        assert ended.err.startswith(f"interpositive {verb}: ") and "config.yaml" in ended.err


class TestNewRunFolders:
    @pytest.fixture
    def trained(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """Training is left out; what it was asked is kept."""
        asked: list[dict[str, Any]] = []

        def train(mini_model: Any, dailies: Any, make_example: Any, **given: Any) -> Any:
            given["folder"].mkdir(parents=True)
            asked.append({**given, "plain": OmegaConf.to_container(OmegaConf.create(given["config_text"]))})
            return SimpleNamespace(steps=0, seconds_training=0.0, scores={}, notes=[])

        monkeypatch.setattr("interpositive.cli.training.train_mini_model", train)
        return asked

    @pytest.fixture
    def own(self, tiny_production: TinyProduction, tmp_path: Path) -> list[str]:
        (tmp_path / "own" / "production").mkdir(parents=True)
        (tmp_path / "own" / "production" / "tiny.yaml").write_text(
            f"defaults: [default, _self_]\nname: tiny\nworkspace: {tiny_production.folder}\n"
        )
        return ["--config-dir", str(tmp_path / "own"), "production=tiny", "wandb=disabled"]

    def test_two_runs_of_one_second_are_two_runs(
        self, command: Any, trained: list[dict[str, Any]], own: list[str]
    ) -> None:
        for _ in range(3):
            assert command("train", *own).code == 0
        assert len({asked["folder"] for asked in trained}) == 3

    def test_the_record_finds_its_catalogue_from_anywhere(
        self, command: Any, trained: list[dict[str, Any]], own: list[str]
    ) -> None:
        command("train", *own, "run_folder=mine")
        assert trained[0]["catalogue_path"].is_absolute() and trained[0]["folder"] == Path("mine")

    def test_damage_of_a_take_that_is_not_there_is_refused(
        self, command: Any, trained: list[dict[str, Any]], own: list[str]
    ) -> None:
        ended = command("train", *own, "+damage.nowhere=mask.mov")
        assert ended.code == 2 and "nowhere" in ended.err and not trained
