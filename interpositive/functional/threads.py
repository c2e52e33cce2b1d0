"""Work on independent frames, side by side where there are cores for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import cv2
import torch
from threadpoolctl import ThreadpoolController

Given = TypeVar("Given")
Found = TypeVar("Found")
_MOST_THREADS = 4


def in_turn(find: Callable[[Given], Found], given: Iterable[Given]) -> Iterator[Found]:
    """What is found for each of the given, in their order, by as many threads as torch has, 4 at most.

    Each is found as if it were alone: threads share cores, never a random state. The first error is raised. The given
    are asked for one by one, by who takes what is found; no more than one is begun beyond those being worked on.
    Meanwhile OpenCV takes one core a call, for all of them are in use.
    """
    # Each of them holds what it works on.
    num_threads = min(torch.get_num_threads(), _MOST_THREADS)
    if num_threads == 1:
        yield from map(find, given)
        return
    with _opencv_on_one_core(), ThreadPoolExecutor(num_threads) as pool:
        begun = deque[Future[Found]]()
        for each in given:
            begun.append(pool.submit(find, each))
            if len(begun) > num_threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


@contextmanager
def _opencv_on_one_core() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@cache
def blas_by_one_thread() -> None:
    """Have OpenBLAS take one thread from here on.

    Its threads wait spinning: beside another process that does so a wide band takes a hundred times as long. A limit
    that is given back afterwards is none where two threads take turns with it.
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)
