"""What each number means, in one sentence a supervisor can use."""

from __future__ import annotations

from interpositive.records.measures import MetricInfo

_DIFFERENCE = "squared difference"

METRICS: list[MetricInfo] = [
    MetricInfo(
        name="psnr",
        unit="dB",
        direction="higher",
        meaning="How close the whole frame is to the clean reference; every 6 dB halves the error, "
        "equal pictures are given 150.",
    ),
    MetricInfo(
        name="psnr_hole",
        unit="dB",
        direction="higher",
        meaning="How close the repaired pixels alone are to the clean reference, all frames taken together.",
    ),
    MetricInfo(
        name="ssim",
        unit="similarity",
        direction="higher",
        meaning="Whether edges and texture of the frame agree with the clean reference; 1 is equal.",
    ),
    MetricInfo(
        name="ssim_hole",
        unit="similarity",
        direction="higher",
        meaning="Whether edges and texture of the repair agree with the clean reference; 1 is equal.",
    ),
    MetricInfo(
        name="lpips",
        unit="distance",
        direction="lower",
        meaning="How different from the clean reference a viewer would find the frame, by a trained network.",
    ),
    MetricInfo(
        name="e_warp_dis_hole",
        unit=_DIFFERENCE,
        direction="lower",
        meaning="How much the repair boils or jumps between frames once motion is taken out; grain counts.",
    ),
    MetricInfo(
        name="e_warp_rel_dis_hole",
        unit="ratio",
        direction="lower",
        meaning="How steady the repair is beside the clean footage: 1 is alike, well above 1 flickers, "
        "well below 1 is too smooth or lacks grain.",
    ),
    MetricInfo(
        name="e_warp_dis",
        unit=_DIFFERENCE,
        direction="lower",
        meaning="How much the whole frame changes between frames once motion is taken out; grain counts.",
    ),
    MetricInfo(
        name="luma_flicker",
        unit="%",
        direction="lower",
        meaning="How much the brightness of the frame jumps about its own slow course; read it beside the plate's.",
    ),
    MetricInfo(
        name="luma_flicker_hole",
        unit="%",
        direction="lower",
        meaning="How much the brightness of the repair jumps; a moving hole changes it too, "
        "so read it beside the reference's.",
    ),
    MetricInfo(
        name="untouched_changed",
        unit="pixels",
        direction="lower",
        meaning="Pixels outside the mask that are not exactly the plate's; anything but 0 is a fault.",
    ),
]
"""The metrics of a shot, in the order a table shows them."""

CURVES: list[MetricInfo] = [
    MetricInfo(
        name="psnr_hole",
        unit="dB",
        direction="higher",
        meaning="How close the repaired pixels of this frame are to the clean reference.",
    ),
    MetricInfo(
        name="e_warp_dis_hole",
        unit=_DIFFERENCE,
        direction="lower",
        meaning="How badly the repair of this frame follows from the frame before it.",
    ),
    MetricInfo(
        name="e_warp_excess_dis_hole",
        unit=_DIFFERENCE,
        direction="lower",
        meaning="How much worse that is than in the clean reference (without one: around the hole); "
        "below 0 is smoother.",
    ),
    MetricInfo(
        name="luma_hole",
        unit="code value 0-1",
        direction="neither",
        meaning="Mean brightness of the repaired pixels of this frame.",
    ),
    MetricInfo(
        name="untouched_changed",
        unit="pixels",
        direction="lower",
        meaning="Pixels of this frame outside the mask that are not exactly the plate's.",
    ),
]
"""What is drawn frame by frame; the frame's own number, or None where it is not defined."""
