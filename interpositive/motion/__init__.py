"""Optical flow, backward warp, occlusion and camera motion between frames."""

import interpositive._torchvision_guard  # noqa: F401
