"""Management patches of all zones: read their rasters, write the class rasters, the patches and their summary."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
import shapely
from exactextract import exact_extract
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.windows import Window

from pipeline.errors import OutputError
from pipeline.execution.engine import Engine, Failure
from pipeline.execution.provenance import Checksums, Marks, code_key, key_parts
from pipeline.mapping.cover_classes import SCHEMES_ZH
from pipeline.mapping.patches import (
    PATCH_CLASS_COLUMNS,
    fill_zone,
    ground_classes,
    join_classes,
    min_cells,
    outline_patches,
    patch_class_rows,
    patch_table,
    split_code,
)
from pipeline.mapping.styles import COVER_KEYS, SINK_KEYS, Styles, rgb
from pipeline.mapping.suggestions import Suggestions
from pipeline.outputs.cog import CogWriter
from pipeline.outputs.csv_file import write_csv
from pipeline.outputs.results import Results
from pipeline.outputs.swap import swapped
from pipeline.variables import VARIABLES
from pipeline.zones.boundaries import zones_on_grid
from pipeline.zones.coverage import Polygons, coverage_fractions, in_pixels, pixel_source
from pipeline.zones.vector_file import CGCS2000
from pipeline.zones.zone import Zone, largest_first

MAX_CELLS = 4_000_000
"""A zone with more pixels is generalised from blocks of pixels (10^8 pixels of 10 m: blocks of 50 m, 3.75 亩), which
bounds the memory."""

WINDOW_PX = 1024

CODE = (
    "mapping/patches", "mapping/regions", "zones/coverage", "blocks", "mapping/cover_classes", "outputs/patches",
    "outputs/cog", "zones/vector_file", "zones/outlines", "mapping/styles", "mapping/suggestions", "variables",
)  # fmt: skip
"""Modules whose code the patches of a zone depend on."""

DRIVER = "FlatGeobuf"  # exact coordinates, and no time of writing in the file


@dataclass(frozen=True)
class ZonePatches:
    """The patches of one zone. ``rasters`` are fvc, carbon_stock and, where they exist, water_occurrence and sink (in
    grid CRS); ``class_rasters`` and ``path`` are written, ``key`` is what the mark will hold."""

    zone: Zone
    outline: gpd.GeoSeries
    rasters: dict[str, Path]
    class_rasters: dict[str, Path]
    path: Path
    unclear: tuple[float, float]
    min_area_mu: float
    styles: Styles
    suggestions: Suggestions
    scheme: str
    tags: dict[str, str]
    marks: Marks
    key: dict[str, str]

    @property
    def name(self) -> str:
        return f"patches-{self.path.stem}"

    @property
    def writes_to(self) -> Path:
        return self.path

    @property
    def is_done(self) -> bool:
        return not self.marks.why_stale(self.name, self.key, self.path, *self.class_rasters.values())


def make_patches(results: Results, engine: Engine, strict: bool) -> None:
    """Write patches.csv; fill ``results.patches`` and add the class rasters to ``results.rasters``, for the later
    deliverables. Zones that are not mapped have no patches. Nor have zones with an impossible figure, which nobody
    should act on, and zones whose patches fail: a note says why. Raises the error if a result cannot be written, and
    with ``strict``."""
    units = list(zone_patches(results))
    if results.impossible:
        results.notes.append(
            f"{', '.join(results.impossible)}: no patches, for a figure is impossible, as the status says"
        )
    stale = largest_first(unit for unit in units if not unit.is_done)
    done = engine.run("patches", patch_zone, stale, isolate=not strict)
    failed = {unit.zone.id: one.error for unit, one in zip(stale, done, strict=True) if isinstance(one, Failure)}
    for zone, error in failed.items():
        if strict or isinstance(error, OutputError):
            raise error
        results.notes.append(f"zone {zone} has no patches: {error}")
    for unit in (unit for unit in units if unit.zone.id not in failed):
        results.patches[unit.zone.id] = pyogrio.read_dataframe(unit.path).set_crs(CGCS2000, allow_override=True)
        for variable, path in unit.class_rasters.items():
            label = path.stem.removeprefix(f"{unit.zone.id}_{variable}_")
            results.rasters[unit.zone.id][variable, label] = path
    rows = [row for patches in results.patches.values() for row in patch_class_rows(patches)]
    write_csv(results.folder / "patches.csv", PATCH_CLASS_COLUMNS, rows, results.note)


def zone_patches(results: Results) -> Iterator[ZonePatches]:
    """The patches of all mapped zones with their keys."""
    folder = results.work / "patches"
    folder.mkdir(exist_ok=True)
    code = code_key(*CODE)
    checksums = Checksums(folder / "checksums.json")
    current, between = results.current.label, results.sink_label
    for zone, outline in zip(zones_on_grid(results.zones, results.grid_crs), results.zones.geometry, strict=True):
        wanted = {"fvc": current, "carbon_stock": current, "water_occurrence": current, "sink": between}
        found = {name: results.rasters[zone.id].get((name, label)) for name, label in wanted.items()}
        rasters = {name: path for name, path in found.items() if path}
        if zone.id in results.impossible or not {"fvc", "carbon_stock"} <= rasters.keys():
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
            scheme=results.cover_scheme,
            tags={"ZONE": zone.id, "NOTE": results.note_of(zone.id)},
            marks=results.marks,
            key=key_parts(
                code=code, rasters=list(sums.values()), boundary=[outline.wkb.hex(), zone.area_ha],
                names=[zone.name, zone.ecosystem, zone.stratum, results.note_of(zone.id)],
                settings=[unclear, results.min_patch_mu, results.cover_scheme, results.styles.model_dump()["classes"]],
                suggestions=results.suggestions.model_dump(),
            ),
        )  # fmt: skip


def patch_zone(unit: ZonePatches) -> None:
    """Write the class rasters and the patches of a zone."""
    unit.marks.take_back(unit.name)
    with ExitStack() as stack:
        files = {name: stack.enter_context(rasterio.open(path)) for name, path in unit.rasters.items()}
        _write_class_rasters(unit, files)
        grid, values = _generalised(files)
    fractions = coverage_fractions(grid, unit.zone.geometry)
    minimum = min_cells(unit.min_area_mu, abs(grid.affine.determinant))
    of_cells = join_classes(*_classes(unit, values))
    polygons, codes = outline_patches(of_cells, fractions, grid, minimum)
    polygons = gpd.GeoSeries(polygons, crs=str(grid.crs)).to_crs(CGCS2000)
    filled = fill_zone(polygons.to_numpy(), unit.outline.to_crs(CGCS2000)[0])
    left = ~shapely.is_missing(filled)
    patches = gpd.GeoSeries(filled[left], crs=CGCS2000)
    codes = codes[left]
    means = _means(values, grid, patches) | {"own_class": np.empty(codes.size)}
    for code in np.unique(codes):
        here, own = codes == code, of_cells == code
        means["own_class"][here] = _means({"own_class": np.float32(own)}, grid, patches[here])["own_class"]
        if split_code(code, unit.scheme)[1] == "no_data":  # what was seen and joined it tells nothing of it
            known = {"carbon_stock": np.where(own, values["carbon_stock"], np.float32("nan"))}
            means["carbon_stock"][here] = _means(known, grid, patches[here])["carbon_stock"]
    _write(patch_table(unit.zone, patches, codes, means, unit.styles, unit.suggestions, unit.scheme), unit.path)
    unit.marks.write(unit.name, unit.key, unit.path, *unit.class_rasters.values())


def block_px(pixels: float) -> int:
    """Side, in pixels, of the blocks from which a zone is generalised, by the number of pixels of its frame; 1 up to
    `MAX_CELLS`."""
    return max(int(np.ceil(np.sqrt(pixels / MAX_CELLS))), 1)


def _generalised(files: dict) -> tuple[GeoBox, dict[str, np.ndarray]]:
    """A grid of at most `MAX_CELLS` over the zone and the values on it; a block of pixels has their mean, and the mean
    of their detectable changes."""
    fine = GeoBox.from_rio(files["fvc"])
    block = block_px(fine.width * fine.height)
    shape = -(-fine.height // block), -(-fine.width // block)
    return fine.zoom_to(shape), read_values(files, out_shape=shape, resampling=Resampling.average)


def read_values(files: dict, **how) -> dict[str, np.ndarray]:
    """float32 values of the rasters in their units, NaN for nodata; "detectable" is the last band of a sink that has
    several."""
    bands = {name: (file, 1) for name, file in files.items()}
    if "sink" in files and files["sink"].count > 1:
        bands["detectable"] = files["sink"], files["sink"].count
    return {
        name: (file.read(band, masked=True, **how).astype("float32") * np.float32(file.scales[band - 1])).filled(np.nan)
        for name, (file, band) in bands.items()
    }


def _classes(unit: ZonePatches, values: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    water, sink, detectable = (values.get(name) for name in ("water_occurrence", "sink", "detectable"))
    return ground_classes(values["fvc"], water, sink, detectable, unit.unclear, unit.scheme)


def _write_class_rasters(unit: ZonePatches, files: dict) -> None:
    """The classes of every pixel with a colour table, window by window; nodata outside the zone only."""
    grid = GeoBox.from_rio(files["fvc"])
    stored = {
        name: np.array([unit.styles.class_of(name, key).value for key in keys], "uint8")
        for name, keys in (("sink_class", SINK_KEYS), ("cover_class", COVER_KEYS[unit.scheme]))
    }
    wanted = {name: files[name] for name in ("fvc", "water_occurrence", "sink") if name in files}
    with ExitStack() as stack:
        writers = {name: stack.enter_context(_class_writer(unit, name, grid)) for name in unit.class_rasters}
        for top in range(0, grid.height, WINDOW_PX):
            for left in range(0, grid.width, WINDOW_PX):
                window = Window(left, top, min(WINDOW_PX, grid.width - left), min(WINDOW_PX, grid.height - top))
                inside = coverage_fractions(grid[window.toslices()], unit.zone.geometry) > 0
                found = dict(zip(stored, _classes(unit, read_values(wanted, window=window)), strict=True))
                for name, writer in writers.items():
                    writer.write(stored[name][found[name]] * inside, top, left)


def _class_writer(unit: ZonePatches, name: str, grid: GeoBox) -> CogWriter:
    path = unit.class_rasters[name]
    period = path.stem.removeprefix(f"{unit.zone.id}_{name}_")
    scheme = f"（{SCHEMES_ZH[unit.scheme]}）" if name == "cover_class" else ""
    description = f"{unit.zone.id} {VARIABLES[name].long_name_zh}{scheme} {period}"
    colors = {style.value: rgb(style.color) for style in unit.styles.classes[name]}
    return CogWriter(path, grid, VARIABLES[name], description, unit.tags | {"PERIOD": period}, colors)


def _means(values: dict[str, np.ndarray], grid: GeoBox, patches: gpd.GeoSeries) -> dict[str, np.ndarray]:
    """Mean of fvc, carbon_stock, sink and own_class over each patch by exactly covered fractions; NaN where nothing is
    known."""
    known = [name for name in ("fvc", "carbon_stock", "sink", "own_class") if name in values]
    sources = [pixel_source(values[name], name) for name in known]
    polygons = Polygons(in_pixels(patches.to_crs(str(grid.crs)).to_numpy(), grid))
    found = exact_extract(sources, polygons, ["mean"], output="pandas", max_cells_in_memory=MAX_CELLS)
    found.columns = known  # in the order of the sources; a single one is called "mean" alone
    unknown = np.full(len(patches), np.nan)
    return {"sink": unknown} | {name: found[name].to_numpy(float, copy=True) for name in known}


def _write(table: gpd.GeoDataFrame, path: Path) -> None:
    content = io.BytesIO()
    pyogrio.write_dataframe(
        table, content, layer=path.stem, driver=DRIVER, geometry_type="MultiPolygon", promote_to_multi=True,
        SPATIAL_INDEX="NO",
    )  # fmt: skip
    with swapped(path, "free disk space, then run again") as part:
        part.write_bytes(content.getvalue())
