"""The map sheet of one zone (一片一方案): sink, cover, place, years, key figures, plan."""

from dataclasses import dataclass
from pathlib import Path

import shapely

from pipeline.outputs import sheet_map as maps
from pipeline.outputs.fonts import Fonts
from pipeline.outputs.page import FAINT, INK, MUTED, WARNING, Box, Column, Page
from pipeline.outputs.sheet_text import PLAN_COLUMNS, UNKNOWN, area_line, finding, interval, key_figures, number
from pipeline.styles import RampStyle

HERE = "#c0392b"
"""Colour of the zone in the locator."""

BASELINE, CURRENT, BETWEEN = "#8fa9bf", "#2f5d7c", "#d5dce2"
"""Colours of the years of the two periods, and of the years in neither."""

MIN_PIXELS = 24
"""A zone of a few pixels is shown with at least that many from top to bottom."""


@dataclass(frozen=True)
class SheetMap:
    """A raster to show: what its map and its legend are called, and the classes."""

    title: str
    legend: str
    path: Path
    style: RampStyle
    ends: tuple[str, str] | None = None


@dataclass(frozen=True)
class ZoneSheet:
    """All that the sheet of a zone shows. ``row`` and ``by_year`` are the zone's of the result tables, ``outline`` and
    ``others`` in ``crs``; ``main`` or ``cover`` is None where there is no raster; ``plan`` is None without patches.
    ``periods`` are the years of baseline and current period, ``notes`` the sentences at the foot."""

    stem: Path
    fonts: Fonts
    title: str
    subtitle: str
    project: str
    kind: str
    row: dict
    by_year: list[dict]
    periods: tuple[tuple[int, ...], tuple[int, ...]]
    outline: shapely.Geometry
    others: list[shapely.Geometry]
    crs: str
    pixel_m: float
    main: SheetMap | None
    cover: SheetMap | None
    plan: list[tuple[str, ...]] | None
    notes: tuple[str, ...]
    warning: str

    def draw(self) -> Page:
        """The page. Raises OutputError for a character without a glyph."""
        page = Page(self.fonts, f"{self.title} {self.subtitle}")
        draw_head(page, self.title, self.subtitle, self.project, self.kind)
        foot = draw_foot(page, self.notes, self.warning)
        top, left, middle, right = page.height - 26, 9.0, 186.0, page.width - 9
        wide, narrow, plan, years = middle - 4 - left, right - middle, 47.0, 46.0
        _draw_main(page, self, Box(left, foot + plan + 3, wide, top - foot - plan - 3))
        _draw_plan(page, self, Box(left, foot, wide, plan))
        _draw_figures(page, self, Box(middle, top - 56, narrow, 56))
        _draw_cover(page, self, Box(middle, foot + years + 3, narrow, top - 56 - 3 - foot - years - 3))
        _draw_years(page, self, Box(middle, foot, 64, years))
        _draw_locator(page, self, Box(middle + 67, foot, narrow - 67, years))
        return page


def draw_head(page: Page, title: str, subtitle: str, project: str, kind: str) -> None:
    """Title and subtitle on the left, project and kind of sheet on the right, on a heavy rule."""
    left, right, y = 9, page.width - 9, page.height
    page.text(left, y - 15, title, 17, bold=True, width=168)
    page.text(left, y - 20.5, subtitle, 8.5, color=MUTED, width=168)
    page.text(right, y - 15, project, 9.5, ha="right", width=106)
    page.text(right, y - 20.5, kind, 8.5, ha="right", color=MUTED, width=106)
    page.rule(left, y - 23, right, y - 23, 1.4, INK)


def draw_foot(page: Page, notes: tuple[str, ...], warning: str) -> float:
    """The warning and the notes at the foot of the page; returns where the body may begin."""
    left, right, bottom = 9, page.width - 9, 7.0
    page.text(left, bottom + 0.8, warning, 8, bold=True, color=WARNING, width=right - left)
    size, room = 6.8, 18.0
    lines = [line for note in notes for line in page.broken(note, right - left, size)]
    step = min(3.4, room / len(lines))
    for number_, line in enumerate(reversed(lines)):
        page.text(left, bottom + 5.4 + step * number_, line, min(size, step * 2), color=MUTED, width=right - left)
    top = bottom + 6 + step * len(lines) + 1.2
    page.rule(left, top, right, top, 0.6, MUTED)
    return top + 3


def _draw_main(page: Page, sheet: ZoneSheet, box: Box) -> None:
    strip = 15.5
    frame_box = Box(box.left + 5, box.bottom + strip + 5, box.width - 5, box.height - strip - 5 - 6)
    page.text(box.left, box.top - 3.6, sheet.main.title if sheet.main else "无图", 9, bold=True, width=box.width)
    frame = maps.MapFrame.around(
        frame_box, sheet.crs, sheet.outline.bounds, least_m=MIN_PIXELS * sheet.pixel_m
    )  # fmt: skip
    maps.draw_ground(page, frame, sheet.others)
    maps.draw_graticule(page, frame)
    if sheet.main:
        maps.draw_raster(page, frame, sheet.main.path, sheet.main.style)
    maps.draw_outline(page, frame, sheet.outline)
    maps.draw_neatline(page, frame)
    if sheet.main:
        main = sheet.main
        maps.draw_legend(page, Box(box.left + 5, box.bottom, 82, strip), main.legend, main.style, main.ends)
    _draw_keys(page, box.left + 93, box.bottom + strip)
    maps.draw_scale_bar(page, Box(box.left + 120, box.bottom, 42, strip), frame)
    maps.draw_north(page, box.right - 4, box.bottom + 4.6, frame, 11)


def _draw_keys(page: Page, x: float, top: float) -> None:
    """What the lines and fills of the main map mean."""
    keys = (
        ("片区边界", "none", INK, 0.9),
        ("相邻片区", maps.NEIGHBOUR, FAINT, 0.4),
        ("无数据", maps.OUTSIDE, MUTED, 0.3),
    )
    for place, (label, fill, edge, width) in enumerate(keys):
        y = top - 3 - place * 4.3
        page.rectangle(Box(x, y, 6, 2.8), facecolor=fill, edgecolor=edge, linewidth=width)
        page.text(x + 7.5, y + 0.4, label, 7)


def _draw_cover(page: Page, sheet: ZoneSheet, box: Box) -> None:
    inner = page.heading(box, sheet.cover.title if sheet.cover else "遥感植被覆盖度: 无图")
    strip = 11.0
    frame_box = Box(inner.left, inner.bottom + strip, inner.width, inner.height - strip - 0.5)
    frame = maps.MapFrame.around(frame_box, sheet.crs, sheet.outline.bounds, least_m=MIN_PIXELS * sheet.pixel_m)
    maps.draw_ground(page, frame, sheet.others)
    if sheet.cover:
        maps.draw_raster(page, frame, sheet.cover.path, sheet.cover.style)
    maps.draw_outline(page, frame, sheet.outline, 0.7)
    maps.draw_neatline(page, frame)
    if sheet.cover:
        maps.draw_legend(
            page, Box(inner.left, inner.bottom, inner.width, strip - 1), sheet.cover.legend, sheet.cover.style
        )


def _draw_figures(page: Page, sheet: ZoneSheet, box: Box) -> None:
    inner = page.heading(box, "主要指标")
    page.text(inner.left, inner.top - 3.2, area_line(sheet.row), 7.5, width=inner.width)
    said = finding(sheet.row)
    below = 4.6
    if said:
        page.text(inner.left, inner.top - below - 3.2, said, 7.5, bold=True, width=inner.width)
        below += 4.6
    columns = (Column("指标", 44, numeric=False), Column("估计值", 22), Column("95%区间", inner.width - 66))
    table = Box(inner.left, inner.bottom, inner.width, inner.height - below)
    page.table(table, columns, key_figures(sheet.row), row_mm=5.0)


def _draw_plan(page: Page, sheet: ZoneSheet, box: Box) -> None:
    inner = page.heading(box, "一片一方案: 各类措施建议面积")
    if sheet.plan is None:
        page.text(inner.left, inner.top - 4, "未划定图斑", 8, color=MUTED)
        return
    widths = (inner.width - 118, 18, 26, 26, 22, 26)
    columns = [
        Column(title, width, place > 0) for place, (title, width) in enumerate(zip(PLAN_COLUMNS, widths, strict=True))
    ]
    page.table(inner, columns, sheet.plan, row_mm=4.8, strong=(len(sheet.plan) - 1,))


def _draw_years(page: Page, sheet: ZoneSheet, box: Box) -> None:
    """Bars of the carbon stock by year from zero, with the 95 % interval where it is known."""
    known = [row for row in sheet.by_year if row["carbon_tC"] is not None]
    highest = max((row.get("carbon_tC_high95") or row["carbon_tC"] for row in known), default=0)
    unit, divisor = ("万吨碳", 1e4) if highest >= 1e4 else ("吨碳", 1)
    inner = page.heading(box, f"各年生物量碳储量 ({unit})")
    floor, room = inner.bottom + 7.4, inner.height - 12.6
    step = inner.width / max(len(sheet.by_year), 1)
    every = -(-len(sheet.by_year) // 8)
    for place, row in enumerate(sheet.by_year):
        x, value = inner.left + step * (place + 0.5), row["carbon_tC"]
        if place % every == 0:
            page.text(x, floor - 3.2, str(row["year"]), 6.5, ha="center", color=MUTED)
        top = floor
        if value is not None:
            top = _bar(
                page, row, x, step, floor, room / highest if highest else 0, _year_color(row["year"], sheet.periods)
            )
        if every == 1:
            text = UNKNOWN if value is None else number(value / divisor)
            page.text(x, top + 0.8, text, 6.5, ha="center", width=step - 0.4)
    page.rule(inner.left, floor, inner.right, floor, 0.6, INK)
    _draw_period_keys(page, inner, sheet)


def _bar(page: Page, row: dict, x: float, step: float, floor: float, mm_per_tC: float, color: str) -> float:
    """A year's bar and its interval; returns the top of both."""
    wide, top = min(step * 0.62, 9), floor + row["carbon_tC"] * mm_per_tC
    page.rectangle(Box(x - wide / 2, floor, wide, top - floor), facecolor=color, edgecolor="none")
    if interval(row, "carbon_tC") == UNKNOWN:
        return top
    low, high = (floor + row[f"carbon_tC_{end}95"] * mm_per_tC for end in ("low", "high"))
    page.rule(x, low, x, high, 0.8, INK)
    for y in (low, high):
        page.rule(x - wide / 5, y, x + wide / 5, y, 0.8, INK)
    return max(top, high)


def _year_color(year: int, periods: tuple[tuple[int, ...], tuple[int, ...]]) -> str:
    baseline, current = periods
    return CURRENT if year in current else BASELINE if year in baseline else BETWEEN


def _draw_period_keys(page: Page, box: Box, sheet: ZoneSheet) -> None:
    keys = [(CURRENT, "现状期"), *([(BASELINE, "基准期")] if sheet.periods[0] else [])]
    if any(_year_color(row["year"], sheet.periods) == BETWEEN for row in sheet.by_year):
        keys.append((BETWEEN, "其他年份"))
    for place, (color, label) in enumerate(keys):
        x = box.left + place * 18
        page.rectangle(Box(x, box.bottom + 0.2, 3, 2.2), facecolor=color, edgecolor="none")
        page.text(x + 4, box.bottom + 0.3, label, 6.5, color=MUTED)


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
        page.shape(shapely.Point(x, y).buffer(2.6), facecolor="none", edgecolor=HERE, linewidth=0.8)
    maps.draw_neatline(page, frame)
