"""The metrics that a config chooses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from interpositive.cli.assembling import assemble
from interpositive.metrics.contract import MakeMetric, ShotMetric


def assemble_metrics(node: Mapping[str, Mapping[str, Any]]) -> tuple[MakeMetric, ...]:
    """What makes each metric of the ``metric`` group; each is built once here, so that a mistake shows at once."""
    makers = []
    for name, given in node.items():
        assemble(given, f"metric.{name}", ShotMetric)
        makers.append(partial(assemble, dict(given), f"metric.{name}", ShotMetric))
    return tuple(makers)
