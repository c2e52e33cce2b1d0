"""Each verb as a Hydra app: composes its config, refuses what is not known, and reports mistakes in one message."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from interpositive.cli.arguments import refuse_arguments
from interpositive.cli.assembling import refuse_foreign_targets
from interpositive.cli.chatter import quiet_libraries
from interpositive.cli.hydra_guard import guarded_hydra
from interpositive.cli.interpolations import resolved
from interpositive.cli.main import VERBS
from interpositive.cli.mistakes import refuse_missing, reported
from interpositive.errors import ConfigError


def config_folder() -> Path:
    """Where the package's own configuration lies: inside the installed wheel, or beside the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise ConfigError("the package's configuration is missing", expected=f"a folder conf beside {package}")


def run_verb(verb: str) -> None:
    """Compose the verb's config from the command line and run it."""
    folder = config_folder()

    def job(config: DictConfig) -> float | None:
        with reported(verb, folder):
            plain_config(config, verb)
            quiet_libraries()
            function: Callable[..., float | None] = importlib.import_module(f"interpositive.cli.verbs.{verb}").run
            return function(config)

    app: Any = hydra.main(version_base="1.3", config_path=str(folder), config_name=verb)(job)
    # Hydra would print mistakes in its own words; with this it leaves them to us.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with reported(verb, folder), guarded_hydra(f"interpositive {verb}: {VERBS[verb]}", folder):
        refuse_arguments(sys.argv[1:])
        app()


def plain_config(config: DictConfig, verb: str) -> dict[str, Any]:
    """A verb's composed config, resolved and plain; ``ConfigError`` for a missing value or a foreign target.

    Also where a launcher has brought the job into a process without the guard.
    """
    refuse_missing(config, verb)
    plain = resolved(config)
    refuse_foreign_targets(plain)
    return plain
