"""Turns a finished sweep into a W&B Report with the sentences and numbers of its page.

    python scripts/wandb_report.py <sweep folder>              # writes <sweep folder>/wandb_report.json, offline
    python scripts/wandb_report.py <sweep folder> --save --entity <team> --project <project>

Without ``--save`` nothing leaves the machine: the file holds what would be sent, to be read first. ``--save`` needs
``wandb login``, and trials that were logged online (wandb=online), or synchronised since.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from interpositive.errors import ConfigError, InterpositiveError
from interpositive.records.publishing import write_file_whole
from interpositive.review.sweeps.subject import read_sweep
from interpositive.review.sweeps.wandb_report import build_report, report_json

REPORT_NAME = "wandb_report.json"


def main() -> int:
    """Build the report, write it, and send it if that was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="the folder that train --multirun printed")
    parser.add_argument("--entity", default="", help="user or team on W&B; the login's own if left out")
    parser.add_argument("--project", default="interpositive", help="the project that the trials were logged to")
    parser.add_argument("--group", default="", help="their group, if it was not the name of the sweep")
    parser.add_argument("--output", type=Path, help=f"where to write; <sweep folder>/{REPORT_NAME} if left out")
    parser.add_argument("--save", action="store_true", help="send the report to W&B, which needs a login")
    options = parser.parse_args()
    try:
        entity = options.entity or (login_entity() if options.save else "")
        report = build_report(read_sweep(options.sweep), options.project, entity, options.group)
        path = options.output or options.sweep / REPORT_NAME
        write_file_whole(path, report_json(report))
        print(f"report, as it would be sent: {path}")
        if options.save:
            report.save()
            print(f"saved: {report.url}")
    except InterpositiveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def login_entity() -> str:
    """Who is logged in to W&B; ``ConfigError`` if nobody is."""
    import wandb

    try:
        return str(wandb.Api().default_entity)
    except (wandb.errors.UsageError, wandb.errors.CommError) as error:
        raise ConfigError(
            "saving a report needs a login to W&B",
            found=str(error).splitlines()[0],
            remedy="run wandb login, or leave --save out to write the report to a file",
        ) from None


if __name__ == "__main__":
    raise SystemExit(main())
