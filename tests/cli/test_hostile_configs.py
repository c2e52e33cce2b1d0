"""A config from a stranger: whatever it names, nothing of it runs, and the key is told."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from interpositive.cli.assembling import assemble, find_target, refuse_foreign_targets
from interpositive.errors import ConfigError, InterpositiveError
from interpositive.mini_models.contract import MiniModel
from interpositive.tasks.contract import Task
from interpositive.tasks.wire_removal import WireRemoval

FOREIGN = [
    "os.system",
    "builtins.eval",
    "builtins.exec",
    "subprocess.Popen",
    "torch.load",
    "pickle.loads",
    "pathlib.Path.write_text",
    "hydra.utils.call",
    "hydra.utils.instantiate",
    "runpy.run_path",
    "interpositive.cli.main.os.system",
    "interpositive.cli.main.sys.exit",
    "interpositive.cli.hydra_app.importlib.import_module",
    "interpositive.media.opening.open_reader",
    "interpositive.errors.InterpositiveError.__init__",
    "interpositive.tasks.wire_removal.Tensor",
    "interpositive.dailies.workers.multiprocessing.Process",
    "interpositive",
    "interpositive.",
    "interpositive..os.system",
    "interpositive.nowhere.Nothing",
    "interpositivism.Evil",
    ".interpositive.tasks.wire_removal.WireRemoval",
    "interpositive.tasks.wire_removal.WireRemoval\n",
    "interpositive.tasks\x00.wire_removal.WireRemoval",
    "",
]
# Classes of this package, but not of the kind that is wanted: they could write, serve or read files.
OF_ANOTHER_KIND = [
    "interpositive.media.movie_writer.MovieWriter",
    "interpositive.media.sequence_writer.SequenceWriter",
    "interpositive.dailies.catalogue.Catalogue",
    "interpositive.errors.ConfigError",
    "interpositive.soundstage.spec.StageSpec",
]


@pytest.mark.parametrize("name", [*FOREIGN, None, 3, ["os.system"], {"a": 1}])
@pytest.mark.parametrize("place", ["task._target_", "mini_model.parts[1].inner._target_"])
def test_a_foreign_target_is_refused_wherever_it_is(name: object, place: str) -> None:
    node: dict[str, Any] = (
        {"task": {"_target_": name}}
        if place.startswith("task")
        else {"mini_model": {"parts": [{}, {"inner": {"_target_": name, "arguments": ["x"]}}]}}
    )
    with pytest.raises(ConfigError) as caught:
        refuse_foreign_targets(node)
    assert place in caught.value.what


@pytest.mark.parametrize("name", OF_ANOTHER_KIND)
@pytest.mark.parametrize("kind", [Task, MiniModel])
def test_a_class_of_ours_in_the_wrong_place_is_not_built(name: str, kind: type, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wrong kind"):
        assemble({"_target_": name, "path": str(tmp_path / "made.mkv")}, "task", kind)
    assert not list(tmp_path.iterdir())


def test_an_abstract_class_is_not_built() -> None:
    with pytest.raises(ConfigError, match="cannot use"):
        assemble({"_target_": "interpositive.tasks.contract.Task"}, "task", Task)


def test_the_right_class_is_built_with_its_arguments() -> None:
    name = "interpositive.tasks.wire_removal.WireRemoval"
    assert find_target(name, "task._target_") is WireRemoval
    task = assemble({"_target_": name, "num_wires": [1, 1], "shutter": 0.25}, "task", Task)
    assert isinstance(task, WireRemoval) and task.num_wires == (1, 1) and task.shutter == 0.25


@pytest.mark.parametrize("key", ["_args_", "_partial_", "_convert_", "_recursive_"])
def test_hydras_own_instantiation_keys_mean_nothing_here(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        assemble({"_target_": "interpositive.tasks.wire_removal.WireRemoval", key: "x"}, "task", Task)


COMMANDS = [
    "task._target_=os.system",
    "+task.command={_target_: os.system, command: 'touch CANARY'}",
    "+mini_model.extra=[{_target_: pathlib.Path.touch}]",
    "+hydra.callbacks.mine={_target_: os.system, command: 'touch CANARY'}",
    "+hydra.callbacks.mine._target_=interpositive.cli.main.os.system",
    "+hydra.callbacks.mine._target_=hydra.experimental.callbacks.PickleJobInfoCallback",
    "hydra.launcher._target_=os.system",
    "hydra.launcher._target_=hydra_plugins.evil.os.system",
    "hydra.sweeper._target_=subprocess.Popen",
    "+hydra.sweeper.inner={_target_: os.system, command: 'touch CANARY'}",
    "+hydra.launcher.inner=[{_target_: hydra._internal.core_plugins.basic_launcher.BasicLauncher}]",
    "hydra.job_logging.handlers.console.class=subprocess.Popen",
    "+hydra.job_logging.handlers.evil={class: logging.handlers.SocketHandler, host: localhost, port: 9}",
    "+hydra.hydra_logging.formatters.evil.factory=os.system",
    "+hydra.hydra_logging.formatters.evil.class=os.system",
    "hydra.job_logging.handlers.console.stream=ext://os.system",
    "hydra.hydra_logging.handlers.console.stream=ext://antigravity",
    "+hydra.job_logging.handlers.evil=${task}",
    "hydra.job_logging=${task}",
    "hydra.hydra_logging.handlers.console.class=${oc.env:HOME}",
    "+hydra.job.env_set.LD_PRELOAD=CANARY",
    "--experimental-rerun=CANARY.pickle",
    "--experimental-rer=CANARY.pickle",
]


class _Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    ("argument", "mode"),
    [(argument, ()) for argument in COMMANDS]
    + [(argument, ("--multirun",)) for argument in COMMANDS if ".launcher" in argument or ".sweeper" in argument],
)
def test_on_the_command_line_nothing_runs(command: Any, tmp_path: Path, argument: str, mode: tuple[str, ...]) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "canary.pickle").write_bytes(pickle.dumps(_Touch(str(canary))))
    ended = command("train", *mode, argument.replace("CANARY", str(canary)))
    assert ended.code == 2 and "Traceback" not in ended.err, ended.err
    assert ended.err.startswith("interpositive train: ")
    key = argument.lstrip("+-").split("=")[0].split(".")[-1]
    assert key in ended.err or "_target_" in ended.err or "pickle" in ended.err
    assert not canary.exists()


YAMLS = {
    "hydra/hydra_logging/evil.yaml": "version: 1\nformatters:\n  evil: {'()': os.system, command: touch CANARY}\n",
    "task/evil.yaml": "_target_: os.system\ncommand: touch CANARY\n",
    "task/eval.yaml": "_target_: builtins.eval\nsource: open('CANARY', 'w')\n",
    "task/load.yaml": "_target_: torch.load\nf: CANARY.pickle\n",
    "task/chain.yaml": "_target_: interpositive.cli.main.os.system\ncommand: touch CANARY\n",
    "task/writer.yaml": "_target_: interpositive.media.movie_writer.MovieWriter\npath: CANARY.mkv\n",
    "task/python.yaml": "!!python/object/apply:os.system ['touch CANARY']\n",
    "task/pickled.yaml": "_target_: !!python/name:os.system\n",
    "task/callback.yaml": (
        "# @package _global_\nhydra:\n  callbacks:\n    mine: {_target_: os.system, command: touch CANARY}\n"
    ),
    "task/hidden.yaml": (
        "# @package _global_\nevil: {mine: {_target_: os.system, command: touch CANARY}}\n"
        "hydra:\n  callbacks: ${evil}\n"
    ),
    "task/logging.yaml": (
        "# @package _global_\nhydra:\n  job_logging:\n    handlers:\n      console: {class: subprocess.Popen}\n"
    ),
    "task/search.yaml": "# @package _global_\nhydra:\n  searchpath: [pkg://os]\n_target_: os.system\n",
    "hydra/launcher/evil.yaml": "_target_: os.system\ncommand: touch CANARY\n",
    "hydra/job_logging/evil.yaml": "version: 1\nhandlers:\n  evil: {'()': os.system, command: touch CANARY}\n",
}


@pytest.mark.parametrize("path", YAMLS)
def test_in_a_yaml_nothing_runs(command: Any, tmp_path: Path, path: str) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "canary.pickle").write_bytes(pickle.dumps(_Touch(str(canary))))
    file = tmp_path / "own" / path
    file.parent.mkdir(parents=True)
    file.write_text(YAMLS[path].replace("CANARY", str(canary)))
    group, _, name = path.removesuffix(".yaml").rpartition("/")
    ended = command("train", "--config-dir", str(tmp_path / "own"), f"{group}={name}")
    assert ended.code == 2 and "Traceback" not in ended.err, ended.err
    assert ended.err.startswith("interpositive train: ")
    assert not canary.exists() and not Path(f"{canary}.mkv").exists()


@pytest.mark.parametrize(
    "argument",
    ["hydra/job_logging=stdout", "hydra/job_logging=none", "hydra/hydra_logging=disabled", "hydra.verbose=true"],
)
def test_hydras_own_choices_still_work(command: Any, argument: str) -> None:
    shown = command("train", argument, "--cfg", "job")
    assert shown.code == 0 and shown.out.startswith("production:")


def test_all_of_them_are_our_errors() -> None:
    assert issubclass(ConfigError, InterpositiveError) and ConfigError.exit_code == 2
