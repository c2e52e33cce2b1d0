"""One run at Weights & Biases: kept on this machine unless asked otherwise, continued when the run is, and never in the
way of training."""

from __future__ import annotations

import configparser
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest import mock

# Before W&B is imported by anyone: it would report its own errors to its makers.
os.environ["WANDB_ERROR_REPORTING"] = "false"

import interpositive.training  # noqa: F401  isort: skip
from pydantic import BaseModel, ConfigDict
from pytorch_lightning.loggers import Logger

from interpositive.errors import InterpositiveError
from interpositive.records.publishing import write_file_whole
from interpositive.training.ranks import is_first
from interpositive.training.wandb_files import STEP, logged_names

_LOG = logging.getLogger(__name__)
_FOLDER, _ID_NAME = "wandb", "run_id"
_DIRECTORIES = ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
# An address that answers nobody: W&B asks one on the local network for the name of the cloud it runs in.
_NOWHERE = "http://127.0.0.1:9"
_REACH_SECONDS = 30.0
_STATS_SECONDS = 15.0
_SEND_SECONDS = 60.0

# What of a configuration is sent: numbers, switches and short names under these keys; all else stays here.
_SENT = {
    "seed": None,
    "production": ("name", "training_height", "training_encoding"),
    "task": None,
    "mini_model": None,
    "dailies": ("window_frames", "num_windows", "num_val_windows", "batch_size", "num_workers", "num_prepare_workers"),
    "trainer": None,
    "compute": None,
    "metric": None,
}
# Places, and what a prompt tells of a film.
_WITHHELD = ("weights", "expected_sha256", "prompt", "away_from")
_SHORT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._:+-]{0,99}")


class WandbSettings(BaseModel):
    """``mode``: ``offline`` (kept in the run folder), ``online`` (sent to ``entity``/``project``) or ``disabled``.

    ``log_media`` shows held-out pictures and movies, ``log_archive`` keeps the finished mini-model as an artifact,
    ``system_stats`` measures processor, memory, disk and accelerator.
    """

    model_config = ConfigDict(extra="forbid")

    mode: Literal["offline", "online", "disabled"] = "offline"
    project: str = "interpositive"
    entity: str | None = None
    group: str | None = None
    log_media: bool = True
    log_archive: bool = False
    system_stats: bool = True


def sent_config(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What W&B is told of a resolved configuration, in its own groups: an allow-list, and only plain short values."""
    sent: dict[str, Any] = {}
    for key, parts in _SENT.items():
        node = plain.get(key)
        if isinstance(node, Mapping) and parts is not None:
            node = {name: node[name] for name in parts if name in node}
        if key in plain:
            _send(node, key, sent)
    return sent


def _send(node: object, key: str, sent: dict[str, Any]) -> None:
    """Put under ``key`` what may be sent of a node; a group of which nothing may is left out."""
    if isinstance(node, Mapping):
        group: dict[str, Any] = {}
        for name, value in node.items():
            if name not in _WITHHELD and _SHORT_NAME.fullmatch(str(name)):
                _send(value, str(name), group)
        if group:
            sent[key] = group
    elif isinstance(node, list | tuple):
        if all(_is_plain(value) for value in node):
            sent[key] = list(node)
    elif _is_plain(node):
        sent[key] = node


def _is_plain(value: object) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float)
        or bool(isinstance(value, str) and _SHORT_NAME.fullmatch(value))
    )


class RunLogger(Logger):
    """Logs to one W&B run, which a resumed training continues under the same id.

    What its earlier segments hold already is not said again. If W&B fails, that is told once, and training goes on
    without it; if W&B cannot be reached, the run is kept offline.
    """

    def __init__(
        self, settings: WandbSettings, folder: Path, production: str, task: str, config: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.settings, self.folder = settings, folder
        self.group = settings.group or f"{production}/{task}"
        self.config = sent_config(config)
        self.failure = ""
        self._run: Any = None
        self._said: dict[int, set[str]] = {}

    @property
    def name(self) -> str:
        """The run's name at W&B."""
        return self.folder.name

    @property
    def version(self) -> str:
        """The run's id at W&B, which its folder keeps."""
        return _kept_id(self.folder / _FOLDER)

    @property
    def save_dir(self) -> str:
        """Where all that W&B writes lies."""
        return str(self.folder)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the configuration was told when the run began."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log what no earlier segment of the run has for this step."""
        self.apart(lambda run: self.log_new(run, metrics, step))

    def log_new(self, run: Any, metrics: Mapping[str, Any], step: int | None) -> None:
        """As :meth:`log_metrics`, inside of :meth:`apart`."""
        said = self._said.get(step, set()) if step is not None else set()
        new = {
            name: value
            for name, value in metrics.items()
            if name not in said and not any(each.startswith(f"{name}/") for each in said)
        }
        if step is not None:
            self._said.setdefault(step, set()).update(new)
        if new:
            if step is None:
                run.log(new)
            elif step < run.step:
                # Lightning tells a step's loss after what was measured at its end, and W&B takes nothing of the past.
                run.log(new, step=run.step)
            else:
                run.log({**new, STEP: step}, step=step)

    def apart(self, work: Callable[[Any], None]) -> None:
        """Do something with the run; whatever W&B raises is told once, and nothing more is logged."""
        if self.failure or not is_first():
            return
        try:
            with _its_own_folder(self.folder / _FOLDER):
                if self._run is None:
                    self._run = self._begin()
                work(self._run)
        except InterpositiveError:
            # A signal that ends the training, heard meanwhile.
            raise
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            _LOG.warning("W&B failed, and training goes on without it: %s", self.failure)

    def log_lost(self, by_step: Mapping[int, Mapping[str, Any]], run: Any) -> None:
        """Inside of :meth:`apart`: log the numbers of steps after the last one that the earlier segments hold."""
        last = max(self._said, default=0)
        for step in sorted(step for step in by_step if step >= last):
            # Lightning counts the step of a loss from the one before.
            near = self._said.get(step - 1, set())
            self.log_new(run, {name: value for name, value in by_step[step].items() if name not in near}, step)

    def finish(self, exit_code: int = 0) -> None:
        """End the run at W&B, sending what is not sent yet for a while; an offline run is closed."""
        if self._run is not None:
            self.apart(lambda run: run.finish(exit_code=exit_code))
            self._run = None

    def _begin(self) -> Any:
        import wandb

        self._said = logged_names(self.folder / _FOLDER, self.version)
        try:
            run = self._init(self.settings.mode)
        except wandb.errors.Error as error:
            if self.settings.mode != "online":
                raise
            _LOG.warning(
                "W&B cannot be reached, and the run is kept offline: %s; send it with: wandb sync %s",
                str(error).splitlines()[0],
                self.folder / _FOLDER / "offline-run-*",
            )
            # It still holds the id of the run that it could not begin.
            wandb.teardown()
            run = self._init("offline")
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        return run

    def _init(self, mode: Literal["online", "offline", "disabled"]) -> Any:
        import wandb

        return wandb.init(
            project=self.settings.project,
            entity=self.settings.entity,
            group=self.group,
            job_type="train",
            name=self.name,
            id=self.version,
            resume="allow",
            dir=self.save_dir,
            mode=mode,
            config=self.config,
            notes="",
            tags=[],
            settings=wandb.Settings(
                save_code=False,
                disable_git=True,
                disable_job_creation=True,
                console="off",
                x_disable_stats=not self.settings.system_stats,
                x_disable_meta=True,
                x_save_requirements=False,
                # A killed service writes nothing more; it would wait longer.
                x_transaction_log_flush_interval=1.0,
                x_stats_sampling_interval=_STATS_SECONDS,
                x_stats_coreweave_metadata_base_url=_NOWHERE,
                # Else they are looked up.
                host="not told",
                username="not told",
                email="not told",
                program="interpositive",
                silent=True,
                use_dot_wandb=False,
                init_timeout=_REACH_SECONDS,
                finish_timeout=_SEND_SECONDS,
                reinit="create_new",
            ),
        )


@contextmanager
def wandb_loggers(
    settings: WandbSettings, folder: Path, production: str, task: str, config: Mapping[str, Any]
) -> Iterator[list[Logger]]:
    """Loggers of one run, none if W&B is disabled; at the end the run is closed, as failed if an error leaves here.

    Of a resolved ``config`` only :func:`sent_config` is logged.
    """
    if settings.mode == "disabled":
        yield []
        return
    logger = RunLogger(settings, folder, production, task, config)
    try:
        yield [logger]
    except BaseException:
        logger.finish(exit_code=1)
        raise
    logger.finish()


def _kept_id(folder: Path) -> str:
    path = folder / _ID_NAME
    if not is_first():
        return ""
    if not path.is_file():
        write_file_whole(path, secrets.token_hex(4))
    found = path.read_text().strip()
    if not re.fullmatch(r"[0-9a-z]{4,64}", found):
        raise ValueError(f"{path} holds no id of a W&B run: {json.dumps(found[:80])}")
    return found


@contextmanager
def _its_own_folder(folder: Path) -> Iterator[None]:
    """W&B has its caches in the run folder, and of files of settings heeds the address and the team in the user's own:
    what lies where the command runs, or came with a run folder, is not to say where to send.
    """
    from wandb.sdk.wandb_settings import Settings

    told = dict.fromkeys(_DIRECTORIES, str(folder.resolve()))
    folder.mkdir(parents=True, exist_ok=True)
    with (
        mock.patch.dict(os.environ, {**_users_destination(), **os.environ, **told}),
        mock.patch("wandb.sdk.wandb_config.Config._load_defaults"),
        mock.patch.object(Settings, "update_from_system_settings"),
    ):
        yield


def _users_destination() -> dict[str, str]:
    """What ``wandb login`` has kept of where to send, as the variables that say the same."""
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read(folder / "settings")
    except (configparser.Error, UnicodeDecodeError):
        # Not in its own words, which repeat what the file holds.
        raise ValueError(f"{folder / 'settings'} is no file of settings") from None
    return {
        variable: settings["default"][key]
        for variable, key in (("WANDB_BASE_URL", "base_url"), ("WANDB_ENTITY", "entity"))
        if settings.has_option("default", key)
    }
