"""What libraries say on every run, whatever happens, is left out; what they say about a mistake stays."""

from __future__ import annotations

import logging
import warnings

# Which accelerators are absent, which products could be installed, and that the last step was the last.
_QUIET_LOGGERS = ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.rank_zero")
_STANDING_WARNINGS = (
    # Prepared windows are read faster than a step takes; the share of waiting is in every run's record.
    (r".*does not have many workers.*", Warning),
    # A run folder holds its config before training begins, and a resumed run carries its rows over.
    (r".*Experiment logs directory .* exists and is not empty.*", Warning),
    # Nothing is written in place into what a network gives.
    (r".*FSDP2-wrapped module .* returned a view tensor.*", UserWarning),
    # Loaders of a resumed run begin with the batch that the seed gives for its step.
    (r".*resuming from a checkpoint that ended before the epoch ended.*", Warning),
    (r".*isinstance\(treespec, LeafSpec\).*", Warning),
)


def quiet_libraries() -> None:
    """Raise two loggers to warnings and ignore single, named warnings; nothing else is silenced."""
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message, category in _STANDING_WARNINGS:
        warnings.filterwarnings("ignore", message=message, category=category)
