"""Giving back to the machine what this process has freed."""

from __future__ import annotations

import ctypes
import platform


def give_back_freed_memory() -> None:
    """Let go of pages that hold nothing, where the C library keeps them (glibc, which learns to keep what frames take).

    Between two stages that both need much: what one has freed lies scattered, and the other would grow beside it.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
