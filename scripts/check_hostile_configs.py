"""Does anything of a stranger's configuration run? Each of the corpus ends as one message that names its key.

    python scripts/check_hostile_configs.py [--show]

Every configuration of ``tests/cli/hostile_configs.py`` goes through the real command line in a process of its own, in
which an audit hook notes processes started, addresses connected to, files written outside of its folder, pickles
opened and foreign modules imported; a secret in the environment must not be printed or written. Prints a table by
route, and exits 1 when one of them executed, leaked, ended in a traceback, or did not name its key.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests" / "cli")]

from hostile_configs import corpus  # noqa: E402
from hostile_running import faults, run_one, warm  # noqa: E402


def main() -> int:
    """Run all, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print every message")
    show = parser.parse_args().show
    warm()
    ran, executed, leaked, unclear = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    slowest, largest = 0.0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for hostile in corpus():
            outcome = run_one(hostile, Path(scratch).resolve() / "case")
            route = hostile.route.partition(":")[0]
            wrong = faults(hostile, outcome)
            ran[route] += 1
            executed[route] += any(line.startswith("executed") for line in wrong)
            leaked[route] += outcome["leaked"]
            unclear[route] += bool(wrong)
            slowest, largest = max(slowest, outcome["seconds"]), max(largest, outcome["grew_mb"])
            if wrong or show:
                print(f"{hostile.route}: {' '.join(hostile.arguments)[:200]}\n  {wrong or 'refused'}")
                print("    " + outcome["printed"].strip()[-600:].replace("\n", "\n    "))
    print(f"\n{platform.machine()} {platform.system()}, Python {platform.python_version()}")
    print(f"{'route':<32}{'configs':>8}{'executed':>10}{'leaked':>8}{'not refused as asked':>22}")
    for route in ran:
        print(f"{route:<32}{ran[route]:>8}{executed[route]:>10}{leaked[route]:>8}{unclear[route]:>22}")
    totals = ran.total(), executed.total(), leaked.total(), unclear.total()
    print(f"{'all':<32}{totals[0]:>8}{totals[1]:>10}{totals[2]:>8}{totals[3]:>22}")
    print(f"slowest {slowest:.1f} s; most memory beyond the start {largest} MB")
    return int(totals[0] < 200 or totals[3] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
