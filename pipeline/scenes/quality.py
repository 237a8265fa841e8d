"""What the quality layers of products say of each pixel: rules that turn their values into classes. Pure."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from pipeline.execution.compiled import njit

CLEAR, WATER, BUFFERED = 1, 2, 4
"""Bits of a pixel's class: usable, open water, to be grown by the cloud buffer."""

DOUBTFUL = 8
"""Bit of a pixel that is clear only if a further check agrees; taken out when all checks are made."""


class Rule(ABC):
    """What the values of a product's quality layer say of a pixel."""

    nodata: int | None
    key: list  # what the classes depend on, as JSON values

    @abstractmethod
    def table(self, size: int) -> np.ndarray:
        """The class, uint8 bits of this module, of each value below ``size``. Raises ValueError for a rule about values
        that a layer with so many values cannot hold."""

    def about(self, bands: tuple[str, ...]) -> Self:
        """The rule if only ``bands`` are used: the same, unless it has parts about single bands."""
        return self

    def classes(self, quality: np.ndarray, in_place: bool = False) -> np.ndarray:
        """The class of each pixel of a quality layer, same shape; ``in_place`` where the layer is of 8 bits, too.
        Raises ValueError for a layer without integers, and for one that cannot hold the rule's values."""
        stored = _unsigned(np.ascontiguousarray(quality))
        found = stored if in_place and stored.dtype == "uint8" else np.empty(stored.shape, "uint8")
        _look_up(_table(self, stored.dtype.itemsize), stored.reshape(-1), found.reshape(-1))
        return found

    def refuse(self, classes: np.ndarray, quality: np.ndarray, of_doubtful: bool) -> None:
        """Take CLEAR and WATER out of ``classes`` (changed in place) where a further layer is not clear by this rule:
        everywhere, or only ``of_doubtful`` pixels and where the layer has nodata."""
        stored = _unsigned(quality)
        table = _table(self, stored.dtype.itemsize)
        dropped = np.where(table & CLEAR, 0, CLEAR | WATER).astype("uint8")
        asked = np.full(table.size, DOUBTFUL if of_doubtful else 255, "uint8")
        if self.nodata is not None:
            asked[self.nodata] = 255
        _refuse(classes.reshape(-1), dropped, stored.ravel(), asked)


@dataclass(frozen=True)
class QualityRule(Rule):
    """Which values of a product's quality layer are clear, open water (also clear), or cloud and shadow.

    ``doubtful`` are clear only if a further layer agrees, ``nodata`` marks what is not covered, ``source`` cites the
    rule.
    """

    clear: frozenset[int]
    water: frozenset[int]
    buffered: frozenset[int]
    nodata: int
    source: str
    doubtful: frozenset[int] = frozenset()

    @property
    def key(self) -> list:
        return [sorted(values) for values in (self.clear, self.water, self.buffered, self.doubtful)] + [self.nodata]

    def table(self, size: int) -> np.ndarray:
        table = np.zeros(size, "uint8")
        usable = self.clear | self.water | self.doubtful
        if not all(-size <= value < size for value in usable | self.buffered | {self.nodata}):
            raise ValueError(f"its quality layer has {size} values and cannot hold all of its rule")
        for bit, values in (
            (CLEAR, usable), (WATER, self.water), (BUFFERED, self.buffered), (DOUBTFUL, self.doubtful)
        ):  # fmt: skip
            table[list(values)] |= bit
        table[self.nodata] = 0
        return table


@dataclass(frozen=True)
class Bits:
    """A field of a quality layer: ``width`` bits from bit ``first`` (0 is the lowest), and the values that it selects.
    ``band`` names the one band that it is about, None if it is about all."""

    first: int
    width: int = 1
    values: tuple[int, ...] = (1,)
    band: str | None = None

    def hold(self, stored: np.ndarray) -> np.ndarray:
        """Whether the field has one of its values, for each stored value."""
        return np.isin(stored >> self.first & (1 << self.width) - 1, self.values)


@dataclass(frozen=True)
class BitRule(Rule):
    """Which bit fields of a product's quality layer mask a pixel, mark it as open water (still clear), or as cloud
    and shadow to be grown (also masked). ``source`` cites the rule; ``nodata`` marks what the layer does not cover."""

    masked: tuple[Bits, ...]
    water: tuple[Bits, ...] = ()
    buffered: tuple[Bits, ...] = ()
    nodata: int | None = None
    source: str = ""

    @property
    def key(self) -> list:
        return [repr(self.masked), repr(self.water), repr(self.buffered), self.nodata]

    def about(self, bands: tuple[str, ...]) -> Self:
        return replace(self, masked=tuple(bits for bits in self.masked if bits.band in (None, *bands)))

    def table(self, size: int) -> np.ndarray:
        values = np.arange(size)
        table = np.full(size, CLEAR, "uint8")
        for bits in self.water:
            table[bits.hold(values)] |= WATER
        for bits in (*self.masked, *self.buffered):
            table[bits.hold(values)] &= 255 - CLEAR - WATER
        for bits in self.buffered:
            table[bits.hold(values)] |= BUFFERED
        if self.nodata is not None:
            table[self.nodata] = 0
        return table


@lru_cache(maxsize=64)
def _table(rule: Rule, bytes_per_value: int) -> np.ndarray:
    """The rule's table for all values of a layer: the scenes of a product share it."""
    return rule.table(1 << 8 * bytes_per_value)


def _unsigned(quality: np.ndarray) -> np.ndarray:
    """The low 8 or 16 bits of a layer of integers as unsigned ones: -1 of int8 is 255. Exports of several layers in one
    file widen them to 32 bits. Raises ValueError for other than integers, and for values that take more bits."""
    if quality.dtype.kind not in "iu":
        raise ValueError(f"its quality layer is {quality.dtype}, not integers")
    if quality.dtype.itemsize <= 2:
        return quality.view(f"u{quality.dtype.itemsize}")
    narrow = quality.astype("uint16")
    if ((quality != narrow) & (quality != narrow.view("int16"))).any():
        raise ValueError("its quality layer holds values of more than 16 bits")
    return narrow


@njit(nogil=True, cache=True)
def _refuse(classes, dropped, values, asked):
    """Remove from each pixel the bits that ``dropped`` gives for its value, if the pixel has a bit of ``asked`` for
    this value; without branches, which would be slow on speckled masks."""
    for i in range(values.size):
        classes[i] &= 255 - dropped[values[i]] * np.uint8((classes[i] & asked[values[i]]) != 0)


@njit(nogil=True, cache=True)
def _look_up(table, values, found):
    """``table[values]`` in one dimension; numpy makes 64-bit indices first, which takes six times as long."""
    for i in range(values.size):
        found[i] = table[values[i]]
