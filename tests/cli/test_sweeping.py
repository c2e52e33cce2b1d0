"""A sweep asks each trial once, survives what trials and machines do, and goes on as it would have."""

from __future__ import annotations

import csv
import fcntl
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import yaml
from productions import SMALL_TRAINING, TinyProduction

from interpositive.cli.sweeps.objectives import read_objectives
from interpositive.cli.sweeps.proposing import SAMPLERS, GridProposer, OptunaProposer
from interpositive.cli.sweeps.question import keep_question
from interpositive.cli.sweeps.results import summary
from interpositive.cli.sweeps.space import SweptKey, read_space
from interpositive.cli.sweeps.trial import CONSOLE_NAME, _end_with
from interpositive.errors import ConfigError, StorageError
from interpositive.records.run_record import RunRecord
from interpositive.records.sweep_record import Objective, Parameter, SweepRecord, TrialRecord, trial_folder, trials_of
from interpositive.review.sweeps.figures import sweep_figures

RATE = "trainer.learning_rate=tag(log,interval(1e-4,1e-2))"
WIDTH = "mini_model.scorer_width=int(interval(4,9))"
QUALITY = Objective(name="quality", direction="maximize")
COST = Objective(name="cost", direction="minimize")


def swept(*arguments: str, enumerated: bool = False) -> list[SweptKey]:
    return read_space({}, arguments, None, enumerated=enumerated)[0]


class TestSpace:
    def test_hydras_words_are_kept_in_kind_and_scale(self) -> None:
        spaces = [
            each.space for each in swept(RATE, WIDTH, "a=interval(0,1)", "b=range(2,9,3)", "c=x,1,1.5,null,[1,2]")
        ]
        rate, width, a, b, c = spaces
        assert (rate.low, rate.high, rate.is_log, rate.is_integer) == (1e-4, 1e-2, True, False)
        assert (width.low, width.high, width.is_log, width.is_integer) == (4, 9, False, True)
        assert (a.low, a.high, a.is_integer) == (0, 1, False)
        assert (b.low, b.high, b.step, b.is_integer) == (2, 8, 3, True)
        assert c.choices == ["x", 1, 1.5, None, "[1,2]"]

    def test_a_yaml_says_the_same_and_the_command_line_wins(self) -> None:
        params = {"a": "choice(1,2)", "b": "range(0,3)", "c": 5}
        keys, fixed = read_space(params, ["a=7,8", "d=1"], None, enumerated=True)
        assert [(each.space.key, each.space.choices) for each in keys] == [("a", [7, 8]), ("b", [0, 1, 2])]
        assert fixed == ["c=5", "d=1"]

    def test_what_is_written_for_a_trial_reads_back_the_same(self) -> None:
        for key in swept("a=1,1.0,true,null,'1','x y',[4,4],{k:v}", "+b=0.1,2"):
            for choice in key.space.choices:
                again = read_space({}, [f"{key.override(choice)},other"], None, enumerated=True)[0][0]
                assert again.key_element == key.key_element
                assert type(again.space.choices[0]) is type(choice) and again.space.choices[0] == choice

    @pytest.mark.parametrize(
        ("argument", "enumerated"),
        [
            ("a=interval(1,2)", True),
            ("a=interval(2,1)", False),
            ("a=tag(log,interval(0,1))", False),
            ("a=tag(quick,interval(1,2))", False),
            ("a=tag(log,range(1,5))", False),
            ("a=1,1", True),
            ("a=range(3,3)", True),
            ("a=shuffle(1,2)", True),
            ("a=shuffle(range(1,9))", False),
            ("a=nan,1", True),
            ("run_folder=one,two", True),
            ("dailies.prepared_folder=one,two", True),
            ("production.workspace=one,two", False),
            ("hydra.launcher._target_=os.system,os.abort", True),
        ],
    )
    def test_what_cannot_be_swept_is_refused_by_name(self, argument: str, enumerated: bool) -> None:
        with pytest.raises(ConfigError, match=argument.split("=")[0]):
            swept(argument, enumerated=enumerated)


def optuna_trials(
    sampler: str, objectives: list[Objective], round_size: int, num_trials: int = 10
) -> list[dict[str, Parameter]]:
    proposer = optuna_proposer(sampler, objectives)
    trials: list[TrialRecord] = []
    for first in range(0, num_trials, round_size):
        mates: list[TrialRecord] = []
        for number in range(first, min(first + round_size, num_trials)):
            parameters = proposer.propose(number, [*trials, *mates])
            mates.append(TrialRecord(number=number, parameters=parameters, state="running"))
        trials += [ended(trial, objectives) for trial in mates]
    return [trial.parameters for trial in trials]


def optuna_proposer(sampler: str, objectives: list[Objective]) -> OptunaProposer:
    keys = swept(RATE, WIDTH, "kind=1,1.0,true")
    return OptunaProposer(keys, objectives, sampler=sampler, num_trials=10, num_random_trials=4, seed=5)


def ended(trial: TrialRecord, objectives: list[Objective]) -> TrialRecord:
    if trial.number % 5 == 3:
        return trial.model_copy(update={"state": "failed"})
    rate, width = trial.parameters["trainer.learning_rate"], trial.parameters["mini_model.scorer_width"]
    values = {"quality": -abs(float(str(rate)) - 4e-3), "cost": float(str(width))}
    return trial.model_copy(
        update={"state": "finished", "values": {each.name: values[each.name] for each in objectives}}
    )


class TestProposing:
    @pytest.mark.parametrize("objectives", [[QUALITY], [QUALITY, COST]], ids=["one", "two"])
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_a_proposal_follows_from_the_records_alone(self, sampler: str, objectives: list[Objective]) -> None:
        # A Gaussian process thinks long; two of its proposals are after the random ones.
        num = 6 if sampler == "gp" else 10
        whole = optuna_trials(sampler, objectives, 1, num)
        assert whole == optuna_trials(sampler, objectives, 1, num)
        started = [TrialRecord(number=n, parameters=p, state="running") for n, p in enumerate(whole)]
        # As they come back from disk.
        records = [ended(TrialRecord.model_validate_json(each.model_dump_json()), objectives) for each in started]
        # A proposer that never saw how these trials came about, given them in disorder.
        assert optuna_proposer(sampler, objectives).propose(num - 1, records[: num - 1][::-1]) == whole[-1]
        assert optuna_trials(sampler, objectives, 2, num) != whole or sampler == "random"

    def test_it_learns(self) -> None:
        def error(sampler: str, num_trials: int) -> float:
            late = optuna_trials(sampler, [QUALITY], 1, num_trials)[-10:]
            return median(abs(float(str(each["trainer.learning_rate"])) - 4e-3) for each in late)

        assert error("tpe", 40) < 0.5 * error("random", 40)

    def test_a_grid_goes_through_everything_once(self) -> None:
        grid = GridProposer(swept("a=1,2", "b=x,y,z", enumerated=True))
        points = [tuple(grid.propose(n, []).values()) for n in range(grid.num_trials)]
        assert points == [(1, "x"), (1, "y"), (1, "z"), (2, "x"), (2, "y"), (2, "z")]


@dataclass
class Trained:
    """What trials were asked, in order; the exit code for those of a seed; in which one the sweep is stopped."""

    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    fate: dict[int, int] = field(default_factory=dict)
    stop_at: int = 0

    def train(self, plain: Mapping[str, Any], folder: Path, lock: int) -> int:
        self.asked.append((folder.name, plain))
        if len(self.asked) == self.stop_at:
            raise KeyboardInterrupt
        fate = self.fate.pop(plain["seed"], 0)
        if fate:
            mistake = f"interpositive train: wrong\n  found:    {plain['seed']}"
            said = "Traceback\nKeyError: 'x'" if fate == 1 else mistake
            with (folder / CONSOLE_NAME).open("a") as console:
                console.write(f"step 1\n{said}\n")
            return fate
        quality = 30 - 100 * abs(plain["trainer"]["learning_rate"] - 3e-3)
        record = {"held_out/psnr_hole/trained": quality, "held_out/psnr/trained": None}
        run = RunRecord(
            **dict.fromkeys(("production", "task", "mini_model", "created", "catalogue", "machine"), ""),
            **dict.fromkeys(("catalogue_sha256", "config_sha256", "archive_sha256"), ""),
            finished=True,
            seed=plain["seed"],
            steps=1,
            seconds_training=float(plain["mini_model"]["scorer_width"]),
            num_parameters=10 * plain["mini_model"]["scorer_width"],
            takes=[],
            versions={},
            scores=record,
        )
        run.write(folder)
        return 0


Sweep = Callable[..., Any]
FOLDER = Path("sweep")


@pytest.fixture
def own(tiny_production: TinyProduction, tmp_path: Path) -> list[str]:
    (tmp_path / "own" / "production").mkdir(parents=True)
    (tmp_path / "own" / "production" / "tiny.yaml").write_text(
        f"defaults: [default, _self_]\nname: tiny\nworkspace: {tiny_production.folder}\ntraining_height: 64\n"
    )
    return ["--config-dir", str(tmp_path / "own"), "production=tiny", "wandb=disabled"]


@pytest.fixture
def sweep(command: Any, own: list[str]) -> Sweep:
    return lambda *arguments: command("train", "--multirun", *own, f"run_folder={FOLDER}", *arguments)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Training is left out at the border of its process."""
    trained = Trained()
    monkeypatch.setattr("interpositive.cli.sweeps.trial._in_own_process", trained.train)
    return trained


def states() -> list[str]:
    return [trial.state for trial in trials_of(FOLDER)]


class TestGrid:
    def test_every_trial_has_its_folder_and_its_place_in_the_tables(self, sweep: Sweep, trained: Trained) -> None:
        done = sweep("trainer.learning_rate=0.001,0.003", "--multirun", "seed=1,2", "wandb.mode=offline")
        assert done.code == 0, done.err
        assert [name for name, _ in trained.asked] == ["0000", "0001", "0002", "0003"]
        asked = [(plain["trainer"]["learning_rate"], plain["seed"]) for _, plain in trained.asked]
        assert asked == [(0.001, 1), (0.001, 2), (0.003, 1), (0.003, 2)]
        assert {plain["wandb"]["group"] for _, plain in trained.asked} == {"sweep"}
        rows = list(csv.DictReader((FOLDER / "sweep.csv").open()))
        assert [row["on_front"] for row in rows] == ["0", "0", "1", "1"]
        assert [float(row["held_out/psnr_hole/trained"]) for row in rows] == pytest.approx([29.8, 29.8, 30, 30])
        record = SweepRecord.read(FOLDER)
        assert record.sampler == "grid" and record.num_trials == 4 and record.task == "wire_removal"
        assert [each.model_dump() for each in record.objectives] == [
            {"name": "held_out/psnr_hole/trained", "direction": "maximize", "title": "psnr_hole", "unit": "dB"}
        ]
        assert [path.name for path in Path().iterdir()] == ["sweep"]

    def test_without_a_folder_or_a_swept_key_it_is_one_trial_among_sweeps(
        self, command: Any, own: list[str], trained: Trained
    ) -> None:
        done = command("train", "--multirun", *own)
        assert done.code == 0 and "nothing" in done.out
        assert len(list(Path("runs/sweeps").glob("*/trials/0000/trial.json"))) == 1

    def test_a_bad_trial_is_recorded_and_the_others_go_on(self, sweep: Sweep, trained: Trained) -> None:
        trained.fate = {2: 2, 3: 137, 4: 1}
        done = sweep("seed=1,2,3,4")
        assert done.code == 0, done.err
        trials = trials_of(FOLDER)
        assert [trial.state for trial in trials] == ["finished"] + ["failed"] * 3
        assert trials[1].exit_code == 2 and trials[1].reason == "wrong\n  found:    2"
        assert trials[2].exit_code == 137 and "SIGKILL" in trials[2].reason
        assert trials[3].exit_code == 1 and trials[3].reason == "KeyError: 'x'"
        assert "3 of 4 trials failed" in done.out and "wrong" in done.out

    def test_failed_trials_are_tried_again_when_asked(self, sweep: Sweep, trained: Trained) -> None:
        trained.fate = {2: 7}
        sweep("seed=1,2")
        assert sweep("seed=1,2").code == 0 and len(trained.asked) == 2
        trained.fate = {2: 1}
        assert sweep("seed=1,2", "hydra.sweeper.retry_failed=true").code == 0
        assert trials_of(FOLDER)[1].reason == "KeyError: 'x'", "not what the first attempt had said"
        assert sweep("seed=1,2", "hydra.sweeper.retry_failed=true").code == 0
        assert [name for name, _ in trained.asked[2:]] == ["0001"] * 2 and states() == ["finished"] * 2

    def test_a_sweep_without_a_result_is_an_error(self, sweep: Sweep, trained: Trained) -> None:
        trained.fate = {1: 7, 2: 8}
        done = sweep("seed=1,2")
        assert done.code == 7 and "no trial" in done.err and [t.exit_code for t in trials_of(FOLDER)] == [7, 8]

    def test_a_number_that_was_not_measured_fails_the_trial(self, sweep: Sweep, trained: Trained) -> None:
        assert sweep("hydra.sweeper.objectives=[psnr]", "seed=1,2").code == 7
        assert "held_out/psnr/trained" in trials_of(FOLDER)[0].reason


class TestStoppedAndGoneOn:
    OPTUNA = ("hydra/sweeper=optuna", "hydra.sweeper.num_trials=3", "hydra.sweeper.num_random_trials=2", RATE)

    def test_a_killed_sweep_ends_as_one_that_was_not(self, sweep: Sweep, trained: Trained) -> None:
        assert sweep(*self.OPTUNA).code == 0
        whole = [trial.model_copy(update={"seconds": None}) for trial in trials_of(FOLDER)]
        FOLDER.rename("whole")
        asked = len(trained.asked)
        trained.stop_at = asked + 1
        done = sweep(*self.OPTUNA)
        assert done.code == 75 and "run_folder=sweep" in done.err and states() == ["running"]
        # And once more, in its third trial.
        trained.stop_at = asked + 4
        assert sweep(*self.OPTUNA).code == 75 and states() == ["finished"] * 2 + ["running"]
        before = trial_folder(FOLDER, 0) / "trial.json"
        kept = before.stat().st_mtime_ns
        assert sweep(*self.OPTUNA).code == 0 and before.stat().st_mtime_ns == kept
        assert [trial.model_copy(update={"seconds": None}) for trial in trials_of(FOLDER)] == whole
        names = [name for name, _ in trained.asked[asked:]]
        assert names == ["0000", "0000", "0001", "0002", "0002"]
        # More trials may be asked for.
        assert sweep(*self.OPTUNA, "hydra.sweeper.num_trials=4").code == 0
        assert len(trained.asked) == asked + 6 and SweepRecord.read(FOLDER).num_trials == 4
        assert [trial.model_copy(update={"seconds": None}) for trial in trials_of(FOLDER)[:3]] == whole

    def test_a_trial_that_was_told_to_stop_stops_the_sweep_and_goes_on(self, sweep: Sweep, trained: Trained) -> None:
        trained.fate = {2: 75}
        done = sweep("seed=1,2")
        assert done.code == 75 and states() == ["finished", "running"]
        assert sweep("seed=1,2").code == 0 and states() == ["finished"] * 2

    def test_another_question_in_the_folder_is_refused_by_name(self, sweep: Sweep, trained: Trained) -> None:
        told = {"seed": 3, "sampler": "random", "num_parallel": 2}
        few = ["hydra/sweeper=optuna", "hydra.sweeper.num_trials=1", "hydra.sweeper.objectives=[num_parameters]", RATE]
        few += [f"hydra.sweeper.{key}={value}" for key, value in told.items()]
        assert sweep(*few).code == 0
        begun, shared = SweepRecord.read(FOLDER), yaml.safe_load((FOLDER / "sweep.yaml").read_text())
        assert begun.model_dump(include=set(told)) == told
        keep_question(FOLDER, begun, shared)
        for change, key in (
            ({"seed": 1}, "seed"),
            ({"sampler": "tpe"}, "sampler"),
            ({"num_parallel": 1}, "num_parallel"),
            ({"objectives": [QUALITY]}, "objectives[0].name"),
            ({"space": [begun.space[0].model_copy(update={"is_log": False})]}, "space[0].is_log"),
        ):
            with pytest.raises(StorageError, match=re.escape(f"another sweep: hydra.sweeper.{key} differs")):
                keep_question(FOLDER, begun.model_copy(update=change), shared)
        done = sweep(*few, "trainer.ema_decay=0.5")
        assert done.code == 5 and "another sweep: trainer.ema_decay differs" in done.err, done.err
        assert sweep(*few, "compute.threads=1").code == 0 and len(trained.asked) == 1

    def test_a_folder_of_something_else_is_left_alone(self, sweep: Sweep, trained: Trained) -> None:
        FOLDER.mkdir()
        (FOLDER / "config.yaml").write_text("of: a run")
        done = sweep("seed=1,2")
        assert done.code == 5 and "config.yaml" in done.err and not trained.asked
        assert (FOLDER / "config.yaml").read_text() == "of: a run"

    def test_two_sweeps_on_one_folder_are_one(self, sweep: Sweep, trained: Trained) -> None:
        FOLDER.mkdir()
        with (FOLDER / "sweep.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            done = sweep("seed=1,2")
        assert done.code == 5 and "another sweep is at work" in done.err and not trained.asked


class TestSeveralObjectives:
    def test_it_is_printed_first(self, sweep: Sweep, trained: Trained) -> None:
        objectives = "[psnr_hole,seconds_training,{name: held_out/psnr_hole/trained2,direction: maximize}]"
        assert sweep(f"hydra.sweeper.objectives={objectives}", "seed=1,2").code == 7
        assert "trained2" in trials_of(FOLDER)[0].reason
        FOLDER.rename("elsewhere")
        done = sweep(
            "hydra/sweeper=optuna",
            "hydra.sweeper.num_trials=4",
            "hydra.sweeper.objectives=[psnr_hole,seconds_training]",
            "mini_model.scorer_width=4,8",
            "trainer.learning_rate=0.003,0.01",
        )
        assert done.code == 0, done.err
        record, trials = SweepRecord.read(FOLDER), trials_of(FOLDER)
        marked = [line.split()[1] for line in summary(record, trials).splitlines() if line.startswith("*  ")]
        assert marked == [f"{number:04d}" for number in sweep_figures(record, trials).front] != []
        assert "Pareto front" in done.out

    @pytest.mark.parametrize(
        "given", [["psnr_hole"] * 2, [], ["nowhere"], [["psnr_hole"]], [{"name": "psnr_hole"}], [{"nam": "x"}], 5]
    )
    def test_what_no_run_records_is_refused(self, given: Any) -> None:
        metric = {"psnr": {"_target_": "interpositive.metrics.psnr.Psnr", "ceiling_db": 150.0}}
        fusion = "interpositive.mini_models.candidate_fusion.CandidateFusion"
        plain = {"metric": metric, "mini_model": {"_target_": fusion}, "trainer": {"score": "psnr_hole"}}
        assert [each.name for each in read_objectives(None, plain)] == ["held_out/psnr_hole/trained"]
        with pytest.raises(ConfigError, match=r"hydra\.sweeper\.objectives"):
            read_objectives(given, plain)


class TestRefused:
    @pytest.mark.parametrize(
        ("argument", "said"),
        [
            ("hydra/sweeper=basic", "not swept"),
            ("hydra.sweeper.num_parallel=0", "num_parallel"),
            ("hydra/launcher=submitit_local hydra.launcher.tasks_per_node=2", "tasks_per_node"),
            ("compute=many_nodes dailies.batch_size=128", "num_nodes"),
            ("hydra.sweeper.objectives=[nowhere]", "hydra.sweeper.objectives"),
            ("hydra/sweeper=optuna hydra.sweeper.seed=x seed=1,2", "seed"),
            ("trainer.score=nowhere", "nowhere"),
            ("dailies.batch_sise=2,4", "batch_size"),
        ],
    )
    def test_a_mistake_of_all_trials_begins_no_sweep(
        self, sweep: Sweep, trained: Trained, argument: str, said: str
    ) -> None:
        done = sweep(*argument.split())
        assert done.code == 2 and said in done.err and "Traceback" not in done.err, done.err
        assert not trained.asked and not list(Path().glob("sweep/trials/*"))

    def test_a_rank_sweeps_nothing(self, sweep: Sweep, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
        ours = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
        for name, value in ours.items():
            monkeypatch.setenv(name, value)
        done = sweep("seed=1,2")
        assert done.code == 2 and "as a rank" in done.err and not FOLDER.exists()

    def test_a_swept_yaml_that_is_none_or_moves_trials_or_trains_none_fails_as_a_trial(
        self, sweep: Sweep, trained: Trained, tmp_path: Path
    ) -> None:
        (tmp_path / "own" / "experiment").mkdir()
        for name, said in {"plain": "seed: 3", "dry": "dry_run: true", "kept": "dailies: {prepared_folder: x}"}.items():
            (tmp_path / "own" / "experiment" / f"{name}.yaml").write_text(f"# @package _global_\n{said}\n")
        assert sweep("experiment=plain,dry,kept,nowhere").code == 0 and len(trained.asked) == 1
        finished, *failed = trials_of(FOLDER)
        assert finished.state == "finished"
        assert [(trial.state, trial.exit_code) for trial in failed] == [("failed", 2)] * 3
        whys = ["dry_run cannot", "dailies.prepared_folder cannot", "there is no experiment named nowhere"]
        assert all(trial.reason.startswith(why) for trial, why in zip(failed, whys, strict=True))

    def test_optuna_is_told_what_to_vary(self, sweep: Sweep, trained: Trained) -> None:
        assert "nothing to vary" in sweep("hydra/sweeper=optuna").err
        done = sweep("hydra/sweeper=optuna", "hydra.sweeper.sampler=cma", "seed=1,2")
        assert done.code == 2 and "tpe, gp, random" in done.err and not trained.asked


FORK = multiprocessing.get_context("fork")


def sweep_with_a_worker(connection: Connection) -> None:
    FORK.Process(target=worker_of, args=(os.getpid(), connection)).start()
    connection.close()
    time.sleep(60)


def worker_of(sweep_process: int, connection: Connection) -> None:
    _end_with(sweep_process)
    connection.send("idle")
    time.sleep(60)


def test_a_killed_sweep_leaves_no_worker() -> None:
    ours, theirs = FORK.Pipe()
    sweep_process = FORK.Process(target=sweep_with_a_worker, args=(theirs,))
    sweep_process.start()
    theirs.close()
    assert ours.recv() == "idle" and not ours.poll(1)
    sweep_process.kill()
    sweep_process.join()
    assert ours.poll(10), "the worker outlives its sweep"
    with pytest.raises(EOFError):
        ours.recv()


def test_true_trainings_in_processes_of_their_own(sweep: Sweep) -> None:
    done = sweep(*SMALL_TRAINING, "mini_model.crop_px=32,-8")
    assert done.code == 0, done.err
    good, bad = trials_of(FOLDER)
    assert good.state == "finished" and good.values["held_out/psnr_hole/trained"] > 10
    assert RunRecord.read(trial_folder(FOLDER, 0)).finished
    assert bad.state == "failed" and bad.exit_code == 2 and bad.reason.startswith("mini_model")
    assert bad.reason in (trial_folder(FOLDER, 1) / CONSOLE_NAME).read_text()
