"""Sheets: an A4 page for each zone and two of the city, more where zones are many, and an atlas of all pages.

A sheet is drawn again only when something that it shows has changed.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Lock, Thread

import rasterio
import shapely
from pydantic import BaseModel
from pypdf import PdfWriter

from pipeline.errors import OutputError
from pipeline.execution import ctrl_c
from pipeline.execution.engine import GDAL_CACHE_BYTES, Engine, successes
from pipeline.execution.provenance import Marks, code_key, key_parts
from pipeline.execution.whole_file import delete
from pipeline.outputs.results import Results
from pipeline.outputs.sheets.content import monitoring_sheet, overview_sheet, zone_sheet, zones_to_draw
from pipeline.outputs.sheets.fonts import Fonts, find_fonts
from pipeline.outputs.sheets.page import sheet_files
from pipeline.outputs.sheets.sheet import Sheet
from pipeline.outputs.swap import swapped

CODE = (
    "outputs/sheets/atlas", "outputs/sheets/content", "outputs/sheets/zone_sheet", "outputs/sheets/overview_sheet",
    "outputs/sheets/monitoring_sheet", "outputs/sheets/sheet", "outputs/sheets/year_bars", "outputs/sheets/maps",
    "outputs/sheets/raster_map", "outputs/sheets/raster_image", "outputs/text", "outputs/note",
    "outputs/sheets/page", "outputs/sheets/fonts", "mapping/patches", "mapping/styles", "variables", "carbon",
    "totals/group_totals", "uncertainty/varying", "scenes/season", "zones/outlines",
)  # fmt: skip


@dataclass(frozen=True)
class SheetUnit:
    """A sheet to draw; ``key`` is what its mark will hold."""

    sheet: Sheet
    name: str
    marks: Marks
    key: dict[str, str]

    @property
    def files(self) -> list[Path]:
        return sheet_files(self.sheet.stem, self.sheet.pages)

    @property
    def writes_to(self) -> Path:
        return self.files[0]

    @property
    def is_done(self) -> bool:
        return not self.marks.why_stale(self.name, self.key, *self.files)


MAX_PROCESSES = 61
"""Most processes that Windows can wait for at once."""

_ONE_PAGE_AT_A_TIME = Lock()
"""matplotlib shares fonts between figures: within a process, pages are drawn one after the other."""


def draw_sheet(unit: SheetUnit) -> None:
    """Draw and save one sheet. Raises OutputError for a character that the font lacks."""
    unit.marks.take_back(unit.name)
    with _ONE_PAGE_AT_A_TIME, rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES):
        unit.sheet.draw().save(unit.sheet.stem)
    unit.marks.write(unit.name, unit.key, *unit.files)


def make_sheets(results: Results, engine: Engine) -> None:
    """Write zones/<id>/<id>_sheet, overview, monitoring (`sheet_files`) and atlas.pdf. Raises OutputError."""
    units = sheet_units(results)
    stale = [unit for unit in units if not unit.is_done]
    with _drawing(engine, len(stale)) as draw:
        successes(engine.run("sheets", draw, stale))
    _bind_atlas(results, units)
    _remove_outdated(results.folder, {file for unit in units for file in unit.files})


@contextmanager
def _drawing(engine: Engine, count: int) -> Iterator:
    """The function that the engine's threads call to draw: it hands the work to processes, since drawing holds Python's
    lock. One or two sheets are drawn here, since starting a process takes longer; an engine with processes draws in
    those."""
    if engine.has_processes or min(count, engine.workers) < 2 or count < 3:
        yield draw_sheet
        return
    with ProcessPoolExecutor(min(count, engine.workers, MAX_PROCESSES), get_context("spawn"), _follow_parent) as pool:
        yield partial(_draw_in, pool)


def _follow_parent() -> None:
    """End this process when its parent is gone, and no sooner: one that was killed ends no pool, whose workers would
    wait forever."""
    ctrl_c.ignore()

    def wait() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def _draw_in(pool: ProcessPoolExecutor, unit: SheetUnit) -> None:
    try:
        with ctrl_c.kept_from_children():  # a pool starts its processes as they are needed
            drawing = pool.submit(draw_sheet, unit)
        drawing.result()
    except BrokenProcessPool as error:
        raise OutputError(
            f"{unit.writes_to}: the process that drew it died; free memory, then run again, finished sheets are kept"
        ) from error


def sheet_units(results: Results) -> list[SheetUnit]:
    """The sheets of the city and of all zones that have rasters, with their keys."""
    zones = zones_to_draw(results)
    shown = [zone for zone in zones["id"] if results.rasters[zone]]
    given = [results.title, results.organisation, *zones["name"], *zones["id"], *results.ecosystems]
    fonts = find_fonts("\n".join(given))
    code = code_key(*CODE)
    units = []
    for place, zone in enumerate(shown, 1):
        sheet = zone_sheet(results, zones, zone, fonts, f"第 {place} 幅 / 共 {len(shown)} 幅")
        units.append(_unit(results, sheet, f"zone-{zone}", code, [m.path for m in (sheet.main, sheet.cover) if m]))
    if not shown:
        return []
    overview = overview_sheet(results, zones, shown, fonts)
    city = [_unit(results, overview, "overview", code, [m.path for m in overview.rasters.values()])]
    return [*city, _unit(results, monitoring_sheet(results, fonts), "monitoring", code, []), *units]


def _unit(results: Results, sheet: Sheet, name: str, code: str, rasters: list[Path]) -> SheetUnit:
    pixels = [results.marks.read(f"map-{results.folder.name}-{path.stem}") for path in rasters]
    key = key_parts(code=code, shown=_shown(sheet), rasters=pixels)
    return SheetUnit(sheet, f"sheet-{results.folder.name}-{name}", results.marks, key)


def _shown(value: object) -> object:
    """A value as JSON, without folders of files, so that it stays the same when a folder is moved."""
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


def _bind_atlas(results: Results, units: list[SheetUnit]) -> None:
    """All pages in one PDF with a table of contents."""
    path, mark = results.folder / "atlas.pdf", f"sheet-{results.folder.name}-atlas"
    key = key_parts(title=results.title, sheets=[unit.key for unit in units])
    if not units or not results.marks.why_stale(mark, key, path):
        return
    results.marks.take_back(mark)
    with swapped(path) as part, PdfWriter() as atlas:
        for unit in units:
            atlas.append(unit.writes_to, outline_item=unit.sheet.entry)
        atlas.add_metadata({"/Title": results.title, "/Creator": "sinkmap"})
        atlas.write(part)
    results.marks.write(mark, key, path)


def _remove_outdated(folder: Path, wanted: set[Path]) -> None:
    """Delete sheets of zones, and pages, that no longer exist: they would be taken for results."""
    for pattern in ("zones/*/*_sheet.*", "overview_*.png"):
        for file in folder.glob(pattern):
            if file not in wanted:
                delete(file)
