"""A config from a stranger: whatever it names, nothing of it runs, and the key is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hostile_configs import Hostile, corpus
from hostile_running import faults, run_one, warm

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


def chosen(cases: list[Hostile]) -> list[int]:
    """The first of every route, and every thirtieth; ``scripts/check_hostile_configs.py`` runs all."""
    first = {case.route.partition(":")[0]: index for index, case in reversed(list(enumerate(cases)))}
    return sorted({*first.values(), *range(0, len(cases), 30)})


def test_on_the_command_line_nothing_runs() -> None:
    cases = corpus()
    assert len(cases) >= 200 and len({(case.arguments, str(case.files)) for case in cases}) == len(cases)
    indices = chosen(cases)
    runner = Path(__file__).with_name("hostile_running.py")
    ran = subprocess.run(
        [sys.executable, str(runner), json.dumps(indices)], capture_output=True, text=True, timeout=300, check=True
    )
    outcomes = {outcome["index"]: outcome for outcome in map(json.loads, ran.stdout.splitlines())}
    assert list(outcomes) == indices
    bad = {cases[index].arguments: wrong for index, o in outcomes.items() if (wrong := faults(cases[index], o))}
    assert not bad


def test_what_a_configuration_does_is_seen(tmp_path: Path) -> None:
    """The watcher itself: a folder that the user makes elsewhere on purpose does not pass for nothing done."""
    made = Hostile("", ("train", f"hydra.run.dir={tmp_path / 'elsewhere'}"), "elsewhere")
    warm()
    outcome = run_one(made, tmp_path / "case")
    assert (tmp_path / "elsewhere").is_dir() and any(line.startswith("os.mkdir") for line in outcome["did"])
    found = " ".join(faults(made, outcome))
    assert "executed" in found and "is not named" in found


@pytest.mark.parametrize(
    "argument",
    ["hydra/job_logging=stdout", "hydra/job_logging=none", "hydra/hydra_logging=disabled", "hydra.verbose=true"],
)
def test_hydras_own_choices_still_work(command: Any, argument: str) -> None:
    shown = command("train", argument, "--cfg", "job")
    assert shown.code == 0 and shown.out.startswith("production:")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1, 2]\n", "is no configuration"),
        ("a: !!python/object/apply:os.system [x]\n", "has the tag"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
            "too large",
        ),
    ],
)
def test_a_run_folder_of_a_stranger_is_read_within_bounds(command: Any, tmp_path: Path, text: str, told: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(text)
    ended = command("train", f"run_folder={folder}", "progress=false")
    assert ended.code == 2 and told in ended.err
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("wandb=online",), "mode: online"),
        (("wandb.mode=online", "wandb.entity=studio"), "entity: studio"),
        (("wandb=team",), "entity: studio"),
        (("experiment=mine", "wandb=team"), "group: tries"),
    ],
)
def test_the_command_line_says_where_to_send(
    command: Any, tmp_path: Path, arguments: tuple[str, ...], shown: str
) -> None:
    files = {
        "wandb/team.yaml": "defaults: [online]\nentity: studio\n",
        "experiment/mine.yaml": "# @package _global_\nwandb: {group: tries, log_media: false}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    told = command("train", f"--config-dir={tmp_path}", *arguments, "--cfg", "job", "--package", "wandb")
    assert told.code == 0 and shown in told.out


def test_all_of_them_are_our_errors() -> None:
    assert issubclass(ConfigError, InterpositiveError) and ConfigError.exit_code == 2
