"""Two machines on one: network namespaces, and a cable between them that can be cut. Needs root and ip."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def two_machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them, 10.77.0.1 and 10.77.0.2; their names."""
    names = (f"ipw{os.getpid()}a", f"ipw{os.getpid()}b")

    def run(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    made: list[str] = []
    try:
        for name in names:
            run("netns", "add", name)
            made.append(name)
        run("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for number, name in enumerate(names, 1):
            run("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "veth0")
            run("-n", name, "link", "set", "veth0", "up")
            run("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def cut(names: tuple[str, str], how: str) -> None:
    """Pull the cable at the first machine, which it notices; or let every packet get lost, which nobody notices."""
    if how == "pulled":
        subprocess.run(["ip", "-n", names[0], "link", "set", "veth0", "down"], check=True)
        return
    for number, name in enumerate(names, 1):
        # To a card that is not there.
        neighbour = [f"10.77.0.{3 - number}", "lladdr", "02:00:00:00:00:77", "dev", "veth0", "nud", "permanent"]
        subprocess.run(["ip", "-n", name, "neigh", "replace", *neighbour], check=True)


def why_no_namespaces() -> str:
    """Why this machine cannot pretend to be two; empty if it can."""
    if shutil.which("ip") is None:
        return "no ip command"
    try:
        with two_machines():
            return ""
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip()
