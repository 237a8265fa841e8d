"""Which of the scenes found are usable: checked from their headers, before a pixel is read."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from pyproj import Geod
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioIOError

from pipeline.errors import SceneError
from pipeline.scenes import MAX_MEGAPIXELS, hdfeos
from pipeline.scenes.admission import admit, refuse_blocks, refuse_size, writable
from pipeline.scenes.harmonise import Row, harmonised
from pipeline.scenes.layouts import candidates
from pipeline.scenes.processings import older_processings
from pipeline.scenes.scene import INDEX, Band, Scene, SetAside
from pipeline.scenes.season import Season

MIN_COVERED = 0.99
"""Share of a scene that each of its layers must cover."""


OFF_ZONES = "off the zones"
FAR_KM = 50
"""If all scenes are farther than this from the zones, the cause is rather a wrong CRS than a missing neighbour tile:
the next Gauss-Krueger zone puts boundaries some 250 km (3 degrees) off."""


@dataclass(frozen=True)
class Wanted:
    """What a run requires of its scenes: days within ``years`` and ``season``; ``bands`` that give ``indices``; ground
    that meets ``area`` (in ``crs``), that of the zones of the file ``zones``; files that pass `admission` (``remote``,
    ``max_megapixels``); pixels no coarser than ``finest_m`` metres (None takes any). The harmonisation ``rows`` of
    their sensor adjust their bands."""

    years: tuple[int, ...]
    season: Season
    bands: tuple[str, ...]
    crs: str
    area: shapely.Geometry
    remote: bool = False
    max_megapixels: float = MAX_MEGAPIXELS
    finest_m: float | None = None
    indices: tuple[str, ...] = ("ndvi",)
    rows: tuple[Row, ...] = ()
    zones: str = "the zones"


def find_scenes(path: Path, wanted: Wanted) -> tuple[list[Scene], list[SetAside]]:
    """The scenes under ``path`` that a run uses, by day and id, and those set aside as faulty; others, such as older
    processings, are left out silently. Raises SceneError where nothing usable is found."""
    scenes: dict[str, Scene] = {}
    aside: list[SetAside] = []
    elsewhere, off = 0, []
    for name, read in candidates(path):
        try:
            scene = read()
            used = as_wanted(scene, wanted)
            if not isinstance(used, Scene):
                elsewhere += 1
                off += [scene] if used == OFF_ZONES else []
            elif scene.id in scenes:
                raise SceneError(f"scene {scene.id} is there twice; remove one copy")
            else:
                scenes[scene.id] = used
        except SceneError as error:
            aside.append(SetAside(writable(name), writable(str(error))))
    if not (scenes or aside or elsewhere):
        raise SceneError(
            f"{path}: holds no scene of a known product; docs/data.md has their layouts, and a manifest.yaml declares "
            "other surface reflectance"
        )
    if not scenes:
        asked = f"the years {wanted.years[0]}-{wanted.years[-1]}, the season {wanted.season} and the zones"
        if off and (nearest := min(_distance_km(scene, wanted) for scene in off)) > FAR_KM:
            asked += (
                f"; the nearest lies {nearest:.0f} km off the zones: check the CRS of {wanted.zones}, or get scenes of "
                "that ground"
            )
        if not aside:
            raise SceneError(f"{path}: none of {elsewhere} scenes lies in {asked}")
        others = f"; {elsewhere} more outside {asked}" if elsewhere else ""
        raise SceneError(
            f"{path}: no scene can be used, the first of {len(aside)} set aside for this: {aside[0].reason}{others}"
        )
    for older in older_processings(scenes):
        del scenes[older]
    return sorted(scenes.values(), key=lambda scene: (scene.day, scene.id)), aside


def as_wanted(scene: Scene, wanted: Wanted) -> Scene | str:
    """The scene as the run uses it, or why it does not belong to the run. Raises SceneError for what is wrong with
    it."""
    admit(scene, wanted.remote)
    if scene.day.year not in wanted.years:
        return "outside scenes.years"
    if not wanted.season.holds(scene.day):
        return "outside scenes.season"
    return usable(harmonised(scene, wanted.rows, wanted.bands), wanted) or OFF_ZONES


def usable(scene: Scene, wanted: Wanted) -> Scene | None:
    """The scene with the bands alone and its bounds in the CRS of ``wanted``, None where it is off the area. Raises
    SceneError for what its headers show to be wrong: a file that does not open or has no CRS, a band that is missing or
    whose scale and offset make no reflectance, a layer that does not cover the others, pixels too coarse."""
    further = sorted(set(wanted.indices) - set(OF_NDVI))
    if scene.level == INDEX and further:
        raise SceneError(f"scene {scene.id} brings NDVI alone, not {', '.join(further)}; ask for ndvi, or leave it out")
    missing = [band for band in wanted.bands if band not in scene.bands]
    if missing:
        raise SceneError(f"scene {scene.id} lacks {', '.join(missing)}; get the complete product")
    scene = scene.using(wanted.bands)
    for name, band in scene.bands.items():
        if not (np.isfinite(band.scale) and np.isfinite(band.offset) and band.scale):
            raise SceneError(
                f"scene {scene.id} gives {name} the scale {band.scale:g} and the offset {band.offset:g}, which make no "
                "reflectance; correct its metadata"
            )
    if scene.level != INDEX and len({(b.address, b.index) for b in scene.bands.values()}) < len(scene.bands):
        raise SceneError(f"scene {scene.id} names one layer for several bands; correct its item or manifest")
    boxes = {
        name: footprint(scene.id, band, wanted.max_megapixels, name in scene.bands)
        for name, band in scene.layers.items()
    }
    box = boxes["red"]
    for name, other in boxes.items():
        covered = other.extent.to_crs(box.crs).intersection(box.extent).area / box.extent.area
        if covered < MIN_COVERED:
            raise SceneError(f"scene {scene.id}: its {name} layer covers {covered:.0%} of it; get the product again")
    # the area is small and lies well within any CRS that a scene may have; the far ends of a scene may not in ours
    here = Geometry(wanted.area, wanted.crs)
    here = here.to_crs(box.crs, resolution=_step(here)).intersection(box.extent)
    if here.is_empty:
        return None
    sizes = {name: _pixel_size(boxes[name], here, wanted.crs) for name in ("red", "nir") if name in boxes}
    size = max(sizes.values())
    if wanted.finest_m and size > wanted.finest_m * COARSER:
        raise SceneError(
            f"scene {scene.id} has pixels of {size:.4g} m, coarser than the grid's {wanted.finest_m:g} m, and is not "
            "made finer; raise grid.resolution_m, leave it out, or repeat its pixels with grid.allow_coarser"
        )
    grids = tuple((name, str(each.crs), *each.affine[:6], *each.shape) for name, each in boxes.items())
    return replace(scene, bounds=_bounds(box, here, wanted.crs), pixel_m=sizes["red"], grids=grids)


def _distance_km(scene: Scene, wanted: Wanted) -> float:
    """From a scene to the area, km; NaN where its CRS is not valid that far away."""
    box, here = footprint(scene.id, scene.bands["red"]), Geometry(wanted.area, wanted.crs)
    there = here.to_crs(box.crs, resolution=_step(here)).geom
    if not np.isfinite(there.bounds).all():
        return np.nan
    gap = shapely.shortest_line(box.extent.geom, there)
    return Geod(ellps="GRS80").geometry_length(Geometry(gap, box.crs).to_crs("EPSG:4490").geom) / 1000


OF_NDVI = ("ndvi", "kndvi")
"""Indices that NDVI alone determines."""

COARSER = 1.05
"""Pixels up to so many times as large as the grid's are not coarser: projections change their size a little, and names
are rounded (MODIS 500 m is 463 m)."""


def _step(geometry: Geometry) -> float:
    """Spacing of points along the outline, so that it bends with a projection."""
    box = geometry.boundingbox
    return max(box.span_x, box.span_y) / 16 or 1.0


def _pixel_size(box: GeoBox, here: Geometry, crs: str) -> float:
    """Side of a pixel in metres of ``crs``, at the middle of ``here`` (CRS of the box)."""
    (x, y), side = here.centroid.coords[0], abs(box.affine.determinant) ** 0.5
    corners = Geometry(shapely.MultiPoint([(x, y), (x + side, y), (x, y + side)]), box.crs)
    (x0, y0), (x1, y1), (x2, y2) = (point.coords[0] for point in corners.to_crs(crs).geoms)
    return abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) ** 0.5


def _bounds(box: GeoBox, here: Geometry, crs: str) -> tuple[float, float, float, float]:
    """Bounds in ``crs`` of a scene: of its outline, as far as that CRS is valid, and of its part ``here``."""
    outline = box.extent.to_crs(crs, resolution=_step(box.extent))
    points = np.vstack([shapely.get_coordinates(part.geom) for part in (outline, here.to_crs(crs, _step(here)))])
    points = points[np.isfinite(points).all(axis=1)]
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def footprint(scene: str, band: Band, max_megapixels: float = np.inf, measured: bool = False) -> GeoBox:
    """Grid of a layer, from its header. Raises SceneError for a file that is unreadable, too large or without CRS, and
    for one of ``measured`` values with a mask or nodata that would not be read."""
    try:
        if band.in_hdf:
            box = hdfeos.grid_of(band.path)
            refuse_size(scene, band.path, box.width, box.height, max_megapixels)
            return box
        with rasterio.open(band.address) as file:
            refuse_size(scene, band.path, file.width, file.height, max_megapixels)
            refuse_blocks(scene, band.path, file)
            if file.crs is None:
                raise SceneError(f"scene {scene}: {band.path} has no CRS; get the product again")
            if band.index > file.count:
                raise SceneError(f"scene {scene}: {band.path} has {file.count} bands, not {band.index}")
            if measured:
                _refuse_mask(scene, band, file)
            return GeoBox.from_rio(file)
    except (RasterioIOError, *hdfeos.UNREADABLE) as error:
        raise SceneError(f"scene {scene}: {band.path} cannot be read ({error}); get the product again") from error


def _refuse_mask(scene: str, band: Band, file: rasterio.DatasetReader) -> None:
    """Raises SceneError for a file that marks invalid pixels in a way that is not read: a mask or alpha band of its
    own, or another nodata than the product's."""
    if {MaskFlags.per_dataset, MaskFlags.alpha} & {*file.mask_flag_enums[band.index - 1]}:
        raise SceneError(
            f"scene {scene}: {band.path} has a mask of its own, which is not read; write its nodata into the pixels"
        )
    nodata = file.nodatavals[band.index - 1]
    if nodata is not None and nodata == nodata and band.nodata == band.nodata and nodata != band.nodata:
        raise SceneError(
            f"scene {scene}: {band.path} has the nodata {nodata:.17g}, not {band.nodata:.17g}; correct the file, or "
            "the nodata in its manifest"
        )


def grid_origin(scenes: list[Scene], crs: str, resolution_m: float) -> tuple[float, float]:
    """A corner for the run's grid: of the scenes in its ``crs`` that of the first whose pixels are nearest to its own
    in size, so that they can be copied: corners of Landsat lie half a pixel off those of Sentinel-2. (0, 0) where no
    scene is in that CRS."""
    here = [scene for scene in scenes if CRS(scene.grids[0][1]) == CRS(crs)]
    if not here:
        return 0.0, 0.0
    scene = min(here, key=lambda scene: round(abs(scene.pixel_m - resolution_m), 3))
    box = footprint(scene.id, scene.bands["red"])
    return box.affine.c, box.affine.f
