"""A scene as the pipeline reads it: bands with scale and offset, a quality layer with its rule (`quality`)."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import shapely

from pipeline.scenes.quality import Rule

SURFACE_REFLECTANCE, INDEX = "surface_reflectance", "index"
"""Levels of a scene. An index scene holds NDVI itself: see `index_bands`."""


@dataclass(frozen=True)
class Band:
    """One layer of a file. Reflectance (unit 1) = stored value x scale + offset; ``index`` counts from 1.

    ``member`` names the image within a zip, or the dataset within an HDF file; ``digest`` is the checksum that the
    product gives for the image, such as "md5:f7974f1a...", empty where it gives none.
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
    """The red and near-infrared pair (1 - NDVI) / 2 and (1 + NDVI) / 2 of a layer of NDVI: their normalised difference
    is that NDVI, so that composites treat such scenes like others. Only for NDVI: other indices of these bands are
    wrong."""
    return {"red": index.adjusted(-0.5, 0.5), "nir": index.adjusted(0.5, 0.5)}


@dataclass(frozen=True)
class Check:
    """A further quality layer: pixels that it does not call clear are masked; with ``of_doubtful``, only those that are
    doubtful in the scene's own quality layer, or nodata in this one."""

    band: Band
    rule: Rule
    of_doubtful: bool = False

    def refuse(self, classes: np.ndarray, quality: np.ndarray) -> None:
        """Take CLEAR and WATER out of ``classes`` (changed in place) where ``quality`` does not agree."""
        self.rule.refuse(classes, quality, self.of_doubtful)


@dataclass(frozen=True)
class Scene:
    """One product of one date. Bands are keyed by common name (red, nir, swir16...).

    ``sensor`` is the kind of instrument, ``platform`` the satellite. ``origin`` says where scale and offset are from;
    ``rule`` is None where the product has no quality layer. ``cloud_percent`` is the cloud that the product states.
    ``like`` is the sensor to whose bands the reflectance is adjusted; empty if it is not adjusted. ``like_u95`` is the
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
    """Side of a pixel of red in metres of the CRS of the run's grid; 0 if it is not computed."""
    grids: tuple[tuple, ...] = ()
    """CRS, affine and shape of each layer, from its file or a header beside it."""
    checks: tuple[Check, ...] = ()
    level: str = SURFACE_REFLECTANCE
    product: str = ""
    platform: str = ""
    tile: str = ""
    cloud_percent: float | None = None
    like: str = ""
    like_u95: float = 0.0

    def using(self, bands: tuple[str, ...]) -> "Scene":
        """The scene with only these bands, and the rules about them."""
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
