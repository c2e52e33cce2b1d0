"""Asked to stop, a run saves where it is and ends; the same command goes on from there.

A signal's handler writes nothing: it only remembers. At the end of the step all ranks learn of it, save, and end with
``TrainingStopped``. Before there is anything to save, and when asked a second time, a run ends at once.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning

from interpositive.errors import TrainingStopped

# What a system or scheduler sends when the time is over; SLURM's warnings are often one of the last two.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_AT_ONCE_SECONDS = 2.0


class StopRequests:
    """Listens to :data:`STOP_SIGNALS` inside a ``with``; ``asked`` names the first that came here.

    ``agreed`` is whether all ranks know by now that one of them was asked.

    Until :meth:`defer`, and when one comes again after two seconds, ``TrainingStopped`` is raised on the spot. When the
    body has ended by it, a warning signal is handed to whoever listened before, such as a launcher that queues its job
    again. Outside the main thread nothing can be listened to, and nothing is.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self.agreed = False
        self._number = 0
        self._heard: dict[int, float] = {}
        self._deferred = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in STOP_SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, trace
        for number, handler in self._before.items():
            signal.signal(number, handler)
        warned = self._number not in (0, signal.SIGTERM)
        if isinstance(error, TrainingStopped) and warned and callable(self._before[self._number]):
            signal.raise_signal(self._number)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        # A warning and the SIGTERM that follows it are one request, and so is what comes twice at once: a scheduler
        # tells every process, and a starter among them hands it on.
        again = number in self._heard and time.monotonic() - self._heard[number] > _AT_ONCE_SECONDS
        self._heard.setdefault(number, time.monotonic())
        if self.asked is None:
            self.asked, self._number = signal.Signals(number).name, number
        if again or not self._deferred:
            self.leave("ended at once")

    def defer(self) -> None:
        """From here on the first signal waits for the end of a step."""
        self._deferred = True

    def leave(self, how: str) -> None:
        """Raise ``TrainingStopped``."""
        raise TrainingStopped(
            f"training was asked to stop ({self.asked or 'another rank was'}) and {how}",
            remedy="the same command goes on from there",
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C stays a ``KeyboardInterrupt``: Lightning makes an exit of it, and is deaf to any other."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


class StopWhenAsked(lightning.Callback):
    """At the end of a step, if any rank was asked to stop: ``save_now``, and ``TrainingStopped`` on all.

    Belongs after all callbacks that add to the state. At the last step a run goes on to its end; only if that step
    ``is_to_be_judged`` still, it ends without saving, and takes its last steps again.
    """

    def __init__(
        self,
        requests: StopRequests,
        save_now: Callable[[lightning.Trainer], None],
        is_to_be_judged: Callable[[int], bool],
        expect_ends: Callable[[], None] | None = None,
    ) -> None:
        """``is_to_be_judged`` says the same on all ranks; ``expect_ends`` is called before all end."""
        self.requests = requests
        self.save_now = save_now
        self.is_to_be_judged = is_to_be_judged
        self.expect_ends = expect_ends or (lambda: None)

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Keep Lightning's handlers away: they write checkpoints and talk to other ranks in the midst of anything."""
        del pl_module, stage
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """From here on there is something to save."""
        del trainer, pl_module
        self.requests.defer()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Save, and end."""
        del pl_module, args
        step = trainer.global_step
        # A judgement is given up only for a request, which may have come since the ranks agreed on none.
        given_up = self.is_to_be_judged(step)
        if step < trainer.max_steps and (given_up or self.requests.agreed):
            self.expect_ends()
            self.save_now(trainer)
            self.requests.leave(f"is saved at step {step} of {trainer.max_steps}")
        if given_up:
            self.expect_ends()
            self.requests.leave("goes on from the newest checkpoint")
