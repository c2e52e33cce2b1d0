"""Pretrained video diffusion, a file per family, on one contract.

diffusers is imported when a family is loaded, and never turns to a network: weights are found by
:mod:`~interpositive.backbones.pretrained.weights_folder`.
"""

import os

import interpositive._torchvision_guard  # noqa: F401

# Read when the libraries are imported; everything is looked for on this machine, and this says so once more.
os.environ["HF_HUB_OFFLINE"] = "1"
