"""Temporal perceptual distance: whether the result changes between frames as much as the clean reference does.

tLP of Chu et al., Learning Temporal Coherence via Self-Supervision for
GAN-Based Video Generation (TecoGAN), ACM TOG 2020.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from interpositive.metrics.contract import STEADINESS
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.lpips import Features, LpipsMetric, distance_of, of_weights
from interpositive.metrics.lpips_weights import Network
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo


class TemporalLpips(LpipsMetric):
    """``tlp_<network>``: 100 |LPIPS(G_t-1, G_t) - LPIPS(O_t-1, O_t)|, mean over pairs; ``…_unscaled`` without 100.

    G is the clean reference, O the result. The paper crops frames and skips the
    first and last two; here all of all frames count. Only how much changes is compared, not what: read it beside
    the warping error. One frame leaves it undefined. Each picture goes through
    the network once; its features are kept until the next frame (about 90 MB
    at 1920x1080 with alex, ten times that with vgg).
    """

    group = STEADINESS
    needs = frozenset({"reference"})

    def __init__(
        self,
        network: Network = "alex",
        weights: str | Path | None = None,
        expected_sha256: str | None = None,
        **kwargs: Any,
    ) -> None:
        """As :class:`~interpositive.metrics.lpips.Lpips`."""
        self._name = f"tlp_{network}"
        how = "How far the change from frame to frame, as a network taught by people's judgements sees it, "
        how += "is from the clean reference's own; 0 is alike."
        infos = [
            MetricInfo(name=name, unit=unit, direction="lower", meaning=how + remark + of_weights(expected_sha256))
            for name, unit, remark in (
                (self._name, "distance x 100", " Times 100, as published."),
                (f"{self._name}_unscaled", "distance", " Not times 100."),
            )
        ]
        super().__init__(infos, infos[:1], network, weights, expected_sha256, **kwargs)

    def _begin_shot(self) -> None:
        self._pairs = MeanOfValues()
        self._before: tuple[Features, Features] | None = None

    def _add(self, frame: JudgedFrame) -> None:
        net = self._net(frame)
        assert frame.beside.reference is not None
        reference = net.features_of(frame.beside.reference)
        result = net.features_of(frame.result)
        gap = math.nan
        if self._before is not None:
            clean = float(distance_of(net.layer_maps(self._before[0], reference)))
            gap = abs(clean - float(distance_of(net.layer_maps(self._before[1], result))))
        self._before = reference, result
        self._pairs.add(gap)
        self.curves[self._name].append(100.0 * gap)

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot's pairs."""
        return {self._name: 100.0 * self._pairs.mean, f"{self._name}_unscaled": self._pairs.mean}
