"""Map sheets: one A4 page for each zone and one of the city, as PDF and PNG, and an atlas of all pages.

A sheet is drawn again only when something that it shows has changed.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Lock

import geopandas as gpd
import rasterio
import shapely
from pydantic import BaseModel
from pypdf import PdfWriter
from pyproj import CRS

from pipeline.engine import GDAL_CACHE_BYTES, Engine, successes
from pipeline.errors import OutputError
from pipeline.outputs.fonts import Fonts, find_fonts
from pipeline.outputs.overview_sheet import OverviewSheet
from pipeline.outputs.sheet_text import plan_cells, quality_lines, source_line
from pipeline.outputs.swap import swapped
from pipeline.outputs.zone_sheet import SheetMap, ZoneSheet
from pipeline.patches import plan_rows
from pipeline.provenance import Marks, code_key, content_key
from pipeline.results import Results

CODE = ("outputs/sheets", "outputs/zone_sheet", "outputs/overview_sheet", "outputs/sheet_map", "outputs/sheet_text",
        "outputs/page", "outputs/fonts", "patches")  # fmt: skip

FRAME_MM, FINEST_MM = 170, 0.05
"""Width of the widest map, and what print does not resolve: outlines are carried no finer."""

SINK_ENDS = ("← 碳减少 (排放)", "碳增加 (吸收) →")


@dataclass(frozen=True)
class SheetUnit:
    """A sheet to draw; ``key`` is what its mark will say."""

    sheet: ZoneSheet | OverviewSheet
    name: str
    marks: Marks
    key: str

    @property
    def writes_to(self) -> Path:
        return self.sheet.stem.with_name(f"{self.sheet.stem.name}.pdf")

    @property
    def is_done(self) -> bool:
        files = (self.sheet.stem.with_name(f"{self.sheet.stem.name}.{kind}") for kind in ("pdf", "png"))
        return self.marks.holds(self.name, self.key) and all(file.is_file() for file in files)


_ONE_PAGE_AT_A_TIME = Lock()
"""matplotlib shares fonts between figures: within a process, pages are drawn one after the other."""


def draw_sheet(unit: SheetUnit) -> None:
    """Draw and save one sheet. Raises OutputError for a character that the font lacks."""
    unit.marks.take_back(unit.name)
    with _ONE_PAGE_AT_A_TIME, rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES):
        unit.sheet.draw().save(unit.sheet.stem)
    unit.marks.write(unit.name, unit.key)


def make_sheets(results: Results, engine: Engine) -> None:
    """Write zones/<id>/<id>_sheet, overview (.pdf and .png) and atlas.pdf. Raises OutputError."""
    units = sheet_units(results)
    stale = [unit for unit in units if not unit.is_done]
    with _drawing(engine, len(stale)) as draw:
        successes(engine.run("sheets", draw, stale))
    _bind_atlas(results, units)
    _remove_outdated(results.folder / "zones", {unit.sheet.stem for unit in units})


@contextmanager
def _drawing(engine: Engine, count: int) -> Iterator:
    """What the engine's threads call to draw: processes do the work, since drawing holds Python's lock. For a sheet
    or two a process is not worth its start; an engine of processes draws in them."""
    if engine.has_processes or min(count, engine.workers) < 2 or count < 3:
        yield draw_sheet
        return
    with ProcessPoolExecutor(min(count, engine.workers), get_context("spawn")) as pool:
        yield partial(_draw_in, pool)


def _draw_in(pool: ProcessPoolExecutor, unit: SheetUnit) -> None:
    try:
        pool.submit(draw_sheet, unit).result()
    except BrokenProcessPool as error:
        raise OutputError(
            f"{unit.writes_to}: the process that drew it died; free memory, then run again, finished sheets are kept"
        ) from error


def sheet_units(results: Results) -> list[SheetUnit]:
    """The overview and the sheets of all zones that have rasters, with their keys."""
    zones = results.zones.to_crs(results.grid_crs)
    shown = [zone for zone in zones["id"] if any(path.is_file() for path in results.rasters[zone].values())]
    fonts = find_fonts("".join([results.title, *zones["name"], *zones["id"], *results.ecosystems]))
    code = code_key(*CODE)
    units = []
    for place, zone in enumerate(shown, 1):
        sheet = _zone_sheet(results, zones, zone, fonts, f"第 {place} 幅 / 共 {len(shown)} 幅")
        units.append(_unit(results, sheet, zone, code, [m.path for m in (sheet.main, sheet.cover) if m]))
    if not shown:
        return []
    overview = _overview(results, zones, shown, fonts)
    return [_unit(results, overview, "overview", code, list(overview.rasters.values())), *units]


def _unit(results: Results, sheet: ZoneSheet | OverviewSheet, name: str, code: str, rasters: list[Path]) -> SheetUnit:
    pixels = [results.marks.read(f"map-{results.folder.name}-{path.stem}") for path in rasters]
    key = content_key(code, _shown(sheet), pixels)
    return SheetUnit(sheet, f"sheet-{results.folder.name}-{name}", results.marks, key)


def _shown(value: object) -> object:
    """A value as JSON, without places of files: a moved folder shows the same."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Fonts):
        return value.name
    if isinstance(value, shapely.Geometry):
        return value.wkb.hex()
    if isinstance(value, BaseModel):
        return value.model_dump()
    if is_dataclass(value):
        return {field.name: _shown(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {name: _shown(part) for name, part in value.items()}
    return [_shown(part) for part in value] if isinstance(value, list | tuple) else value


def _zone_sheet(results: Results, zones: gpd.GeoDataFrame, zone: str, fonts: Fonts, number: str) -> ZoneSheet:
    record = zones[zones["id"] == zone].iloc[0]
    ecosystem, row = results.ecosystems[record.ecosystem], results.row(zone)
    main = _main_map(results, zone)
    outline, others = _outlines(zones, zone)
    kind = f"{results.styles.ecosystems[record.ecosystem].zh} · {ecosystem.strata[record.stratum].names[0]} · {number}"
    patches = results.patches.get(zone)
    return ZoneSheet(
        stem=results.folder / "zones" / zone / f"{zone}_sheet",
        fonts=fonts,
        title=f"{zone} {record['name']}",
        subtitle=_subtitle(results),
        project=results.title,
        kind=kind,
        row=row,
        by_year=[year for year in results.by_year if year["zone_id"] == zone],
        periods=(results.baseline.years if results.baseline else (), results.current.years),
        outline=outline,
        others=others,
        crs=results.grid_crs,
        pixel_m=_pixel_m(next(path for path in results.rasters[zone].values() if path.is_file())),
        main=main,
        cover=_map(results, zone, "fvc", results.current.label),
        plan=None if patches is None or patches.empty else plan_cells(plan_rows(patches)),
        quality=quality_lines(row),
        notes=(
            f"方法: {row['method_zh']}",
            f"{source_line(results.scenes)}    {_crs_line(results)}",
        ),
        warning=results.note,
    )


def _overview(results: Results, zones: gpd.GeoDataFrame, shown: list[str], fonts: Fonts) -> OverviewSheet:
    found = {zone: shown_map for zone in shown if (shown_map := _main_map(results, zone))}
    first = next((m for m in found.values() if m.ends), next(iter(found.values())))
    width = zones.total_bounds[2] - zones.total_bounds[0]
    shapes = zones.geometry.simplify(width / FRAME_MM * FINEST_MM)
    city = results.row("city")
    return OverviewSheet(
        stem=results.folder / "overview",
        fonts=fonts,
        title=results.title,
        subtitle=_subtitle(results),
        project="总览图",
        kind=f"{len(zones)} 个片区 · {city['area_wanmu']:,.1f} 万亩",
        rows=results.rows,
        outlines=dict(zip(zones["id"], shapes, strict=True)),
        crs=results.grid_crs,
        rasters={zone: m.path for zone, m in found.items() if m.legend == first.legend},
        style=first.style,
        legend=first.legend,
        ends=first.ends,
        notes=(f"状态: {city['status_zh']}", f"{source_line(results.scenes)}    {_crs_line(results)}"),
        warning=results.note,
    )


def _main_map(results: Results, zone: str) -> SheetMap | None:
    """The sink, or the carbon stock where the periods give none."""
    sink = _map(results, zone, "sink", results.sink_label) if results.sink_label else None
    return sink or _map(results, zone, "carbon_stock", results.current.label)


def _map(results: Results, zone: str, variable: str, label: str) -> SheetMap | None:
    path = results.rasters[zone].get((variable, label))
    if path is None or not path.is_file():
        return None
    names = {"sink": ("碳汇强度", "吸收为正"), "carbon_stock": ("生物量碳密度", ""), "fvc": ("遥感植被覆盖度", "")}
    name, hint = names[variable]
    legend = f"{name}, {hint}" if hint else name
    return SheetMap(
        title=f"{name}图  {label.replace('_', ' → ')}",
        legend=legend,
        path=path,
        style=results.styles.ramps[variable],
        ends=SINK_ENDS if variable == "sink" else None,
    )


def _outlines(zones: gpd.GeoDataFrame, zone: str) -> tuple[shapely.Geometry, list[shapely.Geometry]]:
    """The outline of a zone and those of the others, no finer than print resolves on its map or in its locator."""
    own = zones.geometry[zones["id"] == zone].iloc[0]
    left, bottom, right, top = own.bounds
    span, city = max(right - left, top - bottom), zones.total_bounds[2] - zones.total_bounds[0]
    fine, coarse = (length / FRAME_MM * FINEST_MM for length in (span, city / 4))
    around = shapely.box(left - 2 * span, bottom - 2 * span, right + 2 * span, top + 2 * span)
    others = zones.geometry[zones["id"] != zone]
    near = others.intersects(around)
    return own.simplify(fine), [*others[near].simplify(fine), *others[~near].simplify(coarse)]


def _subtitle(results: Results) -> str:
    current = f"现状期 {results.current.label} 年"
    return f"{current}, 与基准期 {results.baseline.label} 年比较" if results.baseline else f"{current}, 仅一期"


def _crs_line(results: Results) -> str:
    return f"坐标系: 图面 {results.grid_crs} ({CRS(results.grid_crs).name}), 经纬网与面积 CGCS2000 (EPSG:4490)"


def _pixel_m(path: Path) -> float:
    with rasterio.open(path) as file:
        return abs(file.transform.e)


def _bind_atlas(results: Results, units: list[SheetUnit]) -> None:
    """All pages in one PDF with a table of contents."""
    path, mark = results.folder / "atlas.pdf", f"sheet-{results.folder.name}-atlas"
    key = content_key([unit.key for unit in units])
    if not units or (results.marks.holds(mark, key) and path.is_file()):
        return
    results.marks.take_back(mark)
    with swapped(path) as part, PdfWriter() as atlas:
        for unit in units:
            atlas.append(unit.writes_to, outline_item=unit.sheet.title)
        atlas.add_metadata({"/Title": results.title, "/Creator": "sinkmap"})
        atlas.write(part)
    results.marks.write(mark, key)


def _remove_outdated(folder: Path, wanted: set[Path]) -> None:
    """Delete sheets of zones that are no longer there: they would pass for results."""
    for file in folder.glob("*/*_sheet.*"):
        if file.with_suffix("") not in wanted:
            file.unlink()
