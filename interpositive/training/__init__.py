"""Fine-tuning a mini-model, and the record of the run."""

import interpositive._torchvision_guard  # noqa: F401
