"""Each verb as a Hydra app: composes its config, refuses what is not known, and reports mistakes in one message."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from interpositive.cli.assembling import refuse_foreign_targets
from interpositive.errors import ConfigError, InterpositiveError


def config_folder() -> Path:
    """Where the package's own configuration lies: inside the installed wheel, or beside the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise ConfigError("the package's configuration is missing", expected=f"a folder conf beside {package}")


def run_verb(verb: str) -> None:
    """Compose the verb's config from the command line and run it."""

    def job(config: DictConfig) -> float | None:
        try:
            plain = OmegaConf.to_container(config, resolve=True)
            assert isinstance(plain, dict)
            refuse_foreign_targets(plain)
            function: Callable[..., float | None] = importlib.import_module(f"interpositive.cli.verbs.{verb}").run
            return function(config)
        except InterpositiveError as error:
            print(f"interpositive {verb}: {error}", file=sys.stderr)
            raise SystemExit(error.exit_code) from None

    try:
        _refuse_machinery(sys.argv[1:])
    except ConfigError as error:
        print(f"interpositive {verb}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    app: Any = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=verb)(job)
    app()


def _refuse_machinery(arguments: list[str]) -> None:
    """Hydra builds its own launchers and sweepers before any config of ours is seen; their targets stay closed."""
    for argument in arguments:
        if argument.lstrip("+~").startswith("hydra") and "_target_" in argument:
            raise ConfigError(
                "Hydra's own parts cannot be replaced by a target",
                found=argument,
                expected="a launcher or sweeper by name, such as hydra/launcher=joblib",
            )
