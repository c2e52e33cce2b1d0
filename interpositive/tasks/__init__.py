"""A file per fix: how examples are made from clean frames, and how a request becomes one."""

import interpositive._torchvision_guard  # noqa: F401
