"""What is optimised: pixel and temporal terms."""

import interpositive._torchvision_guard  # noqa: F401
