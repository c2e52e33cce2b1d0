"""Frames are worked on side by side, and nobody can tell from what is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import pytest
import torch

from interpositive.functional.threads import in_turn


@pytest.mark.parametrize("num_threads", [1, 3])
def test_what_is_found_comes_in_order_and_errors_are_raised(num_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_threads)
    assert list(in_turn(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        list(in_turn(lambda n: 1 // n, [2, 1, 0]))


def test_as_many_are_worked_on_at_once_as_there_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    together = threading.Barrier(2, timeout=30)
    assert len(set(in_turn(lambda _: together.wait(), range(4)))) == 2


def test_no_more_is_begun_than_one_beyond_what_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    asked = list[int]()

    def given() -> Iterator[int]:
        for number in range(9):
            asked.append(number)
            yield number

    found = in_turn(lambda number: -number, given())
    assert next(found) == 0 and asked == [0, 1, 2]
    assert next(found) == -1 and asked == [0, 1, 2, 3]
    assert list(found) == [-2, -3, -4, -5, -6, -7, -8]


def test_opencv_takes_one_core_a_call_meanwhile_and_as_many_as_before_then(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        for num_threads, meanwhile in ((1, 2), (2, 1)):
            monkeypatch.setattr(torch, "get_num_threads", lambda num=num_threads: num)
            assert set(in_turn(lambda _: cv2.getNumThreads(), range(4))) == {meanwhile}
            assert cv2.getNumThreads() == 2
            with pytest.raises(ZeroDivisionError):
                list(in_turn(lambda n: 1 // n, [1, 0]))
            assert cv2.getNumThreads() == 2, "whatever comes of it"
    finally:
        cv2.setNumThreads(before)
