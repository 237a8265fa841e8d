"""Values as the scaled integers of the rasters. Pure."""

import numpy as np

from pipeline.execution.compiled import njit
from pipeline.variables import Variable


def encode(variable: Variable, values: np.ndarray) -> np.ndarray:
    """Stored integers round(values / scale), NaN as nodata.

    Raises ValueError where a value does not fit or would equal nodata: a clipped number would be wrong.
    """
    stored = np.empty(values.shape, variable.dtype)
    limits = np.iinfo(variable.dtype)
    fits, apart = _encode(values.ravel(), variable.scale, limits.min, limits.max, variable.nodata, stored.ravel())
    if not apart:
        raise ValueError(f"a value of {variable.name} equals its nodata {variable.nodata}")
    if not fits:
        raise ValueError(
            f"{variable.name} in {variable.unit} exceeds what {variable.dtype} x {variable.scale} can hold"
        )
    return stored


@njit(nogil=True, cache=True)
def _encode(values, scale, low, high, nodata, stored):
    """Fill ``stored``; returns whether all values fit, and whether none would be nodata. Without a branch: the compiler
    takes several values at a time."""
    fit, apart = True, True
    for i in range(values.size):
        value = values[i]
        known = value == value  # not NaN
        level = np.rint(value / scale)
        fit &= (not known) | ((level >= low) & (level <= high))
        apart &= level != nodata
        stored[i] = np.int32(level if known else nodata)
    return fit, apart
