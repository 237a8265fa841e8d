"""Where shrub grows in a zone whose stock follows the index: on its shrub stands (小班), and on the shrub pixels of a
land-cover map.

Both take their ground from the zone's own ecosystem, so that it counts once. Where stands of any species lie, they say
what grows there; the map counts only outside them.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from pipeline.blocks import pixel_box
from pipeline.compositing.cube import Cube, Window
from pipeline.ecosystems.shrub import SHRUB
from pipeline.mapping.land_cover import LandCover
from pipeline.stock.sketch import PARTS
from pipeline.zones.coverage import coverage_fractions
from pipeline.zones.zone_stands import ZoneStands


@dataclass(frozen=True)
class ShrubGround:
    """Shrub of one zone. ``stands`` are all that reach into it, cut to it (grid CRS), ``land_cover`` tells its shrub
    classes; one of the two may be None."""

    stands: ZoneStands | None
    land_cover: LandCover | None

    @property
    def is_any(self) -> bool:
        """Whether there can be any shrub."""
        return self.land_cover is not None or (self.stands is not None and SHRUB in self.stands.species)

    def __str__(self) -> str:
        """The sources of the shrub ground, for a table."""
        count = self.stands.species.count(SHRUB) if self.stands else 0
        return " + ".join([*([str(count)] if count else []), *(["land cover"] if self.land_cover else [])])

    @cached_property
    def key(self) -> str:
        """Digest of everything that the shrub ground depends on, besides the boundary."""
        digest = hashlib.sha256(repr(self.land_cover and self.land_cover.key).encode())
        if self.stands:
            # stands of other species matter only where they keep the map out
            counted = np.ones(len(self.stands.species), bool) if self.land_cover else self._is_shrub
            for part in (self._is_shrub[counted], shapely.to_wkb(self.stands.geometry[counted]), self._cover):
                digest.update(repr(part if part is None else part.tolist()).encode())
        return digest.hexdigest()[:32]

    @property
    def _is_shrub(self) -> np.ndarray:
        return np.array([species == SHRUB for species in self.stands.species])

    @property
    def _cover(self) -> np.ndarray | None:
        """Surveyed cover (1) of the shrub stands."""
        return None if self.stands.cover is None else self.stands.cover[self._is_shrub]

    @cached_property
    def _outlines(self) -> tuple[shapely.Geometry, shapely.Geometry]:
        """The shrub stands, and all stands, as one area each: where stands overlap, ground counts once."""
        if self.stands is None:
            return shapely.MultiPolygon(), shapely.MultiPolygon()
        outlines = self.stands.geometry
        return shapely.union_all(outlines[self._is_shrub]), shapely.union_all(outlines)

    def mosaic(self, grid: GeoBox, fractions: np.ndarray) -> np.ndarray:
        """The `PARTS` (3, rows, columns), float32, of the covered ``fractions`` of a zone's pixels on ``grid``. Their
        ground adds up to the fractions; surveyed shrub is weighted by its cover."""
        shrub_outline, surveyed_outline = self._outlines
        shrub = np.minimum(coverage_fractions(grid, shrub_outline), fractions)
        mapped = surveyed = np.zeros_like(shrub)
        if self.land_cover and fractions.any():
            unsurveyed = np.maximum(fractions - coverage_fractions(grid, surveyed_outline), 0)
            mapped = self.land_cover.share(grid) * unsurveyed
        other = np.maximum(fractions - shrub - mapped, 0)
        if self.stands and self.stands.cover is not None:
            surveyed, shrub = shrub * self._mean_cover(grid), 0
        return np.stack([other, shrub + mapped, surveyed])

    def _mean_cover(self, grid: GeoBox) -> np.ndarray:
        """Surveyed cover of the shrub stands in each pixel, their mean by area; 0 where there is none."""
        area, covered = (np.zeros(grid.shape, "float32") for _ in range(2))
        for outline, cover in zip(self.stands.geometry[self._is_shrub], self._cover, strict=True):
            here = pixel_box(grid, outline)
            if all(part.start < part.stop for part in here):
                share = coverage_fractions(grid[here], outline)
                area[here] += share
                covered[here] += share * np.float32(cover)
        return np.divide(covered, area, out=np.zeros_like(area), where=area > 0)


def keep_mosaic(cube: Cube, name: str, window: Window, mosaic: np.ndarray) -> None:
    """Keep the parts of a zone's pixels in a window beside its covered fractions."""
    for part, values in zip(PARTS, mosaic, strict=True):
        cube.write_coverage(f"{name}-{part}", window, values)


def kept_mosaic(cube: Cube, name: str, window: Window) -> np.ndarray:
    """What `keep_mosaic` kept. Raises OutputError where it is gone."""
    return np.stack([cube.read_coverage(f"{name}-{part}", window) for part in PARTS])


def forget_mosaic(cube: Cube, name: str) -> None:
    """Delete what `keep_mosaic` kept of a zone."""
    for part in PARTS:
        cube.forget_coverage(f"{name}-{part}")
