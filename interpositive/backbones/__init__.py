"""A file per network."""

import interpositive._torchvision_guard  # noqa: F401
