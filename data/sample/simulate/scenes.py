"""Simulated Sentinel-2 L2A scenes: the ground under the sky, with noise, stored as each year's products were stored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from .landscape import GRID_CRS, HEIGHT, PIXEL_M, TRANSFORM, WIDTH, Landscape, ndvi
from .noise import stream
from .sky import skies, through

FILES = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11"}
QUANTIFICATION = 10_000
NOISE_FLOOR, NOISE_PER_REFLECTANCE = 0.0012, 0.010
DN_STEP = 20
NOT_VEGETATED, VEGETATION, WATER_CLASS = 5, 4, 6
VEGETATION_FROM_NDVI = 0.3
NOTICE = "SIMULATED data of the sinkmap sample: no satellite took this image"


@dataclass(frozen=True)
class Delivery:
    """How the products of a year store reflectance, and what their metadata says about it."""

    baseline: str
    stored_offset_dn: int
    declared_offset: float
    boa_offset_applied: bool


WITHOUT_OFFSET = {"stored_offset_dn": 0, "declared_offset": 0, "boa_offset_applied": False}
WITH_OFFSET = {"stored_offset_dn": 1000, "declared_offset": -0.1, "boa_offset_applied": False}
OFFSET_REMOVED_BUT_DECLARED = {"stored_offset_dn": 0, "declared_offset": -0.1, "boa_offset_applied": True}
DELIVERIES = {
    2019: Delivery("02.14", **WITHOUT_OFFSET),
    2020: Delivery("02.14", **WITHOUT_OFFSET),
    2021: Delivery("03.00", **WITHOUT_OFFSET),
    2022: Delivery("04.00", **WITH_OFFSET),
    2023: Delivery("05.09", **OFFSET_REMOVED_BUT_DECLARED),
    2024: Delivery("05.11", **WITH_OFFSET),
    2025: Delivery("05.11", **WITH_OFFSET),
}


@dataclass(frozen=True)
class Acquisition:
    """One date: satellite, share of the peak-season cover that is green, share of sky under cloud."""

    date: str
    satellite: str
    greenness: float
    cloud_share: float
    in_season: bool = True

    @property
    def year(self) -> int:
        """Calendar year."""
        return int(self.date[:4])

    @property
    def season(self) -> str:
        """The dates that together must show every place: a year's peak season, or what lies outside it."""
        return str(self.year) if self.in_season else f"{self.year} early"

    @property
    def delivery(self) -> Delivery:
        """How this date is stored."""
        return DELIVERIES[self.year]


# Per season the date at the peak comes first. The first two dates of a season have their clouds in different places.
ACQUISITIONS = (
    Acquisition("2019-08-07", "2A", 1.00, 0.04),
    Acquisition("2019-07-23", "2B", 0.985, 0.22),
    Acquisition("2020-08-11", "2A", 1.00, 0.08),
    Acquisition("2020-07-27", "2B", 0.985, 0.15),
    Acquisition("2020-05-28", "2A", 0.45, 0.05, in_season=False),
    Acquisition("2021-08-06", "2B", 1.00, 0.10),
    Acquisition("2021-07-22", "2A", 0.98, 0.35),
    Acquisition("2021-08-26", "2B", 0.98, 0.00),
    Acquisition("2022-08-09", "2A", 1.00, 0.06),
    Acquisition("2022-07-25", "2B", 0.98, 0.12),
    Acquisition("2022-08-24", "2B", 0.98, 0.30),
    Acquisition("2023-08-04", "2A", 1.00, 0.05),
    Acquisition("2023-08-19", "2B", 0.98, 0.18),
    Acquisition("2023-05-26", "2A", 0.42, 0.10, in_season=False),
    Acquisition("2024-08-08", "2B", 1.00, 0.09),
    Acquisition("2024-07-19", "2A", 0.98, 0.25),
    Acquisition("2024-08-28", "2B", 0.98, 0.14),
    Acquisition("2025-08-03", "2C", 1.00, 0.07),
    Acquisition("2025-08-21", "2B", 0.98, 0.20),
)


@dataclass(frozen=True)
class Tile:
    """Rows of the grid delivered as one scene."""

    code: str
    first_row: int
    last_row: int

    @property
    def rows(self) -> slice:
        """The rows as a slice."""
        return slice(self.first_row, self.last_row)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.last_row - self.first_row, WIDTH

    @property
    def transform(self) -> Affine:
        """Affine transform of the tile's pixels."""
        return Affine(PIXEL_M, 0, TRANSFORM.c, 0, -PIXEL_M, TRANSFORM.f - self.first_row * PIXEL_M)


TILES = (Tile("49TXN", 0, 300), Tile("49TXS", 276, HEIGHT))


def item_id(acquisition: Acquisition, tile: Tile) -> str:
    """Id after the pattern of Earth Search; the tile codes are none of the MGRS."""
    return f"S{acquisition.satellite}_{tile.code}_{acquisition.date.replace('-', '')}_0_L2A"


def sky_over(acquisition: Acquisition) -> np.ndarray:
    """Cloud and shadow codes of a date; the dates of one season are laid out together."""
    together = [a for a in ACQUISITIONS if a.season == acquisition.season]
    return skies(acquisition.season, [a.cloud_share for a in together])[together.index(acquisition)]


def digital_numbers(reflectance: np.ndarray, delivery: Delivery) -> np.ndarray:
    """Stored DN = reflectance x 10000 (+ 1000 where the product carries the offset), in steps of DN_STEP, never 0."""
    steps = np.round(reflectance * QUANTIFICATION / DN_STEP) * DN_STEP
    return np.clip(steps + delivery.stored_offset_dn, 1, 65_535).astype("uint16")


def scene_classification(ground: np.ndarray, water: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Scene classification (SCL): cloud and shadow first, then water, vegetation, bare."""
    land_code = np.where(ndvi(ground) >= VEGETATION_FROM_NDVI, VEGETATION, NOT_VEGETATED)
    return np.where(code > 0, code, np.where(water, WATER_CLASS, land_code)).astype("uint8")


def noise(reflectance: np.ndarray, source: np.random.Generator) -> np.ndarray:
    """Gaussian noise of reflectance, a floor plus a share of the signal: .010 of NDVI on soil, .008 on closed cover."""
    return (NOISE_FLOOR + NOISE_PER_REFLECTANCE * reflectance) * source.standard_normal(reflectance.shape)


def simulated_scene(acquisition: Acquisition, land: Landscape) -> dict[str, np.ndarray]:
    """File name -> pixels of the whole grid on one date, 0 where nothing is seen."""
    ground = land.reflectance(acquisition.year, acquisition.greenness)
    code = sky_over(acquisition)
    signal = through(code, ground)
    stored = digital_numbers(signal + noise(signal, stream("noise", acquisition.date)), acquisition.delivery)
    classes = scene_classification(ground, land.open_water(acquisition.year), code)
    bands = dict(zip(FILES.values(), stored, strict=True)) | {"SCL": classes}
    return {file: np.where(land.seen, pixels, pixels.dtype.type(0)) for file, pixels in bands.items()}


def write_band(pixels: np.ndarray, tile: Tile, path: Path) -> None:
    """One band of one tile as tiled, deflated GeoTIFF with nodata 0 and a tag that says it is simulated."""
    profile = {
        "driver": "GTiff",
        "height": tile.shape[0],
        "width": tile.shape[1],
        "count": 1,
        "dtype": pixels.dtype,
        "nodata": 0,
        "crs": GRID_CRS,
        "transform": tile.transform,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "DEFLATE",
        "predictor": 2,
        "zlevel": 9,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels[tile.rows], 1)
        file.update_tags(TIFFTAG_IMAGEDESCRIPTION=NOTICE, SINKMAP_SIMULATED="true")


def write_scene(acquisition: Acquisition, land: Landscape, folder: Path) -> dict[str, np.ndarray]:
    """Both tiles of one date under `folder`/<item id>/; returns the scene classification per item id."""
    scene = simulated_scene(acquisition, land)
    classes = {}
    for tile in TILES:
        name = item_id(acquisition, tile)
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, pixels in scene.items():
            write_band(pixels, tile, folder / name / f"{file}.tif")
        classes[name] = scene["SCL"][tile.rows]
    return classes
