"""``interpositive demo``: the whole way, each step by the command a user would type."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict

from interpositive.cli.assembling import read_config
from interpositive.errors import ConfigError, InterpositiveError

# A step's own command line would be asked what leaves the machine, and a file is not to answer for it.
_OVERRIDE = re.compile(r"(?!hydra\b|engine\b|wandb\b(?!=(offline|disabled)$))[a-z_]+(\.[a-z_]+)*=")


class DemoConfig(BaseModel):
    """The keys of ``conf/demo.yaml``."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    shot_take: str
    steps: dict[str, list[str]]


def run(config: DictConfig) -> None:
    """Run every step that has not been done yet in the demo folder, and print the report's path."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(DemoConfig, plain, "demo")
    folder = settings.folder
    made = {
        "soundstage": folder / "stage",
        "ingest": folder / "production" / "catalogue.parquet",
        "train": folder / "run" / "run.json",
        "rehearse": folder / "shot",
        "apply": folder / "delivery",
        "evaluate": folder / "run" / "evaluation",
        "review run": folder / "run" / "review.html",
        "review delivery": folder / "delivery.review.html",
    }
    for step, arguments in settings.steps.items():
        for argument in arguments:
            # Options and Hydra's own keys could start other programs.
            if not _OVERRIDE.match(argument):
                raise ConfigError(
                    f"demo.steps.{step} has an argument that is no key of this package",
                    found=argument,
                    expected="key=value",
                )
    began = time.monotonic()
    for step, arguments in settings.steps.items():
        if step not in made:
            raise InterpositiveError("the demo has no such step", found=step, expected=", ".join(made))
        if made[step].exists():
            print(f"[demo] {step}: done before ({made[step]})", flush=True)
            continue
        command = [step.split()[0], *arguments]
        print(f"[demo] interpositive {shlex.join(command)}", flush=True)
        started = time.monotonic()
        finished = subprocess.run([sys.executable, "-P", "-m", "interpositive.cli.main", *command], check=False)
        if finished.returncode:
            raise InterpositiveError(
                f"the demo stopped at {step}",
                found=f"exit code {finished.returncode}",
                remedy="see the message above",
            )
        print(f"[demo] {step}: {time.monotonic() - started:.0f} s", flush=True)
    print(f"[demo] finished in {time.monotonic() - began:.0f} s")
    print(f"[demo] the run, judged on held-out takes: {made['review run'].resolve()}")
    print(f"[demo] the delivered shot:                {made['review delivery'].resolve()}")
