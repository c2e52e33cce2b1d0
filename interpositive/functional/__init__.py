"""Pure functions on tensors: examples, windows and their blending, masks, seeds."""
