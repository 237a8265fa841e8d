"""The map sheet of one zone (一片一方案): sink, cover, place, years, key figures, plan."""

from dataclasses import dataclass, replace

import shapely

from pipeline.outputs.sheets import maps
from pipeline.outputs.sheets.fonts import MM_PER_POINT
from pipeline.outputs.sheets.page import FAINT, INK, LEADING, MUTED, Box, Column, Page
from pipeline.outputs.sheets.raster_map import RasterMap, draw_legend, draw_raster
from pipeline.outputs.sheets.sheet import Sheet
from pipeline.outputs.sheets.year_bars import Periods, draw_period_keys, draw_years
from pipeline.outputs.text import PLAN_COLUMNS, area_line, key_figures, water_figure

WIDE = 1.35
"""Least ratio of width to height of a wide zone."""

FIGURES_MM = 56.0

NO_MAP = "无图"

KEYS = (
    ("片区边界", {"facecolor": "none", "edgecolor": INK, "linewidth": 0.9}),
    ("相邻片区", {"facecolor": maps.NEIGHBOUR, "edgecolor": FAINT, "linewidth": 0.4}),
    ("无数据", maps.UNKNOWN),
)
"""What lines and fills of a map mean."""

HERE = "#c0392b"
"""Colour of the zone in the locator."""

MIN_PIXELS = 12
"""Least number of pixels from top to bottom of a map, also for a zone of a few pixels."""


@dataclass(frozen=True, kw_only=True)
class ZoneSheet(Sheet):
    """All that the sheet of a zone shows. ``row`` and ``by_year`` are the zone's of the result tables, ``outline`` and
    ``others`` in ``crs``; ``main`` or ``cover`` is None where there is no raster; ``plan`` is None without patches.
    ``periods`` are the years of baseline and current period, ``quality`` the sentences on how reliable the figures are;
    ``bars_remark`` explains the bars of the years."""

    row: dict
    by_year: list[dict]
    periods: Periods
    outline: shapely.Geometry
    others: list[shapely.Geometry]
    crs: str
    pixel_m: float
    main: RasterMap | None
    cover: RasterMap | None
    plan: list[tuple[str, ...]] | None
    quality: tuple[str, ...]
    bars_remark: str = ""

    @property
    def entry(self) -> str:
        return self.title

    def draw(self) -> Page:
        """The page. A wide zone gets the whole width of the sheet, a compact one is drawn beside its cover map at the
        same scale. Raises OutputError for a character without a glyph."""
        page = Page(self.fonts, f"{self.title} {self.subtitle}")
        wide = self.aspect >= WIDE
        framed = replace(self, notes=("    ".join(self.quality), *self.notes)) if wide else self
        body = framed.draw_frame(page)
        foot, top, left, middle = body.bottom, body.top, body.left, 186.0
        across, narrow, plan, years = middle - 4 - left, body.right - middle, 46.0, 42.0
        upper = Box(left, foot + plan + 3, across, top - foot - plan - 3)
        figures = Box(middle, top - FIGURES_MM, narrow, FIGURES_MM)
        between = Box(middle, foot + years + 3, narrow, figures.bottom - foot - years - 6)
        if wide:
            _draw_wide(page, self, upper)
            _draw_cover(page, self, between)
        else:
            _draw_compact(page, self, upper)
            _draw_quality(page, self, between)
        _draw_plan(page, self, Box(left, foot, across - 43, plan))
        _draw_locator(page, self, Box(left + across - 38, foot, 38, plan))
        _draw_figures(page, self, figures)
        below = draw_years(page, Box(middle, foot, narrow, years), "各年", self.by_year, "carbon_tC", self.periods)
        draw_period_keys(page, below, self.by_year, self.periods, self.bars_remark)
        return page

    @property
    def aspect(self) -> float:
        """Width of the zone over its height."""
        left, bottom, right, top = self.outline.bounds
        return (right - left) / (top - bottom)

    def frame(self, box: Box) -> maps.MapFrame:
        """The zone in a box of the page."""
        return maps.MapFrame.around(box, self.crs, self.outline.bounds, least_m=MIN_PIXELS * self.pixel_m)


def _draw_wide(page: Page, sheet: ZoneSheet, box: Box) -> None:
    """The main map over the whole breadth, below it in one line legend, keys, scale bar and north."""
    strip = 15.5
    frame = _draw_map(page, sheet, sheet.main, Box(box.left, box.bottom + strip, box.width, box.height - strip))
    _draw_ramp(page, sheet.main, Box(box.left + 5, box.bottom, 82, strip))
    for place, key in enumerate(KEYS):
        maps.draw_key(page, box.left + 93, box.bottom + strip - 5.2 - place * 4.3, *key)
    maps.draw_scale_bar(page, Box(box.left + 120, box.bottom, 42, strip), frame)
    maps.draw_north(page, box.right - 4, box.bottom + 4, frame, 11)


def _draw_compact(page: Page, sheet: ZoneSheet, box: Box) -> None:
    """Main map and cover map side by side, each over its legend; below keys, scale bar and north."""
    half, strip, line = (box.width - 5) / 2, 13.5, 12.0
    for place, shown in enumerate((sheet.main, sheet.cover)):
        left = box.left + place * (half + 5)
        frame = _draw_map(page, sheet, shown, Box(left, box.bottom + strip + line, half, box.height - strip - line))
        _draw_ramp(page, shown, Box(left + 5, box.bottom + line, half - 5, strip))
    for place, key in enumerate(KEYS):
        maps.draw_key(page, box.left + 5 + place * 27, box.bottom + 4, *key)
    maps.draw_scale_bar(page, Box(box.left + half + 10, box.bottom - 0.5, 50, 11), frame)
    maps.draw_north(page, box.right - 4, box.bottom, frame, 10)


def _draw_map(page: Page, sheet: ZoneSheet, shown: RasterMap | None, box: Box) -> maps.MapFrame:
    """A titled map of the zone with its graticule, in ``box``."""
    page.text(box.left, box.top - 3.6, shown.title if shown else NO_MAP, 9, bold=True, width=box.width)
    frame = sheet.frame(Box(box.left + 5, box.bottom + 5, box.width - 5, box.height - 11))
    maps.draw_ground(page, frame, sheet.others)
    maps.draw_graticule(page, frame)
    _draw_zone(page, sheet, shown, frame)
    return frame


def _draw_zone(page: Page, sheet: ZoneSheet, shown: RasterMap | None, frame: maps.MapFrame) -> None:
    maps.draw_unknown(page, frame, sheet.outline)
    if shown:
        draw_raster(page, frame, shown, sheet.outline)
    maps.draw_outline(page, frame, sheet.outline)
    maps.draw_neatline(page, frame)


def _draw_ramp(page: Page, shown: RasterMap | None, box: Box) -> None:
    if shown:
        draw_legend(page, box, shown)


def _draw_cover(page: Page, sheet: ZoneSheet, box: Box) -> None:
    """The cover map of a wide zone, smaller and without a graticule."""
    inner, strip = page.heading(box, sheet.cover.title if sheet.cover else NO_MAP), 11.0
    frame = sheet.frame(Box(inner.left, inner.bottom + strip, inner.width, inner.height - strip - 0.5))
    maps.draw_ground(page, frame, sheet.others)
    _draw_zone(page, sheet, sheet.cover, frame)
    _draw_ramp(page, sheet.cover, Box(inner.left, inner.bottom, inner.width, strip - 1))


def _draw_quality(page: Page, sheet: ZoneSheet, box: Box) -> None:
    inner = page.heading(box, "数据质量")
    top = inner.top
    for size in (7.5, 6.8, 6, 5.2):
        lines = [line for text in sheet.quality for line in page.broken(text, inner.width, size)]
        if len(lines) * size * MM_PER_POINT * LEADING <= inner.height:
            break
    for text in sheet.quality:
        top -= page.paragraph(inner.left, top, text, inner.width, size)


def _draw_figures(page: Page, sheet: ZoneSheet, box: Box) -> None:
    inner = page.heading(box, "主要指标")
    if said := sheet.row.get("sink_finding_zh"):
        page.text(box.right, box.top - 3.6, said, 9, bold=True, ha="right", width=box.width - 24)
    page.text(inner.left, inner.top - 3.2, area_line(sheet.row), 7.5, width=inner.width)
    columns = (Column("指标", 46, numeric=False), Column("估计值", 20), Column("95%区间", inner.width - 66))
    table = Box(inner.left, inner.bottom, inner.width, inner.height - 4.6)
    water = water_figure(sheet.row, sheet.by_year, sheet.periods) if sheet.row["ecosystem"] == "wetland" else None
    page.table(table, columns, [*key_figures(sheet.row), *([water] if water else [])], row_mm=5.0)


def _draw_plan(page: Page, sheet: ZoneSheet, box: Box) -> None:
    inner = page.heading(box, "一片一方案：各类措施面积（建议，不作为处方）")
    if sheet.plan is None:
        page.text(inner.left, inner.top - 4, "未划定图斑", 8, color=MUTED)
        return
    page.text(box.right, box.top - 3.6, "分级阈值未核实，未计误差", 6.5, ha="right", color=MUTED)
    widths = (inner.width - 84, 17, 25, 22, 20)
    columns = [
        Column(title, width, place > 0) for place, (title, width) in enumerate(zip(PLAN_COLUMNS, widths, strict=True))
    ]
    page.table(inner, columns, sheet.plan, row_mm=4.8, strong=(len(sheet.plan) - 1,))


def _draw_locator(page: Page, sheet: ZoneSheet, box: Box) -> None:
    inner = page.heading(box, "位置")
    bounds = shapely.total_bounds([sheet.outline, *sheet.others])
    frame = maps.MapFrame.around(inner, sheet.crs, tuple(bounds))
    maps.draw_ground(page, frame, sheet.others)
    here = frame.on_page(sheet.outline)
    page.shape(here, facecolor=HERE, edgecolor=HERE, linewidth=0.6)
    left, bottom, right, top = here.bounds
    if max(right - left, top - bottom) < 4:  # a zone that small is not found without a ring
        x, y = (left + right) / 2, (bottom + top) / 2
        page.shape(shapely.Point(x, y).buffer(0.5), facecolor=HERE, edgecolor="none")
        page.shape(shapely.Point(x, y).buffer(2.6), facecolor="none", edgecolor=HERE, linewidth=0.8)
    maps.draw_neatline(page, frame)
