"""Mini-models from one production's own dailies, to repair that production's shots.

The package is a house of floors: imports go down only (see docs/house.md).
This module stays free of torch, so that the command line answers at once.
"""

from interpositive._version import __version__

__all__ = ["__version__"]
