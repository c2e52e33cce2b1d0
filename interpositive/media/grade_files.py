"""Grades as other programs read them: ``.cdl``, ``.ccc`` and 3D cubes (``.cube``)."""

from __future__ import annotations

import numpy as np
import PyOpenColorIO as ocio
from numpy.typing import NDArray

from interpositive.records.cdl import Cdl

CUBE_EDGE = 33


def cdl_text(cdl: Cdl, *, collection: bool = False) -> str:
    """A grade as an ASC ``.cdl`` file (ColorDecisionList), or as a ``.ccc`` collection of one."""
    transform = ocio.CDLTransform(
        slope=list(cdl.slope), offset=list(cdl.offset), power=list(cdl.power), sat=cdl.saturation
    )
    transform.setID(cdl.id)
    if cdl.description:
        transform.setFirstSOPDescription(cdl.description)
    group = ocio.GroupTransform([transform])
    kind = "ColorCorrectionCollection" if collection else "ColorDecisionList"
    return str(group.write(kind, ocio.Config.CreateRaw()))


def cube_lattice(edge: int = CUBE_EDGE) -> NDArray[np.float32]:
    """The colours of a cube over [0, 1] in the order of ``.cube`` files, red first: ``edge^3 3``."""
    steps = np.linspace(0.0, 1.0, edge, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack((red.ravel(), green.ravel(), blue.ravel()), 1)


def cube_text(colours: NDArray[np.float32], title: str) -> str:
    """What the lattice's colours become, ``edge^3 3``, as a ``.cube`` file."""
    edge = round(len(colours) ** (1 / 3))
    rows = "\n".join(f"{red:.7f} {green:.7f} {blue:.7f}" for red, green, blue in colours.tolist())
    return f'TITLE "{title}"\nLUT_3D_SIZE {edge}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n{rows}\n'
