"""A scene as the pipeline reads it: bands with scale and offset, a quality layer with its rule."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
from numba import njit

CLEAR, WATER, BUFFERED = 1, 2, 4
"""Bits of a pixel's class: usable, open water, to be grown by the cloud buffer."""


@dataclass(frozen=True)
class QualityRule:
    """Which values of a product's quality layer are clear, open water (also clear), or cloud and shadow.

    ``source`` cites the rule. Values are those of the layer, ``nodata`` marks what it does not cover.
    """

    clear: frozenset[int]
    water: frozenset[int]
    buffered: frozenset[int]
    nodata: int
    source: str

    def classes(self, quality: np.ndarray) -> np.ndarray:
        """uint8 bits CLEAR | WATER | BUFFERED of each value, same shape. Raises ValueError for a rule about
        values that the layer cannot hold."""
        table = np.zeros(np.iinfo(quality.dtype).max + 1, "uint8")
        if max(self.clear | self.water | self.buffered, default=0) >= table.size:
            raise ValueError(f"its quality layer is {quality.dtype} and cannot hold all values of its rule")
        for bit, values in ((CLEAR, self.clear | self.water), (WATER, self.water), (BUFFERED, self.buffered)):
            table[list(values)] |= bit
        table[self.nodata] = 0
        return _look_up(table, quality.ravel()).reshape(quality.shape)


@njit(nogil=True, cache=True)
def _look_up(table, values):
    """``table[values]`` in one dimension; numpy makes 64-bit indices first, which takes six times as long."""
    found = np.empty(values.size, table.dtype)
    for i in range(values.size):
        found[i] = table[values[i]]
    return found


@dataclass(frozen=True)
class Band:
    """One layer of a file. Reflectance (unit 1) = stored value x scale + offset; ``index`` counts from 1."""

    path: str
    index: int = 1
    scale: float = 1.0
    offset: float = 0.0
    nodata: float = 0


@dataclass(frozen=True)
class Scene:
    """One surface-reflectance product of one date. Bands are keyed by common name (red, nir, swir16...).

    ``origin`` says how scale and offset were known; ``rule`` is None where the product has no quality layer.
    """

    id: str
    sensor: str
    taken: datetime
    bands: dict[str, Band] = field(hash=False)
    quality: Band | None
    rule: QualityRule | None
    origin: str
    bounds: tuple[float, float, float, float] | None = None
    """Left, bottom, right, top in the CRS of the run's grid."""

    @property
    def day(self) -> date:
        """The local solar day: acquisitions of one pass share it, whichever side of midnight UTC."""
        return (self.taken + timedelta(hours=7)).date()

    @property
    def layers(self) -> dict[str, Band]:
        """All bands and the quality layer."""
        return {**self.bands, **({"quality": self.quality} if self.quality else {})}

    @property
    def paths(self) -> list[str]:
        """The files of the scene, each once."""
        return sorted({band.path for band in self.layers.values()})
