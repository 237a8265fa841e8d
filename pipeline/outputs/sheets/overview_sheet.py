"""The overview sheet of the city: the sink of all zones on one map, their figures in one table."""

import math
from dataclasses import dataclass, replace

import shapely

from pipeline.mapping.styles import RampStyle
from pipeline.outputs.sheets import maps
from pipeline.outputs.sheets.page import INK, MUTED, SMALLEST, Box, Column, Page
from pipeline.outputs.sheets.raster_map import RasterMap, draw_legend, draw_raster
from pipeline.outputs.sheets.sheet import Sheet
from pipeline.outputs.text import UNKNOWN, area, bounds, figure
from pipeline.totals.group_totals import lacking_zh

ID, NAME, TOTAL = 0, 1, 5
WIDEST_ID_MM = 24.0
"""Largest width of the column of ids; longer ids are set smaller."""
COLUMNS = (
    Column("编号", 9, numeric=False),
    Column("片区", 40, numeric=False),
    Column("万亩", 13),
    Column("覆盖度 (%)", 14),
    Column("生物量碳密度 (吨碳/公顷)", 27),
    Column("", 22),
    Column("95%区间", 27),
    Column("变化判定", 17),
)
"""Columns of the table, mm; the column of names gets what is left of the width, that of the total is sink or stock."""
FIRST_PAGE, FURTHER_PAGE = 24, 34
"""Most zones on a page with the map and on one without it, so that figures below bars and rows of the table keep 6
points."""

SINK, STOCK = ("sink_tCO2_yr", "碳汇量 (吨CO2/年)"), ("carbon_tC", "生物量碳储量 (吨碳)")
SINK_HA, STOCK_HA = (
    ("sink_tCO2_ha_yr", "各片区碳汇强度（吨CO2/(公顷·年)，吸收为正）"),
    ("carbon_tC_ha", "各片区生物量碳密度 (吨碳/公顷)"),
)
"""Column of the result table and its title, where two periods compare and where they do not."""


@dataclass(frozen=True, kw_only=True)
class OverviewSheet(Sheet):
    """All that the overview shows. ``rows`` are those of the result table; ``outlines`` by zone id in ``crs``, and the
    ``rasters``, all of one variable; ``ramps`` are the classes of sink and carbon_stock for the bars."""

    rows: list[dict]
    outlines: dict[str, shapely.Geometry]
    crs: str
    rasters: dict[str, RasterMap]
    ramps: dict[str, RampStyle]

    def draw(self) -> Page:
        first, *further = (self._draw_page(number, rows) for number, rows in enumerate(self.parts, 1))
        first.further = further
        return first

    @property
    def parts(self) -> list[list[dict]]:
        """The rows of each page: all on one, or sums and some of the zones on the first, the other zones evenly on as
        few as hold them."""
        zones = [row for row in self.rows if row["level"] == "zone"]
        if not (rest := zones[FIRST_PAGE:]):
            return [self.rows]
        sums = [row for row in self.rows if row["level"] != "zone"]
        step = math.ceil(len(rest) / math.ceil(len(rest) / FURTHER_PAGE))
        return [sums + zones[:FIRST_PAGE], *(rest[start : start + step] for start in range(0, len(rest), step))]

    @property
    def pages(self) -> int:
        return len(self.parts)

    def _draw_page(self, number: int, rows: list[dict]) -> Page:
        """A page with a table of ``rows`` and the bars of their zones, the first with the map."""
        page = Page(self.fonts, f"{self.title} {self.subtitle}")
        numbered = replace(self, project=f"{self.project}（{number}/{self.pages}）") if self.pages > 1 else self
        body = numbered.draw_frame(page)
        foot, top, left, right = body.bottom, body.top, body.left, body.right
        if number == 1:
            self._draw_map(page, Box(left, foot, 108.0, top - foot))
            left = 122.0
        self._draw_table(page, Box(left, foot + 37, right - left, top - foot - 37), rows)
        self._draw_bars(page, Box(left, foot, right - left, 34), rows)
        return page

    @property
    def compares(self) -> bool:
        """Whether there is a sink to show; otherwise the sheet shows the stock."""
        return any(row["sink_tCO2_yr"] is not None for row in self.rows)

    def _draw_map(self, page: Page, box: Box) -> None:
        strip = 26.0
        frame_box = Box(box.left + 5, box.bottom + strip + 5, box.width - 5, box.height - strip - 5)
        frame = maps.MapFrame.around(frame_box, self.crs, tuple(shapely.total_bounds(list(self.outlines.values()))))
        maps.draw_ground(page, frame, [])
        maps.draw_graticule(page, frame)
        for outline in self.outlines.values():
            maps.draw_unknown(page, frame, outline)
        for zone, shown in self.rasters.items():
            draw_raster(page, frame, shown, self.outlines[zone])
        for outline in self.outlines.values():
            maps.draw_outline(page, frame, outline, 0.5)
        maps.draw_neatline(page, frame)
        maps.draw_names(page, frame, self.outlines)
        legend = Box(box.left + 5, box.bottom + 12, box.width - 5, strip - 12)
        draw_legend(page, legend, next(iter(self.rasters.values())))
        maps.draw_scale_bar(page, Box(box.left + 5, box.bottom, 46, 11), frame)
        hatched = "无数据或不计碳汇" if self.compares else "无数据"  # zones without a sink have no raster of it
        maps.draw_key(page, box.left + 55, box.bottom + 4, hatched, maps.UNKNOWN)
        maps.draw_north(page, box.right - 6, box.bottom, frame, 10.5)

    def _draw_table(self, page: Page, box: Box, shown: list[dict]) -> None:
        total, title = SINK if self.compares else STOCK
        rows = [
            (
                row["zone_id"] if row["level"] == "zone" else "",
                row["name_zh"],
                area(row["area_wanmu"]),
                figure(row, "fvc_mean", 100)[0],
                figure(row, "carbon_tC_ha")[0],
                *figure(row, total, signed=self.compares),
                _finding(row) if self.compares else self._lacking(row),
            )
            for row in shown
        ]
        groups = [place for place, row in enumerate(shown) if row["level"] != "zone"]
        columns = list(COLUMNS)
        longest = max(page.fonts.width_mm(row["zone_id"], 7) for row in self.rows if row["level"] == "zone")
        columns[ID] = replace(COLUMNS[ID], width=min(max(COLUMNS[ID].width, longest + 2), WIDEST_ID_MM))
        rest = box.width - sum(column.width for column in columns)
        if rest > 0:  # the whole breadth of a page
            wider = box.width / (box.width - rest)
            columns, rest = [replace(column, width=column.width * wider) for column in columns], 0.0
        columns[NAME] = replace(columns[NAME], width=columns[NAME].width + rest)
        columns[TOTAL] = replace(columns[TOTAL], title=title)
        page.table(box, columns, rows, size=7, row_mm=4.6, strong=groups)

    def _lacking(self, row: dict) -> str:
        """How many zones a stock lacks: without a comparison of periods no finding says so."""
        zones = [zone for zone in self.rows if zone["level"] == "zone"]
        members = [zone for zone in zones if row["zone_id"] in ("city", zone["ecosystem"])]
        return lacking_zh(members, STOCK[0]) or UNKNOWN

    def _draw_bars(self, page: Page, box: Box, shown: list[dict]) -> None:
        """Sink or stock per ha of each zone around a zero line, in the colours of its maps, with its interval; all
        pages have the same scale."""
        zones = [row for row in self.rows if row["level"] == "zone"]
        column, title = SINK_HA if self.compares else STOCK_HA
        inner = page.heading(box, title)
        if any(None not in bounds(row, column) for row in zones):
            unclear = "；空心：变化不显著" if any(row.get("sink_finding") == "unclear" for row in zones) else ""
            page.text(box.right, box.top - 3.6, f"竖线为95%区间{unclear}", 6.5, ha="right", color=MUTED)
        ends = [end for row in zones for end in (row[column], *bounds(row, column), 0.0) if end is not None]
        base, room = inner.bottom + 7, inner.height - 8
        scale = room / (max(ends) - min(ends) or 1)
        zero = base - min(ends) * scale
        shown = [row for row in shown if row["level"] == "zone"]
        step = inner.width / len(shown)
        for place, row in enumerate(shown):
            x = inner.left + step * (place + 0.5)
            name = _short_id(page, row["zone_id"], step - 0.4)
            page.text(x, inner.bottom + 2.9, name, 6.5, ha="center", color=MUTED, width=step - 0.4)
            if row[column] is not None:
                self._draw_bar(page, row, column, x, step, zero, scale)
            text, _ = figure(row, column, signed=self.compares)
            page.text(x, inner.bottom, text, 6, ha="center", width=step - 0.4)
        page.rule(inner.left, zero, inner.right, zero, 0.6, INK)

    def _draw_bar(self, page: Page, row: dict, column: str, x: float, step: float, zero: float, scale: float) -> None:
        """The bar and the interval of a zone."""
        wide, height = min(step * 0.6, 8), row[column] * scale
        unclear = row.get("sink_finding") == "unclear"
        ramp = self.ramps["sink" if self.compares else "carbon_stock"]  # the map may show the other of the two
        color = "none" if unclear else ramp.colors[int(ramp.classify(row[column]))]
        page.rectangle(
            Box(x - wide / 2, zero + min(height, 0), wide, abs(height)), facecolor=color, edgecolor=MUTED, linewidth=0.3
        )
        low, high = bounds(row, column)
        if low is not None:
            page.rule(x, zero + low * scale, x, zero + high * scale, 0.8, INK)


def _short_id(page: Page, zone_id: str, width: float) -> str:
    """The id of a zone, or as much of its end as is legible in ``width`` mm, since the end distinguishes zones."""
    shown, kept = zone_id, zone_id
    while len(kept) > 1 and page.fonts.width_mm(shown, SMALLEST) > width:
        kept = kept[1:]
        shown = f"…{kept}"
    return shown


def _finding(row: dict) -> str:
    """The finding of the interval on the change, marked if the periods are only conditionally comparable."""
    found = row.get("sink_finding_zh")
    return UNKNOWN if not found else f"{found} *" if row.get("comparability") == "conditional" else found
