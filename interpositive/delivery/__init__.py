"""A mini-model over a whole shot, and the folder that is handed over."""

import interpositive._torchvision_guard  # noqa: F401
