"""Whether an offset was subtracted twice: dark shadows and lakes show it, bright ground would hide it. Pure."""

import numpy as np

from pipeline.compositing.indices import reflectance_at
from pipeline.execution.compiled import njit

BELOW_SHADOW = -0.05
"""Reflectance (unit 1) below which atmospheric correction puts no shadow or lake (expert choice): if more than a
hundredth of all pixels have less in red or near infrared, the offset was subtracted twice. Bright ground would hide
this and come out too green."""


def refuse_below_shadow(known: int, below: int) -> None:
    """Raises ValueError where more than a hundredth of the ``known`` pixels of a scene is ``below`` `BELOW_SHADOW`."""
    if below > max(50, known / 100):
        raise ValueError(
            f"{below / known:.0%} of its pixels, shadow and water among them, have reflectance below {BELOW_SHADOW}, "
            "so its offset is wrong or was applied already"
        )


@njit(nogil=True, cache=True)
def below_shadow(red, nir):
    """How many pixels of two bands (`scene.Stored`) are known in both, and how many of these are below `BELOW_SHADOW`
    in one."""
    known, below = 0, 0
    for y in range(red[0].shape[0]):
        for x in range(red[0].shape[1]):
            r, n = reflectance_at(red, y, x), reflectance_at(nir, y, x)
            known += (r == r) & (n == n)
            below += is_below_shadow(r, n)
    return known, below


@njit(nogil=True, cache=True)
def is_below_shadow(r, n):
    """Whether a pixel with these reflectances (unit 1; NaN where missing, and then not) is below `BELOW_SHADOW`."""
    lowest = np.float32(BELOW_SHADOW)
    return ((r < lowest) & (n == n)) | ((n < lowest) & (r == r))
