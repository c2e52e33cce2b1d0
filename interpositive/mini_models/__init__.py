"""A backbone, how it learns, how it restores, how it is archived."""

import interpositive._torchvision_guard  # noqa: F401
