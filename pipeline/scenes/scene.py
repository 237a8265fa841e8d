"""A scene as the pipeline reads it: bands with scale and offset, a quality layer with its rule."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Self

import numpy as np
import shapely

from pipeline.execution.compiled import njit

CLEAR, WATER, BUFFERED = 1, 2, 4
"""Bits of a pixel's class: usable, open water, to be grown by the cloud buffer."""

DOUBTFUL = 8
"""Bit of a pixel that is clear only if a further check agrees; taken out when all checks are made."""

SURFACE_REFLECTANCE, INDEX = "surface_reflectance", "index"
"""Levels of a scene. An index scene brings NDVI itself: see `index_bands`."""


class Rule(ABC):
    """What the values of a product's quality layer say of a pixel."""

    nodata: int | None
    key: list  # what the classes depend on, as JSON values

    @abstractmethod
    def table(self, size: int) -> np.ndarray:
        """uint8 bits of `scene` of each value below ``size``. Raises ValueError for a rule about values that a layer
        of so many cannot hold."""

    def about(self, bands: tuple[str, ...]) -> Self:
        """The rule where only ``bands`` are used: the same, unless it tells of single bands."""
        return self

    def classes(self, quality: np.ndarray, in_place: bool = False) -> np.ndarray:
        """uint8 bits of `scene` of each value, same shape; ``in_place`` where the layer is of 8 bits, too. Raises
        ValueError for a layer without integers, and for one that cannot hold the rule's values."""
        stored = _unsigned(np.ascontiguousarray(quality))
        found = stored if in_place and stored.dtype == "uint8" else np.empty(stored.shape, "uint8")
        _look_up(_table(self, stored.dtype.itemsize), stored.reshape(-1), found.reshape(-1))
        return found


@dataclass(frozen=True)
class QualityRule(Rule):
    """Which values of a product's quality layer are clear, open water (also clear), or cloud and shadow.

    ``doubtful`` are clear only if a `Check` agrees, ``nodata`` marks what is not covered, ``source`` cites the rule.
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
    """A field of a quality layer: ``width`` bits from bit ``first`` (0 is the lowest), and the values meant.
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
    """Take the bits ``dropped`` for its value out of each pixel that has a bit of ``asked`` for it; without branches,
    which speckled masks make slow."""
    for i in range(values.size):
        classes[i] &= 255 - dropped[values[i]] * np.uint8((classes[i] & asked[values[i]]) != 0)


@njit(nogil=True, cache=True)
def _look_up(table, values, found):
    """``table[values]`` in one dimension; numpy makes 64-bit indices first, which takes six times as long."""
    for i in range(values.size):
        found[i] = table[values[i]]


@dataclass(frozen=True)
class Band:
    """One layer of a file. Reflectance (unit 1) = stored value x scale + offset; ``index`` counts from 1.

    ``member`` names the image within a zip, or the dataset within an HDF file; ``digest`` is what the product gives of
    the image, such as "md5:f7974f1a...", empty where it gives none.
    """

    path: str
    index: int = 1
    scale: float = 1.0
    offset: float = 0.0
    nodata: float = 0
    member: str = ""
    digest: str = ""

    @property
    def in_zip(self) -> bool:
        """Whether it is an image within a zip."""
        return bool(self.member) and self.path.lower().endswith(".zip")

    @property
    def in_hdf(self) -> bool:
        """Whether it is a dataset of an HDF file."""
        return bool(self.member) and not self.in_zip

    @property
    def address(self) -> str:
        """What GDAL opens: the file, or the image within its zip."""
        return f"/vsizip/{self.path}/{self.member}" if self.in_zip else self.path

    def adjusted(self, slope: float, intercept: float) -> "Band":
        """The band with reflectance' = slope x reflectance + intercept."""
        return replace(self, scale=self.scale * slope, offset=self.offset * slope + intercept)


Stored = tuple[np.ndarray, float, float, float]
"""Stored values of a band (rows, columns), their scale, offset and nodata."""


def index_bands(index: Band) -> dict[str, Band]:
    """The red and near-infrared pair (1 - NDVI) / 2 and (1 + NDVI) / 2 of a layer of NDVI: its normalised difference
    is that NDVI, so that composites need no second way. For NDVI alone; no other index comes out right."""
    return {"red": index.adjusted(-0.5, 0.5), "nir": index.adjusted(0.5, 0.5)}


@dataclass(frozen=True)
class Check:
    """A further quality layer: what it does not call clear is masked; with ``of_doubtful``, only where the scene's own
    quality layer is in doubt, or where this one has nodata."""

    band: Band
    rule: Rule
    of_doubtful: bool = False

    def refuse(self, classes: np.ndarray, quality: np.ndarray) -> None:
        """Take CLEAR and WATER out of ``classes`` (changed in place) where ``quality`` does not agree."""
        stored = _unsigned(quality)
        table = _table(self.rule, stored.dtype.itemsize)
        dropped = np.where(table & CLEAR, 0, CLEAR | WATER).astype("uint8")
        asked = np.full(table.size, DOUBTFUL if self.of_doubtful else 255, "uint8")
        if self.rule.nodata is not None:
            asked[self.rule.nodata] = 255
        _refuse(classes.reshape(-1), dropped, stored.ravel(), asked)


@dataclass(frozen=True)
class Scene:
    """One product of one date. Bands are keyed by common name (red, nir, swir16...).

    ``sensor`` is the kind of instrument, ``platform`` the satellite. ``origin`` says how scale and offset were known;
    ``rule`` is None where the product has no quality layer. ``cloud_percent`` is what the product says of itself.
    ``like`` is the sensor to whose bands the reflectance is adjusted; empty where it is its own. ``like_u95`` is the
    95 % half-width of the error that this leaves in NDVI, the same for all scenes of the sensor.
    """

    id: str
    sensor: str
    taken: datetime
    bands: dict[str, Band] = field(hash=False)
    quality: Band | None
    rule: Rule | None
    origin: str
    bounds: tuple[float, float, float, float] | None = None
    """Left, bottom, right, top in the CRS of the run's grid."""
    pixel_m: float = 0.0
    """Side of a pixel of red in metres of the CRS of the run's grid; 0 where nobody asked."""
    grids: tuple[tuple, ...] = ()
    """CRS, affine and shape of each layer as its file gave them, a header beside it counting."""
    checks: tuple[Check, ...] = ()
    level: str = SURFACE_REFLECTANCE
    product: str = ""
    platform: str = ""
    tile: str = ""
    cloud_percent: float | None = None
    like: str = ""
    like_u95: float = 0.0

    def using(self, bands: tuple[str, ...]) -> "Scene":
        """The scene with these bands alone, and the rules about them."""
        return replace(
            self,
            bands={band: self.bands[band] for band in bands},
            rule=self.rule and self.rule.about(bands),
            checks=tuple(replace(check, rule=check.rule.about(bands)) for check in self.checks),
        )

    @property
    def day(self) -> date:
        """The local solar day: acquisitions of one pass share it, whichever side of midnight UTC. A time without a zone
        is in UTC."""
        try:
            taken = self.taken.astimezone(UTC) if self.taken.tzinfo else self.taken
            return (taken + timedelta(hours=7)).date()
        except OverflowError:  # the end of 9999, which stands for no date
            return self.taken.date()

    @property
    def layers(self) -> dict[str, Band]:
        """All bands, the quality layer and those of the checks."""
        checks = {f"check {number}": check.band for number, check in enumerate(self.checks, 1)}
        return {**self.bands, **({"quality": self.quality} if self.quality else {}), **checks}

    @property
    def frame(self) -> shapely.Polygon:
        """The box of its ``bounds``, in the CRS of the run's grid."""
        return shapely.box(*self.bounds)

    @property
    def paths(self) -> list[str]:
        """The files of the scene, each once."""
        return sorted({band.path for band in self.layers.values()})


@dataclass(frozen=True)
class SetAside:
    """A scene that is not used, and the sentence that says why; ``passing`` if the cause may pass (`AwayError`)."""

    scene: str
    reason: str
    passing: bool = False
