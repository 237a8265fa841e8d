"""Which of the scenes found are usable: checked from their headers, before a pixel is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from rasterio.errors import RasterioIOError

from pipeline import hdfeos
from pipeline.admission import admit, refuse_size
from pipeline.errors import SceneError
from pipeline.harmonise import Row, harmonised
from pipeline.layouts import candidates
from pipeline.scene import INDEX, Band, Scene, SetAside
from pipeline.season import Season

MIN_COVERED = 0.99
"""Share of a scene that each of its layers must cover."""


def find_scenes(
    path: Path,
    years: tuple[int, ...],
    season: Season,
    bands: tuple[str, ...],
    crs: str,
    area: shapely.Geometry,
    remote: bool = False,
    max_megapixels: float = np.inf,
    finest_m: float | None = None,
    indices: tuple[str, ...] = ("ndvi",),
    rows: tuple[Row, ...] = (),
) -> tuple[list[Scene], list[SetAside]]:
    """Usable scenes under ``path`` within years and season, by day and id, and those set aside.

    A scene is usable if its files pass `admission` (``remote``, ``max_megapixels``), if they open, have a CRS, hold
    all ``bands`` and give all ``indices``, if its quality layers cover its bands, and if its pixels are no coarser than
    ``finest_m`` (metres; None takes any). Its bands are adjusted by the harmonisation ``rows`` of its sensor. Scenes
    off ``area`` (in ``crs``) are left out silently. Raises SceneError where nothing usable is found.
    """
    if not path.exists():
        raise SceneError(f"{path}: there is no such scene folder, catalogue or manifest; correct scenes.path")
    scenes: dict[str, Scene] = {}
    aside: list[SetAside] = []
    found = 0
    for name, read in candidates(path):
        try:
            scene = read()
            found += 1
            admit(scene, remote)
            if scene.day.year in years and season.holds(scene.day):
                if scene.id in scenes:
                    raise SceneError(f"scene {scene.id} is there twice; remove one copy")
                scene = harmonised(scene, rows, bands)
                if used := usable(scene, bands, crs, area, finest_m, indices, max_megapixels):
                    scenes[scene.id] = used
        except SceneError as error:
            aside.append(SetAside(name, str(error)))
    if not scenes:
        reason = f"; set aside: {aside[0].reason}" if aside else ""
        raise SceneError(
            f"{path}: none of {found} scenes lies in the years {years[0]}-{years[-1]}, the season {season} and the "
            f"zones{reason}"
        )
    return sorted(scenes.values(), key=lambda scene: (scene.day, scene.id)), aside


def usable(
    scene: Scene,
    bands: tuple[str, ...],
    crs: str,
    area: shapely.Geometry,
    finest_m: float | None,
    indices: tuple[str, ...] = ("ndvi",),
    max_megapixels: float = np.inf,
) -> Scene | None:
    """The scene with ``bands`` alone and its bounds in ``crs``, None where it is off ``area``. Raises SceneError for
    what is wrong with it."""
    further = sorted(set(indices) - set(OF_NDVI))
    if scene.level == INDEX and further:
        raise SceneError(f"scene {scene.id} brings NDVI alone, not {', '.join(further)}; ask for ndvi, or leave it out")
    missing = [band for band in bands if band not in scene.bands]
    if missing:
        raise SceneError(f"scene {scene.id} lacks {', '.join(missing)}; get the complete product")
    scene = scene.using(bands)
    boxes = {name: footprint(scene.id, band, max_megapixels) for name, band in scene.layers.items()}
    box = boxes["red"]
    for name, other in boxes.items():
        covered = other.extent.to_crs(box.crs).intersection(box.extent).area / box.extent.area
        if covered < MIN_COVERED:
            raise SceneError(f"scene {scene.id}: its {name} layer covers {covered:.0%} of it; get the product again")
    # the area is small and lies well within any CRS that a scene may have; the far ends of a scene may not in ours
    here = Geometry(area, crs)
    here = here.to_crs(box.crs, resolution=_step(here)).intersection(box.extent)
    if here.is_empty:
        return None
    size = max(_pixel_size(boxes[name], here, crs) for name in ("red", "nir") if name in boxes)
    if finest_m and size > finest_m * COARSER:
        raise SceneError(
            f"scene {scene.id} has pixels of {size:.4g} m, coarser than the grid's {finest_m:g} m, and is not made "
            "finer; raise grid.resolution_m, leave it out, or repeat its pixels with grid.allow_coarser"
        )
    grids = tuple((name, str(each.crs), *each.affine[:6], *each.shape) for name, each in boxes.items())
    return replace(scene, bounds=_bounds(box, here, crs), grids=grids)


OF_NDVI = ("ndvi", "kndvi")
"""Indices that NDVI alone determines."""

COARSER = 1.05
"""Pixels may be larger than those of the grid by what projections and names (MODIS 500 m: 463 m) make of them."""


def _step(geometry: Geometry) -> float:
    """Spacing of points along the outline, by which it bends with a projection."""
    box = geometry.boundingbox
    return max(box.span_x, box.span_y) / 16 or 1.0


def _pixel_size(box: GeoBox, here: Geometry, crs: str) -> float:
    """Side of a pixel in metres of ``crs``, at the middle of ``here`` (CRS of the box)."""
    middle = here.centroid.coords[0]
    x, y = (step * abs(side) for step, side in zip((1, 1), (box.affine.a, box.affine.e), strict=True))
    corners = Geometry(shapely.MultiPoint([middle, (middle[0] + x, middle[1]), (middle[0], middle[1] + y)]), box.crs)
    (x0, y0), (x1, y1), (x2, y2) = (point.coords[0] for point in corners.to_crs(crs).geoms)
    return abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) ** 0.5


def _bounds(box: GeoBox, here: Geometry, crs: str) -> tuple[float, float, float, float]:
    """Bounds in ``crs`` of a scene: of its outline, as far as that CRS reaches, and of its part ``here``."""
    outline = box.extent.to_crs(crs, resolution=_step(box.extent))
    points = np.vstack([shapely.get_coordinates(part.geom) for part in (outline, here.to_crs(crs, _step(here)))])
    points = points[np.isfinite(points).all(axis=1)]
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def footprint(scene: str, band: Band, max_megapixels: float = np.inf) -> GeoBox:
    """Grid of a layer, from its header. Raises SceneError for a file that is unreadable, too large or without CRS."""
    try:
        if band.in_hdf:
            return hdfeos.grid_of(band.path)
        with rasterio.open(band.address) as file:
            refuse_size(scene, band.path, file, max_megapixels)
            if file.crs is None:
                raise SceneError(f"scene {scene}: {band.path} has no CRS; get the product again")
            if band.index > file.count:
                raise SceneError(f"scene {scene}: {band.path} has {file.count} bands, not {band.index}")
            return GeoBox.from_rio(file)
    except (RasterioIOError, OSError, ValueError) as error:
        raise SceneError(f"scene {scene}: {band.path} cannot be read ({error}); get the product again") from error


def grid_origin(scene: Scene, crs: str) -> tuple[float, float]:
    """A corner for the run's grid: that of the scene where it is in ``crs``, so that pixels can be copied."""
    box = footprint(scene.id, scene.bands["red"])
    return (box.affine.c, box.affine.f) if box.crs == CRS(crs) else (0.0, 0.0)
