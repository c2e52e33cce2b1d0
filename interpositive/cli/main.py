"""The command ``interpositive``: finds the verb, and leaves everything heavy to it."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from interpositive._version import __version__
from interpositive.errors import TrainingStopped

VERBS = {
    "ingest": "bring a production's dailies into its catalogue",
    "inspect": "say on one screen what a take, a folder, a result or a piece of paperwork is",
    "train": "fine-tune a mini-model on the production's training takes",
    "reproduce": "train a finished run anew, or say whether that can be done here, and name what is other",
    "apply": "repair a shot inside its mask and deliver it",
    "evaluate": "judge a run on takes it never learned from, or any pictures against others",
    "export": "write a run's mini-model as TorchScript, ONNX or LoRA, for other programs",
    "conform": "join deliveries into the paperwork of the whole cut",
    "review": "write the page on which a supervisor judges a run, a delivery or an evaluation",
    "soundstage": "shoot a small production with exact truth, to try things on",
    "rehearse": "damage a clean take, to rehearse a repair whose truth is known",
    "demo": "all of it, end to end, on the soundstage",
}
CONFIG_FOLDER_VARIABLE = "INTERPOSITIVE_CONFIG"
THREADS_SLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What has threads that wait for each other sleep, if torch finds it when it is imported. One that spins keeps its core
from the one it waits for, wherever the machine has other work, or works on frames side by side."""
STEPS_SPIN = {"GOMP_SPINCOUNT": "2000"}
"""What has them spin for some microseconds before: to wake one takes longer than most waits of a training step."""

_USAGE = """interpositive {version}: mini-models from one production's own dailies

usage: interpositive <verb> [key=value ...] [--config-dir FOLDER] [--multirun] [--cfg job] [--help]

{verbs}

  interpositive ingest   production=my_film source=/path/to/dailies
  interpositive inspect  path=<take, folder, cut list, camera report, run or delivery>
  interpositive train    production=my_film task=wire_removal
  interpositive reproduce run=<run folder> [check_only=true]
  interpositive apply    run=<run folder> shot=shot.mov mask=mask.mov deliver_to=<new folder>
  interpositive evaluate run=<run folder>
  interpositive evaluate result=<pictures> reference=<pictures> mask=<mask>
  interpositive export   run=<run folder> form=<torchscript, onnx or lora> to=<new folder>
  interpositive conform  deliveries=[<delivery>,<delivery>] cut_list=film.edl output=<new folder>
  interpositive review   path=<run, delivery or evaluation folder>

A production is a YAML in the folder production/ of your own configuration; name that folder with
--config-dir or {variable}. `interpositive <verb> --help` lists what a verb can be told.
"""


def usage() -> str:
    """The help text."""
    verbs = "\n".join(f"  {verb:<10} {purpose}" for verb, purpose in VERBS.items())
    return _USAGE.format(version=__version__, verbs=verbs, variable=CONFIG_FOLDER_VARIABLE)


def main() -> None:
    """Run the verb named on the command line; exit codes are those of :mod:`interpositive.errors`."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        raise SystemExit(0)
    if arguments[0] in {"-V", "--version"}:
        print(__version__)
        raise SystemExit(0)
    verb = arguments[0]
    if verb not in VERBS:
        import difflib

        close = difflib.get_close_matches(verb, VERBS, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        print(f"there is no verb {verb!r}{hint}\n  expected: {', '.join(VERBS)}", file=sys.stderr)
        raise SystemExit(2)
    folder = os.environ.get(CONFIG_FOLDER_VARIABLE)
    rest = arguments[1:]
    if folder and not any(a.startswith(("--config-dir", "-cd")) for a in rest):
        rest = ["--config-dir", folder, *rest]
    # Hydra takes keys in one piece only: a switch between them would part it.
    rest.sort(key=lambda argument: argument not in ("--multirun", "-m"))
    sys.argv = [f"interpositive {verb}", *rest]

    told = THREADS_SLEEP | os.environ
    if verb == "train" and told["OMP_WAIT_POLICY"].upper() == "PASSIVE":
        told = STEPS_SPIN | told
    os.environ.update(told)
    stops = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2) if verb == "train" else ()
    before = {number: signal.signal(number, _leave_before_training) for number in stops}
    try:
        from interpositive.cli.hydra_app import run_verb

        run_verb(verb)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_before_training(number: int, frame: FrameType | None) -> NoReturn:
    """Until training listens itself there is nothing to save, but a queue should know that it can be begun again."""
    del number, frame
    print("interpositive train: asked to stop before training began; the same command begins it", file=sys.stderr)
    raise SystemExit(TrainingStopped.exit_code)


if __name__ == "__main__":
    main()
