"""Management patches of all zones: read their rasters, write the class rasters, the patches and their summary."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
import shapely
from exactextract import exact_extract
from exactextract.raster import RasterioRasterSource
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.windows import Window

from pipeline.coverage import coverage_fractions
from pipeline.engine import Engine, successes
from pipeline.errors import OutputError
from pipeline.outputs.cog import CogWriter
from pipeline.outputs.table import write_csv
from pipeline.patches import (
    CLASS_COLUMNS,
    COVER_CLASSES,
    SINK_CLASSES,
    class_rows,
    fill_zone,
    ground_classes,
    join_classes,
    min_cells,
    outline_patches,
    patch_table,
)
from pipeline.provenance import Checksums, Marks, code_key, content_key
from pipeline.results import Results
from pipeline.styles import Styles
from pipeline.suggestions import Suggestions
from pipeline.variables import VARIABLES
from pipeline.vector_file import CGCS2000
from pipeline.zones import Zone, zones_on_grid

MAX_CELLS = 4_000_000
"""A zone with more pixels is generalised from blocks of them (10^8 pixels of 10 m: from 50 m, 3.75 亩), which bounds
the memory."""

WINDOW_PX = 1024

DRIVER = "FlatGeobuf"  # exact coordinates, and no time of writing in the file


@dataclass(frozen=True)
class ZonePatches:
    """The patches of one zone. ``rasters`` are fvc, carbon_stock and, where periods compare, sink of the zone (in grid
    CRS); ``class_rasters`` and ``path`` are written, ``key`` is what the mark will say."""

    zone: Zone
    outline: gpd.GeoSeries
    rasters: dict[str, Path]
    class_rasters: dict[str, Path]
    path: Path
    unclear: tuple[float, float]
    min_area_mu: float
    styles: Styles
    suggestions: Suggestions
    tags: dict[str, str]
    marks: Marks
    key: str

    @property
    def name(self) -> str:
        return f"patches-{self.path.stem}"

    @property
    def writes_to(self) -> Path:
        return self.path

    @property
    def is_done(self) -> bool:
        files = (self.path, *self.class_rasters.values())
        return self.marks.holds(self.name, self.key) and all(path.is_file() for path in files)


def make_patches(results: Results, engine: Engine) -> None:
    """Write patches.csv; fill ``results.patches`` and add the class rasters to ``results.rasters``, for what follows.
    Zones that are not mapped have none."""
    units = list(zone_patches(results))
    successes(engine.run("patches", patch_zone, [unit for unit in units if not unit.is_done]))
    for unit in units:
        results.patches[unit.zone.id] = pyogrio.read_dataframe(unit.path).set_crs(CGCS2000, allow_override=True)
        for variable, path in unit.class_rasters.items():
            label = path.stem.removeprefix(f"{unit.zone.id}_{variable}_")
            results.rasters[unit.zone.id][variable, label] = path
    rows = [row for patches in results.patches.values() for row in class_rows(patches)]
    write_csv(results.folder / "patches.csv", CLASS_COLUMNS, rows)


def zone_patches(results: Results) -> Iterator[ZonePatches]:
    """The patches of all mapped zones with their keys."""
    folder = results.work / "patches"
    folder.mkdir(exist_ok=True)
    code = code_key("patches", "regions", "coverage", "outputs/patches", "outputs/cog", "vector_file", "styles")
    checksums = Checksums(folder / "checksums.json")
    current, between = results.current.label, results.sink_label
    for zone, outline in zip(zones_on_grid(results.zones, results.grid_crs), results.zones.geometry, strict=True):
        wanted = {"fvc": current, "carbon_stock": current, "sink": between}
        found = {name: results.rasters[zone.id].get((name, label)) for name, label in wanted.items()}
        rasters = {name: path for name, path in found.items() if path and path.is_file()}
        if not {"fvc", "carbon_stock"} <= rasters.keys():
            continue
        classes = {"cover_class": current} | ({"sink_class": between} if "sink" in rasters else {})
        sums = checksums.of([str(path) for path in rasters.values()])
        breaks = results.styles.ramps["sink"].breaks
        unclear = max(b for b in breaks if b <= 0), min(b for b in breaks if b >= 0)
        yield ZonePatches(
            zone=zone,
            outline=gpd.GeoSeries([outline], crs=results.zones.crs),
            rasters=rasters,
            class_rasters={
                name: rasters["fvc"].with_name(f"{zone.id}_{name}_{label}.tif") for name, label in classes.items()
            },
            path=folder / f"{zone.id}_{between or current}.fgb",
            unclear=unclear,
            min_area_mu=results.min_patch_mu,
            styles=results.styles,
            suggestions=results.suggestions,
            tags={"ZONE": zone.id, "NOTE": results.note},
            marks=results.marks,
            key=content_key(
                code, list(sums.values()), repr(zone), outline.wkb_hex, unclear, results.min_patch_mu, results.note,
                results.suggestions.model_dump(), results.styles.model_dump()["classes"],
            ),
        )  # fmt: skip


def patch_zone(unit: ZonePatches) -> None:
    """Write the class rasters and the patches of a zone."""
    unit.marks.take_back(unit.name)
    _write_class_rasters(unit)
    with ExitStack() as stack:
        files = {name: stack.enter_context(rasterio.open(path)) for name, path in unit.rasters.items()}
        grid, classes = _generalised(unit, files)
        fractions = coverage_fractions(grid, unit.zone.geometry)
        cell_m2 = abs(grid.affine.determinant)
        polygons, codes = outline_patches(
            join_classes(*classes), fractions, grid.affine, min_cells(unit.min_area_mu, cell_m2)
        )
        outline = unit.outline.to_crs(CGCS2000)[0]
        filled = fill_zone(gpd.GeoSeries(polygons, crs=str(grid.crs)).to_crs(CGCS2000).values._data, outline)
        left = ~shapely.is_missing(filled)
        patches = gpd.GeoSeries(filled[left], crs=CGCS2000)
        means = _means(files, patches.to_crs(str(grid.crs)))
    table = patch_table(unit.zone, patches, codes[left], means, unit.styles, unit.suggestions)
    _write(table, unit.path)
    unit.marks.write(unit.name, unit.key)


def _generalised(unit: ZonePatches, files: dict) -> tuple[GeoBox, tuple[np.ndarray, np.ndarray]]:
    """A grid of at most `MAX_CELLS` over the zone, and its sink and cover classes; a block of pixels has their mean,
    and the mean of their standard errors."""
    fine = GeoBox.from_rio(files["fvc"])
    block = int(np.ceil(np.sqrt(fine.width * fine.height / MAX_CELLS)))
    shape = -(-fine.height // block), -(-fine.width // block)
    grid = GeoBox(shape, fine.affine * fine.affine.scale(fine.width / shape[1], fine.height / shape[0]), fine.crs)
    return grid, _classes(unit, files, out_shape=shape, resampling=Resampling.average)


def _classes(unit: ZonePatches, files: dict, **how) -> tuple[np.ndarray, np.ndarray]:
    """Sink and cover classes of a window or generalisation, as `rasterio` reads it."""
    sink, error = None, None
    if file := files.get("sink"):
        sink = _values(file, 1, **how)
        error = _values(file, 2, **how) if file.count > 1 else None
    return ground_classes(_values(files["fvc"], 1, **how), sink, error, unit.unclear)


def _values(file, band: int, **how) -> np.ndarray:
    """float32 values of a band in its unit, NaN for nodata."""
    stored = file.read(band, masked=True, **how)
    return (stored.astype("float32") * np.float32(file.scales[band - 1])).filled(np.nan)


def _write_class_rasters(unit: ZonePatches) -> None:
    """The classes of every pixel as colour-table rasters, window by window; nodata outside the zone only."""
    keys = {"sink_class": SINK_CLASSES, "cover_class": COVER_CLASSES}
    with ExitStack() as stack:
        files = {name: stack.enter_context(rasterio.open(path)) for name, path in unit.rasters.items()}
        grid = GeoBox.from_rio(files["fvc"])
        writers = {}
        for name, path in unit.class_rasters.items():
            variable = VARIABLES[name]
            colors = {style.value: style.color for style in unit.styles.classes[name]}
            tags = unit.tags | {"PERIOD": path.stem.removeprefix(f"{unit.zone.id}_{name}_")}
            description = f"{unit.zone.id} {variable.long_name_zh} {tags['PERIOD']}"
            writers[name] = stack.enter_context(CogWriter(path, grid, variable, description, tags, colors))
        for top in range(0, grid.height, WINDOW_PX):
            for left in range(0, grid.width, WINDOW_PX):
                window = Window(left, top, min(WINDOW_PX, grid.width - left), min(WINDOW_PX, grid.height - top))
                outside = coverage_fractions(grid[window.toslices()], unit.zone.geometry) == 0
                found = dict(zip(keys, _classes(unit, files, window=window), strict=True))
                for name, writer in writers.items():
                    stored = np.array([unit.styles.class_of(name, key).value for key in keys[name]], "uint8")
                    writer.write(np.where(outside, 0, stored[found[name]]).astype("uint8"), top, left)


def _means(files: dict, patches: gpd.GeoSeries) -> dict[str, np.ndarray]:
    """Mean of each raster over each patch by exactly covered fractions; NaN where nothing is known."""
    sources = [RasterioRasterSource(file, name=name) for name, file in files.items()]
    table = gpd.GeoDataFrame(geometry=patches.values, crs=next(iter(files.values())).crs)
    found = exact_extract(sources, table, ["mean"], output="pandas", max_cells_in_memory=MAX_CELLS)
    means = dict.fromkeys(("fvc", "carbon_stock", "sink"), np.full(len(patches), np.nan))
    return means | {name: found[f"{name}_mean"].to_numpy(float) for name in files}


def _write(table: gpd.GeoDataFrame, path: Path) -> None:
    part = path.with_suffix(".part.fgb")
    try:
        pyogrio.write_dataframe(
            table, part, driver=DRIVER, geometry_type="MultiPolygon", promote_to_multi=True, SPATIAL_INDEX="NO"
        )
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # pyogrio raises RuntimeErrors
        raise OutputError(f"{path}: cannot be written ({error}); free disk space, then run again") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
