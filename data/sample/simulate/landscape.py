"""The ground as it truly is: cover, open water and reflectance of every pixel in every year, without noise or sky.

Cover is drawn per stratum from a fractal texture and then stretched so that a known share of the stratum is bare and
a known share is closed. What happens to a zone over the years bends its cover, but bare ground stays bare and closed
cover stays closed; only fire takes that, too.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import exactextract
import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from exactextract.raster import NumPyRasterSource
from pyproj import CRS
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt
from scipy.sparse import csr_array

from .noise import fractal_field, stream
from .zones import (
    DESERT_STEPPE,
    FOREST,
    GEOGRAPHIC,
    GRASSLAND,
    GROUND,
    TYPICAL_STEPPE,
    WETLAND,
    Patch,
    draw_patch,
    draw_zones,
)

YEARS = range(2019, 2026)
GRID_CRS = "EPSG:32649"
PIXEL_M = 500
WIDTH, HEIGHT = 384, 562
TRANSFORM = Affine(PIXEL_M, 0, 356_000, 0, -PIXEL_M, 4_731_000)
SEEN_AROUND_ZONES_M = 7_000

BANDS = ("blue", "green", "red", "nir", "swir16")
WATER = np.array([0.070, 0.080, 0.060, 0.030, 0.010])


@dataclass(frozen=True)
class EndMembers:
    """Surface reflectance [0-1] of bare soil and of closed vegetation, in the order of BANDS."""

    soil: tuple[float, ...]
    vegetation: tuple[float, ...]


# Chosen, not measured: NDVI of soil .10, .09, .07 and of closed vegetation .85, .68, .81.
END_MEMBERS = {
    FOREST: EndMembers(soil=(0.09, 0.14, 0.200, 0.245, 0.30), vegetation=(0.020, 0.050, 0.032, 0.385, 0.15)),
    GRASSLAND: EndMembers(soil=(0.12, 0.17, 0.250, 0.300, 0.36), vegetation=(0.040, 0.085, 0.080, 0.420, 0.22)),
    WETLAND: EndMembers(soil=(0.10, 0.13, 0.170, 0.195, 0.25), vegetation=(0.030, 0.070, 0.040, 0.380, 0.16)),
}


@dataclass(frozen=True)
class Texture:
    """How cover is spread over a stratum: outer scale of its patches, skewness, decrease per degree of latitude.

    An exponent above 1 makes sparse cover common, one below 1 dense cover.
    """

    outer_scale_px: float
    exponent: float
    northward_decrease: float


TEXTURES = {
    FOREST: Texture(outer_scale_px=14, exponent=0.38, northward_decrease=0.0),
    TYPICAL_STEPPE: Texture(outer_scale_px=40, exponent=1.15, northward_decrease=2.0),
    DESERT_STEPPE: Texture(outer_scale_px=40, exponent=2.4, northward_decrease=1.0),
    WETLAND: Texture(outer_scale_px=5, exponent=0.5, northward_decrease=0.0),
}
BARE_SHARE = CLOSED_SHARE = 0.07
COVER_OUTSIDE_ZONES = 0.7

OPEN_WATER_SHARE = {"W01": 0.20, "W02": 0.15, "W03": 0.27, "W04": 0.18, "W05": 0.12}
DRYING_ZONE, DRYING_END_SHARE = "W03", 0.12

# Exponent on the cover of 2019, one per year: below 1 there is more cover than in 2019, above 1 less.
WET_AND_DRY_YEARS = (1.00, 0.90, 1.12, 0.96, 1.08, 0.90, 1.04)
RECOVERING, DEGRADING, GROWING = (np.linspace(1.0, last, len(YEARS)) for last in (0.58, 1.60, 0.94))
COVER_EXPONENT = {
    "G01": WET_AND_DRY_YEARS,
    "G04": RECOVERING,
    "G05": DEGRADING,
    **dict.fromkeys(("F01", "F02", "F03", "F04", "F05", "F06", "F07", "F08", "F10", "F11"), GROWING),
}

BURNT_ZONE = "F05"
SCAR = Patch(110.395, 40.942, 1.6, 70, share=0.28)
COVER_LEFT_AFTER_FIRE = {2022: 0.12, 2023: 0.22, 2024: 0.30, 2025: 0.36}


def ndvi(reflectance: np.ndarray) -> np.ndarray:
    """(N - R) / (N + R) of an array (band, ...) in the order of BANDS (Rouse et al. 1974)."""
    red, nir = reflectance[BANDS.index("red")], reflectance[BANDS.index("nir")]
    return (nir - red) / (nir + red)


def stretched(potential: np.ndarray, members: np.ndarray, exponent: float) -> np.ndarray:
    """Cover [0-1] from a texture: BARE_SHARE of the member pixels become 0, CLOSED_SHARE become 1."""
    bare, closed = np.quantile(potential[members], [BARE_SHARE, 1 - CLOSED_SHARE])
    return np.clip((potential - bare) / (closed - bare), 0, 1) ** exponent


def latitude_deg() -> np.ndarray:
    """Latitude of every row, (rows, 1), near enough to tilt a texture by."""
    return (TRANSFORM.f - (np.arange(HEIGHT)[:, None] + 0.5) * PIXEL_M) / 111_000


def coverage(layer: gpd.GeoDataFrame) -> csr_array:
    """Exact share of every pixel (column, row-major) that each polygon (row) covers (exactextract)."""
    bounds = TRANSFORM.c, TRANSFORM.f - HEIGHT * PIXEL_M, TRANSFORM.c + WIDTH * PIXEL_M, TRANSFORM.f
    grid = NumPyRasterSource(np.ones((HEIGHT, WIDTH)), *bounds, srs_wkt=CRS(GRID_CRS).to_wkt())
    found = exactextract.exact_extract(grid, layer.to_crs(GRID_CRS), ["cell_id", "coverage"], output="pandas")
    row = np.repeat(np.arange(len(layer)), [len(ids) for ids in found["cell_id"]])
    column = np.concatenate(found["cell_id"].to_list())
    return csr_array((np.concatenate(found["coverage"].to_list()), (row, column)), shape=(len(layer), HEIGHT * WIDTH))


def zonal_mean(shares: csr_array, values: np.ndarray) -> np.ndarray:
    """Coverage-weighted mean of a pixel field per polygon."""
    return shares @ values.ravel() / shares.sum(axis=1)


@dataclass(frozen=True)
class Landscape:
    """The ground of the sample on the pixel grid. Build it with `Landscape.drawn()`."""

    zones: gpd.GeoDataFrame

    @classmethod
    def drawn(cls) -> Self:
        """The one landscape the seed gives."""
        return cls(draw_zones())

    @cached_property
    def coverage(self) -> csr_array:
        """Exact share of every pixel in every zone."""
        return coverage(self.zones)

    @cached_property
    def _touched(self) -> np.ndarray:
        """Position + 1 of the zone that touches a pixel, 0 where none does."""
        shapes = zip(self.zones.to_crs(GRID_CRS).geometry, range(1, len(self.zones) + 1), strict=True)
        return rasterize(shapes, (HEIGHT, WIDTH), transform=TRANSFORM, all_touched=True, dtype="uint8")

    @cached_property
    def in_zone(self) -> np.ndarray:
        """Pixels that belong to a zone, if only in part."""
        return self._touched > 0

    @cached_property
    def seen(self) -> np.ndarray:
        """Pixels the scenes show: the zones and what lies within SEEN_AROUND_ZONES_M of one."""
        return distance_transform_edt(~self.in_zone) * PIXEL_M <= SEEN_AROUND_ZONES_M

    def _of_zone(self, attribute: str) -> np.ndarray:
        """An attribute of the zone of every pixel; outside, of the nearest zone."""
        row, column = distance_transform_edt(~self.in_zone, return_distances=False, return_indices=True)
        return self.zones[attribute].to_numpy(dtype=str)[self._touched[row, column] - 1]

    @cached_property
    def zone_id(self) -> np.ndarray:
        """Id of the zone of every pixel; outside, of the nearest zone."""
        return self._of_zone("片区编号")

    @cached_property
    def land_class(self) -> np.ndarray:
        """Forest, grassland or wetland per pixel."""
        return self._of_zone("类型")

    @cached_property
    def stratum(self) -> np.ndarray:
        """Key into TEXTURES per pixel: the class, or for grassland its type."""
        return np.where(self.land_class == GRASSLAND, self._of_zone("植被类型"), self.land_class)

    @cached_property
    def _water_rank(self) -> np.ndarray:
        """Rank [0-1] of a wetland pixel within its zone from the deepest to the highest; 1 everywhere else."""
        bed = fractal_field((HEIGHT, WIDTH), 3.0, 12, stream("river bed"))
        rank = np.ones((HEIGHT, WIDTH))
        for zone in OPEN_WATER_SHARE:
            members = self.in_zone & (self.zone_id == zone)
            rank[members] = (np.argsort(np.argsort(bed[members])) + 0.5) / members.sum()
        return rank

    def open_water(self, year: int) -> np.ndarray:
        """Pixels under open water; in DRYING_ZONE they become fewer from year to year."""
        share = dict(OPEN_WATER_SHARE)
        progress = (year - YEARS[0]) / (len(YEARS) - 1)
        share[DRYING_ZONE] += progress * (DRYING_END_SHARE - share[DRYING_ZONE])
        return np.logical_or.reduce([(self.zone_id == zone) & (self._water_rank < s) for zone, s in share.items()])

    @cached_property
    def cover_2019(self) -> np.ndarray:
        """Cover [0-1] of the first year, as if no pixel were under water."""
        dry = self.in_zone & ~self.open_water(2019)
        cover = np.zeros((HEIGHT, WIDTH))
        for name, texture in TEXTURES.items():
            field = fractal_field((HEIGHT, WIDTH), 3.2, texture.outer_scale_px, stream("texture", name))
            potential = field - texture.northward_decrease * latitude_deg()
            members = self.stratum == name
            cover[members] = stretched(potential, members & dry, texture.exponent)[members]
        return np.where(self.in_zone, cover, COVER_OUTSIDE_ZONES * cover)

    @cached_property
    def fire_scar(self) -> shapely.Geometry:
        """What burnt in 2022, EPSG:4490: the part of SCAR, sized by the area of BURNT_ZONE, that lies in the zone."""
        zone = self.zones.set_index("片区编号").to_crs(GROUND).geometry[BURNT_ZONE]
        scar = draw_patch(SCAR, SCAR.share * zone.area, stream("fire scar"))
        return gpd.GeoSeries([scar & zone], crs=GROUND).to_crs(GEOGRAPHIC)[0]

    @cached_property
    def burnt(self) -> np.ndarray:
        """Pixels whose centre lies in the scar."""
        scar = gpd.GeoSeries([self.fire_scar], crs=GEOGRAPHIC).to_crs(GRID_CRS)
        return rasterize(scar, (HEIGHT, WIDTH), transform=TRANSFORM, dtype="uint8") == 1

    def cover(self, year: int) -> np.ndarray:
        """True peak-season cover [0-1] of vegetation; 0 on open water."""
        cover = self.cover_2019.copy()
        for zone, exponents in COVER_EXPONENT.items():
            members = self.in_zone & (self.zone_id == zone)
            cover[members] **= exponents[year - YEARS[0]]
        cover[self.burnt] *= COVER_LEFT_AFTER_FIRE.get(year, 1.0)
        return np.where(self.open_water(year), 0, cover)

    def reflectance(self, year: int, phenology: float = 1.0) -> np.ndarray:
        """Noise-free surface reflectance (band, row, column): soil and vegetation mixed by area.

        `phenology` is the share of the peak-season cover that is green on the date.
        """
        cover = self.cover(year) * phenology
        mixed = np.empty((len(BANDS), HEIGHT, WIDTH))
        for land_class, ends in END_MEMBERS.items():
            members = self.land_class == land_class
            soil, vegetation = np.array(ends.soil)[:, None], np.array(ends.vegetation)[:, None]
            mixed[:, members] = soil + (vegetation - soil) * cover[members]
        return np.where(self.open_water(year), WATER[:, None, None], mixed)
