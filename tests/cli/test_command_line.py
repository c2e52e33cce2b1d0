"""What a user types, and what comes back when it is mistyped: one message, its exit code, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from interpositive._version import __version__
from interpositive.cli import hydra_app
from interpositive.cli.main import VERBS, main

ROOT = Path(__file__).resolve().parents[2]
MANDATORY = {
    "ingest": {"source"},
    "apply": {"run", "shot", "deliver_to"},
    "review": {"path"},
    "soundstage": {"output"},
    "rehearse": {"take", "output"},
}


def is_one_message(ended: Any) -> bool:
    """The message is on stderr alone, with what was found, and nothing of Python or Hydra shows."""
    return (
        ended.err.startswith("interpositive ")
        and "Traceback" not in ended.err
        and "HYDRA_FULL_ERROR" not in ended.err
        and len(ended.err.splitlines()) <= 8
    )


def fresh(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interpositive.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


class TestDoor:
    def test_help_lists_every_verb(self, command: Any) -> None:
        for ask in ((), ("--help",), ("-h",), ("help",)):
            ended = command(*ask)
            assert ended.code == 0 and all(f"  {verb}" in ended.out for verb in VERBS)

    @pytest.mark.parametrize(
        ("verb", "told", "expected"),
        [
            ("inspect", None, ("PASSIVE", None)),
            ("train", None, ("PASSIVE", "2000")),
            # As the demo says to the steps that it calls.
            ("train", "PASSIVE", ("PASSIVE", "2000")),
            ("train", "ACTIVE", ("ACTIVE", None)),
        ],
    )
    def test_threads_sleep_while_they_wait_unless_told_otherwise(
        self, monkeypatch: pytest.MonkeyPatch, verb: str, told: str | None, expected: tuple[str, str | None]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["interpositive", verb])
        names = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
        for name in names:
            # Set first, so that what the command line sets is taken back too.
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        if told is not None:
            monkeypatch.setenv("OMP_WAIT_POLICY", told)
        seen = list[tuple[str | None, ...]]()
        monkeypatch.setattr(hydra_app, "run_verb", lambda verb: seen.append(tuple(map(os.environ.get, names))))
        main()
        assert seen == [expected]

    def test_version(self, command: Any) -> None:
        assert command("--version").out.strip() == __version__

    @pytest.mark.parametrize(
        ("typed", "meant"), [("trian", "train"), ("aply", "apply"), ("evalute", "evaluate"), ("Review", "review")]
    )
    def test_a_verb_mistyped_is_guessed(self, command: Any, typed: str, meant: str) -> None:
        ended = command(typed)
        assert ended.code == 2 and f"did you mean {meant}?" in ended.err

    def test_a_verb_like_no_other_gets_the_list(self, command: Any) -> None:
        ended = command("xyzzy")
        assert ended.code == 2 and "did you mean" not in ended.err and "soundstage" in ended.err

    def test_help_is_quick_and_loads_nothing_heavy(self) -> None:
        code = (
            "import sys; sys.argv = ['interpositive', '--help']\n"
            "from interpositive.cli.main import main\n"
            "try: main()\n"
            "except SystemExit as end: assert end.code == 0\n"
            "print([m for m in ('torch', 'hydra', 'omegaconf', 'numpy', 'pydantic') if m in sys.modules])"
        )
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
            seconds.append(time.monotonic() - began)
        assert done.stdout.splitlines()[-1] == "[]"
        assert min(seconds) < 1.0


class TestEveryVerb:
    @pytest.mark.parametrize("verb", VERBS)
    def test_shows_its_config_and_its_help(self, command: Any, verb: str) -> None:
        shown = command(verb, "--cfg", "job")
        assert shown.code == 0 and ": " in shown.out
        assert all(f"{key}: ???" in shown.out for key in MANDATORY.get(verb, ()))
        helped = command(verb, "--help")
        assert helped.code == 0 and helped.out.startswith(f"interpositive {verb}: {VERBS[verb]}")
        assert "hydra_app" not in helped.out

    @pytest.mark.parametrize("verb", MANDATORY)
    def test_names_what_it_must_be_told(self, command: Any, verb: str) -> None:
        ended = command(verb)
        assert ended.code == 2 and is_one_message(ended)
        assert all(f"{key}=<value>" in ended.err for key in MANDATORY[verb])

    @pytest.mark.parametrize("verb", VERBS)
    def test_refuses_a_key_it_does_not_know(self, command: Any, verb: str) -> None:
        ended = command(verb, "colour_of_the_sky=blue")
        assert ended.code == 2 and is_one_message(ended) and "colour_of_the_sky" in ended.err


class TestMistyped:
    @pytest.mark.parametrize(
        ("arguments", "suggested"),
        [
            (["train", "dailies.batch_sise=2"], "dailies.batch_size"),
            (["train", "dailie.batch_size=2"], "dailies.batch_size"),
            (["train", "trainer.max_step=2"], "trainer.max_steps"),
            (["train", "batch_size=2"], "dailies.batch_size"),
            (["train", "tsk=wire_removal"], "task"),
            (["ingest", "sorce=x"], "source"),
            (["apply", "delivery.frame_fromat=exr"], "delivery.frame_format"),
            (["apply", "deliver=x"], "deliver"),
            (["evaluate", "max_frame=3", "run=x"], "max_frames"),
            (["train", "production=my_flim"], "my_film"),
            (["train", "task=wire_remval"], "wire_removal"),
            (["train", "compute=one_gpus"], "one_gpu"),
        ],
    )
    def test_on_the_command_line(self, command: Any, arguments: list[str], suggested: str) -> None:
        ended = command(*arguments)
        assert ended.code == 2 and is_one_message(ended)
        assert f"did you mean {suggested}" in ended.err

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["train", "+trainer.max_step=2"], "trainer.max_step"),
            (["train", "+seeds=2"], "seeds"),
            (["train", "seed=abc"], "train.seed"),
            (["train", "dailies.batch_size=0"], "dailies.batch_size"),
            (["train", "wandb.mode=sometimes"], "wandb.mode"),
            (["train", "task.num_wires=many"], "task.num_wires"),
            (["train", "task.num_wires=[0,2]"], "num_wires"),
            (["train", "mini_model.residual_widths=[8,8]"], "residual_widths"),
            (["train", "mini_model.flow_offsets=3"], "flow_offsets=3"),
            (["train", "production.name='../escape'"], "production.name"),
            (["soundstage", "output=x", "stage.rate=fast"], "rate=fast"),
            (["soundstage", "output=x", "stage.scenes=[99]"], "99"),
            (["train", "seed"], "seed"),
            (["train", "a b==c"], "cannot be composed"),
            (["train", "seed=${nowhere}"], "nowhere"),
            (["train", "--config-dir", "nowhere_at_all"], "nowhere_at_all"),
        ],
    )
    def test_other_mistakes_are_named(self, command: Any, arguments: list[str], named: str) -> None:
        ended = command(*arguments)
        assert ended.code == 2 and is_one_message(ended), ended.err
        assert named in ended.err

    def test_a_fresh_process_says_the_same(self) -> None:
        done = fresh("train", "dailies.batch_sise=2")
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("interpositive train: ") and "did you mean dailies.batch_size?" in done.stderr
        assert "Traceback" not in done.stderr

    def test_output_cut_short_by_its_reader_is_no_error_of_ours(self) -> None:
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m interpositive.cli.main train --cfg job | head -1"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert done.stdout.strip() == "production:" and "Traceback" not in done.stderr


class TestOwnConfiguration:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        (tmp_path / "own" / "production").mkdir(parents=True)
        (tmp_path / "own" / "task").mkdir()
        text = "defaults: [default, _self_]\nname: heist\ntraining_height: 128\nsplit:\n  by: scene\n"
        (tmp_path / "own" / "production" / "heist.yaml").write_text(text)
        return tmp_path / "own"

    def test_a_production_says_only_what_differs(self, command: Any, own: Path) -> None:
        shown = command("train", "--config-dir", str(own), "production=heist", "--cfg", "job", "--resolve")
        assert shown.code == 0
        assert "name: heist" in shown.out and "training_height: 128" in shown.out and "by: scene" in shown.out
        assert "workspace: productions/heist" in shown.out and "val_fraction: 0.1" in shown.out

    def test_the_folder_may_come_from_the_environment(
        self, command: Any, own: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("INTERPOSITIVE_CONFIG", str(own))
        assert "name: heist" in command("ingest", "production=heist", "--cfg", "job").out
        other = own.parent / "other"
        (other / "production").mkdir(parents=True)
        (other / "production" / "western.yaml").write_text("defaults: [soundstage, _self_]\nname: western\n")
        shown = command("ingest", f"--config-dir={other}", "production=western", "--cfg", "job")
        assert "name: western" in shown.out, "the command line wins"

    def test_it_may_start_from_the_soundstage_too(self, command: Any, own: Path) -> None:
        (own / "production" / "stage_too.yaml").write_text("defaults: [soundstage, _self_]\nname: stage_too\n")
        shown = command("train", "--config-dir", str(own), "production=stage_too", "--cfg", "job")
        assert shown.code == 0 and "name: stage_too" in shown.out

    def test_a_production_without_a_name_is_asked_for_one(self, command: Any, own: Path) -> None:
        (own / "production" / "nameless.yaml").write_text("defaults: [default, _self_]\ntraining_height: 64\n")
        ended = command("train", "--config-dir", str(own), "production=nameless")
        assert ended.code == 2 and is_one_message(ended) and "production.name=<value>" in ended.err

    def test_the_template_composes(self, command: Any) -> None:
        assert "name: my_film" in command("train", "production=my_film", "--cfg", "job").out

    @pytest.mark.parametrize("how", ["option", "environment"])
    @pytest.mark.parametrize(
        ("group", "line", "suggested"),
        [
            ("production", "trainig_height: 64", "training_height"),
            ("production", "split: {val_fracton: 0.2}", "val_fraction"),
            ("task", "num_wire: [1, 2]", "num_wires"),
            ("task", "shuter: 0.5", "shutter"),
        ],
    )
    def test_a_key_mistyped_in_a_yaml_is_guessed(
        self, command: Any, own: Path, monkeypatch: pytest.MonkeyPatch, group: str, line: str, suggested: str, how: str
    ) -> None:
        base = {"production": "soundstage", "task": "wire_removal"}[group]
        (own / group / "mine.yaml").write_text(f"defaults: [{base}, _self_]\n{line}\n")
        where = ["--config-dir", str(own)] if how == "option" else []
        if how == "environment":
            monkeypatch.setenv("INTERPOSITIVE_CONFIG", str(own))
        ended = command("train", *where, f"{group}=mine")
        assert ended.code == 2 and is_one_message(ended), ended.err
        assert f"did you mean {suggested}?" in ended.err

    def test_a_yaml_that_is_none_is_one_message(self, command: Any, own: Path) -> None:
        (own / "production" / "broken.yaml").write_text("name: [unclosed\nworkspace: }\n")
        ended = command("train", "--config-dir", str(own), "production=broken")
        assert ended.code == 2 and is_one_message(ended) and "broken.yaml" in ended.err, ended.err


class TestNothingThere:
    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["train"], 3),
            (["ingest", "source=nowhere"], 3),
            (["apply", "run=nowhere", "shot=a.mov", "mask=b.mov", "deliver_to=out"], 3),
            (["evaluate", "run=nowhere"], 3),
            (["review", "path=nowhere"], 3),
            (["rehearse", "take=nowhere.mov", "output=out"], 3),
            (["apply", "run=x", "shot=a", "mask=b", "deliver_to=out", "device=warp_drive"], 2),
            (["apply", "run=x", "shot=a", "mask=b", "deliver_to=out", "device=cuda:63"], 2),
            (["evaluate", "run=x", "device=cuda:63"], 2),
        ],
    )
    def test_is_one_message_with_its_exit_code(self, command: Any, arguments: list[str], code: int) -> None:
        ended = command(*arguments)
        assert ended.code == code and is_one_message(ended), ended.err
        assert list(Path().iterdir()) == [], "not even a log file"
