"""Vegetation indices: one function each, of surface reflectance (unit 1, 0-1). Pure.

Every index is NaN where its two bands sum to less than 1e-6 or its denominator is nearer to 0 than that. EVI2, SAVI and
MSAVI are no pure ratios: reflectance times 10 000 would give wrong values unnoticed, which is why the composite refuses
a scene with impossible reflectance.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.execution.compiled import njit

SMALLEST = np.float32(1e-6)
"""Sums and denominators below it count as 0."""

NAN = np.float32(np.nan)
"""A float32 NaN, so that an index of float32 stays float32."""


@njit(nogil=True, cache=True)
def reflectance_of(stored, scale, offset, nodata):
    """Reflectance (unit 1, float32) of a stored value, NaN where it is missing."""
    value = np.float32(stored)
    missing = (value == np.float32(nodata)) | (value != value)  # NaN equals nothing, not even itself
    return NAN if missing else value * np.float32(scale) + np.float32(offset)


@njit(nogil=True, cache=True)
def reflectance_at(band, y, x):
    """`reflectance_of` a pixel of a band (`scene.Stored`)."""
    stored, scale, offset, nodata = band
    return reflectance_of(stored[y, x], scale, offset, nodata)


@njit(nogil=True, cache=True, error_model="numpy")
def normalised_difference(low, high):
    """(high - low) / (high + low): NDVI of red and NIR (Rouse 1974), NDMI of SWIR 1.6 um and NIR (Gao 1996)."""
    total = low + high
    return (high - low) / total if total >= SMALLEST else NAN


@njit(nogil=True, cache=True, error_model="numpy")
def kndvi(red, nir):
    """tanh(NDVI^2), the kernel NDVI at sigma = (N + R) / 2 (Camps-Valls 2021). It has no sign: water is positive."""
    total = red + nir
    return np.tanh(((nir - red) / total) ** 2) if total >= SMALLEST else NAN


@njit(nogil=True, cache=True, error_model="numpy")
def evi2(red, nir):
    """2.5 (N - R) / (N + 2.4 R + 1) (Jiang 2008)."""
    denominator = nir + 2.4 * red + 1
    usable = nir + red >= SMALLEST and abs(denominator) >= SMALLEST
    return 2.5 * (nir - red) / denominator if usable else NAN


@njit(nogil=True, cache=True, error_model="numpy")
def savi(red, nir):
    """(1 + L) (N - R) / (N + R + L), L = 0.5 (Huete 1988)."""
    total = red + nir
    return 1.5 * (nir - red) / (total + 0.5) if total >= SMALLEST else NAN


@njit(nogil=True, cache=True, error_model="numpy")
def msavi(red, nir):
    """(2 N + 1 - sqrt((2 N + 1)^2 - 8 (N - R))) / 2 (Qi 1994). NaN also where the root is of a negative number, which
    takes a negative R."""
    radicand = (2 * nir + 1) ** 2 - 8 * (nir - red)
    usable = nir + red >= SMALLEST and radicand >= 0
    return 0.5 * (2 * nir + 1 - np.sqrt(radicand)) if usable else NAN


NORMALISED_DIFFERENCE, EVI2, SAVI, MSAVI, KNDVI = range(5)
"""Numbers of the formulas: a compiled loop can be cached between runs if it takes a number, but not if it takes a
function."""


@njit(nogil=True, cache=True, error_model="numpy")
def index_value(formula, first, second):
    """The index with the number ``formula`` of one pixel's two bands."""
    if formula == NORMALISED_DIFFERENCE:
        return normalised_difference(first, second)
    if formula == EVI2:
        return evi2(first, second)
    if formula == SAVI:
        return savi(first, second)
    if formula == MSAVI:
        return msavi(first, second)
    return kndvi(first, second)


@njit(nogil=True, cache=True, error_model="numpy")
def _values(formula, first, second):
    values = np.empty(first.size)
    for i in range(first.size):
        values[i] = index_value(formula, first[i], second[i])
    return values


@dataclass(frozen=True)
class Index:
    """The number of a formula, and the common names of the two bands it takes, in order."""

    formula: int
    bands: tuple[str, str]

    def of(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The index of its two bands, float64 of any shape."""
        first, second = np.broadcast_arrays(np.asarray(first, float), np.asarray(second, float))
        return _values(self.formula, first.ravel(), second.ravel()).reshape(first.shape)


INDICES = {
    "ndvi": Index(NORMALISED_DIFFERENCE, ("red", "nir")),
    "ndmi": Index(NORMALISED_DIFFERENCE, ("swir16", "nir")),
    "evi2": Index(EVI2, ("red", "nir")),
    "savi": Index(SAVI, ("red", "nir")),
    "msavi": Index(MSAVI, ("red", "nir")),
    "kndvi": Index(KNDVI, ("red", "nir")),
}
"""The indices that a composite can store, by name; it always stores NDVI."""


def bands_of(indices: tuple[str, ...]) -> tuple[str, ...]:
    """The bands that the indices need, red and nir first."""
    return tuple(dict.fromkeys(["red", "nir", *(band for name in indices for band in INDICES[name].bands)]))
