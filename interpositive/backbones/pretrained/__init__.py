"""Pretrained video diffusion, a file per family, on one contract.

diffusers is imported when a family is loaded, and never turns to a network: weights are found by
:mod:`~interpositive.backbones.pretrained.weights_folder`.
"""

import interpositive._torchvision_guard  # noqa: F401
