"""What is reported: fidelity, perception, flicker, untouched pixels."""

import interpositive._torchvision_guard  # noqa: F401
