"""However something ends, the user reads one message and the shell gets the right exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader, Dataset

from interpositive.cli.assembling import read_config
from interpositive.cli.hydra_app import config_folder
from interpositive.cli.mistakes import EXIT_INTERRUPTED, nearest, reported
from interpositive.cli.productions import ProductionConfig
from interpositive.dailies.workers import run_jobs
from interpositive.errors import (
    CannotReproduceError,
    CatalogueError,
    ColourError,
    ConfigError,
    CutListError,
    IntegrityError,
    InterpositiveError,
    MaskError,
    MediaError,
    MissingWeightsError,
    NotReproducedError,
    PaperworkError,
    RankLostError,
    RightsError,
    RunFolderError,
    StorageError,
    TimecodeError,
    TrainingError,
    TrainingStopped,
)

ROOT = Path(__file__).resolve().parents[2]
CONF = config_folder()
EXIT_CODES = {
    ConfigError: 2,
    MediaError: 3,
    MaskError: 3,
    TimecodeError: 3,
    CatalogueError: 3,
    ColourError: 3,
    CutListError: 3,
    PaperworkError: 3,
    RunFolderError: 3,
    IntegrityError: 4,
    StorageError: 5,
    TrainingError: 7,
    RankLostError: 8,
    NotReproducedError: 9,
    CannotReproduceError: 10,
    TrainingStopped: 75,
    MissingWeightsError: 6,
    RightsError: 11,
}


def ended(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught, reported("train", CONF):
        raise error
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().err


@pytest.mark.parametrize(("kind", "code"), EXIT_CODES.items())
def test_each_kind_of_mistake_has_its_exit_code(
    kind: type[InterpositiveError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, text = ended(kind("it is broken", found="this", expected="that", remedy="mend it"), capsys)
    assert found == code
    assert text == "interpositive train: it is broken\n  found:    this\n  expected: that\n  to mend:  mend it\n"


def test_every_kind_is_in_the_table() -> None:
    kinds = {k for k in vars(sys.modules["interpositive.errors"]).values() if isinstance(k, type)}
    assert {k for k in kinds if issubclass(k, InterpositiveError)} == {*EXIT_CODES, InterpositiveError}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES])
def test_a_disk_that_refuses_a_library_is_a_storage_error(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = ended(OSError(number, os.strerror(number), "runs/metrics.csv"), capsys)
    assert code == StorageError.exit_code
    assert "runs/metrics.csv" in text and os.strerror(number) in text and "Traceback" not in text


def test_ctrl_c_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(KeyboardInterrupt(), capsys) == (EXIT_INTERRUPTED, "interpositive train: stopped\n")


def test_a_machine_that_lacks_what_lightning_wants_is_a_config_error(capsys: pytest.CaptureFixture[str]) -> None:
    from pytorch_lightning.utilities.exceptions import MisconfigurationException

    code, text = ended(MisconfigurationException("No supported gpu backend found!"), capsys)
    assert code == 2 and "No supported gpu backend" in text


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), OSError(errno.EBADF, "ours"), AssertionError("ours")])
def test_a_defect_of_ours_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error), match="ours"), reported("train", CONF):
        raise error


class Damaged(Dataset[Any]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        raise MediaError("frame 7 cannot be decoded", found="a wrong checksum", remedy="copy it again")


def test_a_mistake_in_a_loading_worker_is_the_same_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, reported("train", CONF):
        list(DataLoader(Damaged(), num_workers=1, multiprocessing_context="fork"))
    assert caught.value.code == 3
    text = capsys.readouterr().err
    assert text.startswith("interpositive train: frame 7 cannot be decoded\n  found:    a wrong checksum")
    assert "Traceback" not in text and "copy it again" in text


def refuse(job: int) -> int:
    raise MaskError("not this one", found=job)


def test_a_mistake_in_a_spawned_worker_comes_back_in_words() -> None:
    (outcome,) = run_jobs(refuse, [5], 1, lambda job: 60.0)
    assert outcome.result is None and outcome.reason == "not this one (5)"


def test_an_error_survives_pickling() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(StorageError("full", found=1, expected=2, remedy="room")))
    assert type(error) is StorageError and str(error) == str(StorageError("full", found=1, expected=2, remedy="room"))


def test_interrupting_a_real_command_leaves_neither_traceback_nor_result(tmp_path: Path) -> None:
    arguments = ["soundstage", f"output={tmp_path / 'stage'}", "stage.num_frames=4000", "num_workers=1"]
    running = subprocess.Popen(
        [sys.executable, "-m", "interpositive.cli.main", *arguments, "progress=false"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell in the background has its children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while running.poll() is None and not any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any(tmp_path.iterdir()), "rendering has begun"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == EXIT_INTERRUPTED and err.strip().endswith("stopped")
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_an_interrupt_where_no_exception_can_leave_comes_again() -> None:
    class Finalised:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    # Whoever started this may have it ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    told = sys.unraisablehook
    try:
        with pytest.raises(SystemExit) as ended, reported("soundstage", ROOT / "conf"):
            Finalised()
            time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == EXIT_INTERRUPTED and sys.unraisablehook is told


def test_a_nested_wrong_value_is_named_in_full() -> None:
    with pytest.raises(ConfigError, match=r"production\.split\.seed"):
        read_config(ProductionConfig, {"name": "x", "workspace": "y", "split": {"seed": "soon"}}, "production")


def test_an_entry_added_without_a_plus_is_told_how(command: Any) -> None:
    ended = command("ingest", "source=.", "production.rates={scan: 25}")
    assert ended.code == 2 and "'+production.rates={name: value}'" in ended.err


def test_nearest_prefers_the_whole_and_then_the_last_part() -> None:
    known = ["trainer.max_steps", "seed", "dailies.batch_size"]
    assert nearest("sead", known) == "seed"
    assert nearest("max_step", known) == "trainer.max_steps"
    assert nearest("utterly_else", known) is None
