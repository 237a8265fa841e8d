"""The overview sheet of the city: the sink of all zones on one map, their figures in one table."""

from dataclasses import dataclass
from pathlib import Path

import shapely

from pipeline.outputs import sheet_map as maps
from pipeline.outputs.fonts import MM_PER_POINT, Fonts
from pipeline.outputs.page import INK, MUTED, Box, Column, Page
from pipeline.outputs.sheet_text import UNKNOWN, interval, number
from pipeline.outputs.zone_sheet import draw_foot, draw_head
from pipeline.styles import RampStyle

COLUMNS = (
    Column("编号", 13, numeric=False),
    Column("片区", 50, numeric=False),
    Column("万亩", 16),
    Column("覆盖度 (%)", 17),
    Column("碳密度 (吨碳/公顷)", 23),
    Column("碳汇量 (吨CO2/年)", 24),
    Column("95%区间", 36),
)


@dataclass(frozen=True)
class OverviewSheet:
    """All that the overview shows. ``rows`` are those of the result table; ``outlines`` by zone id and ``rasters`` in
    ``crs``; ``style`` is the one of the rasters, which ``legend`` names, ``ends`` those of the ramp."""

    stem: Path
    fonts: Fonts
    title: str
    subtitle: str
    project: str
    kind: str
    rows: list[dict]
    outlines: dict[str, shapely.Geometry]
    crs: str
    rasters: list[Path]
    style: RampStyle
    legend: str
    ends: tuple[str, str] | None
    notes: tuple[str, ...]
    warning: str

    def draw(self) -> Page:
        """The page. Raises OutputError for a character without a glyph."""
        page = Page(self.fonts, f"{self.title} {self.subtitle}")
        draw_head(page, self.title, self.subtitle, self.project, self.kind)
        foot = draw_foot(page, self.notes, self.warning)
        top, left, middle, right = page.height - 26, 9.0, 109.0, page.width - 9
        self._draw_map(page, Box(left, foot, middle - 5 - left, top - foot))
        self._draw_table(page, Box(middle, foot + 37, right - middle, top - foot - 37))
        self._draw_bars(page, Box(middle, foot, right - middle, 34))
        return page

    def _draw_map(self, page: Page, box: Box) -> None:
        strip = 26.0
        frame_box = Box(box.left + 5, box.bottom + strip + 5, box.width - 5, box.height - strip - 5)
        frame = maps.MapFrame.around(frame_box, self.crs, tuple(shapely.total_bounds(list(self.outlines.values()))))
        maps.draw_ground(page, frame, [])
        maps.draw_graticule(page, frame)
        for path in self.rasters:
            maps.draw_raster(page, frame, path, self.style)
        for outline in self.outlines.values():
            maps.draw_outline(page, frame, outline, 0.5)
        maps.draw_neatline(page, frame)
        self._draw_names(page, frame)
        maps.draw_legend(
            page, Box(box.left + 5, box.bottom + 12, box.width - 5, strip - 12), self.legend, self.style, self.ends
        )
        maps.draw_scale_bar(page, Box(box.left + 5, box.bottom, 46, 11), frame)
        maps.draw_north(page, box.right - 6, box.bottom, frame, 10.5)

    def _draw_names(self, page: Page, frame: maps.MapFrame) -> None:
        """The zone ids beside or on their zones, none over another."""
        size = 7
        sizes = [
            (self.fonts.width_mm(zone, size, bold=True) + 0.8, size * MM_PER_POINT * 1.15) for zone in self.outlines
        ]
        for zone, place in zip(
            self.outlines, maps.label_places(frame, list(self.outlines.values()), sizes), strict=True
        ):
            page.rectangle(place, facecolor="white", alpha=0.75, edgecolor="none", zorder=5)
            x, y = place.centre
            page.text(x, y, zone, size, bold=True, ha="center", va="center_baseline", zorder=6)

    def _draw_table(self, page: Page, box: Box) -> None:
        rows = [
            (
                row["zone_id"] if row["level"] == "zone" else "",
                row["name_zh"],
                number(row["area_wanmu"]),
                number(None if row["fvc_mean"] is None else row["fvc_mean"] * 100),
                number(row["carbon_tC_ha"]),
                number(row["sink_tCO2_yr"], signed=True),
                interval(row, "sink_tCO2_yr"),
            )
            for row in self.rows
        ]
        groups = [place for place, row in enumerate(self.rows) if row["level"] != "zone"]
        columns = [
            *COLUMNS[:1],
            Column("片区", box.width - sum(c.width for c in COLUMNS) + 50, numeric=False),
            *COLUMNS[2:],
        ]
        page.table(box, columns, rows, size=7, row_mm=4.6, strong=groups)

    def _draw_bars(self, page: Page, box: Box) -> None:
        """The sink per ha of each zone about a line of zero, in the colours of the map, with its interval."""
        zones = [row for row in self.rows if row["level"] == "zone"]
        inner = page.heading(box, "各片区碳汇强度 (吨CO2/公顷/年, 吸收为正)")
        known = [row for row in zones if row["sink_tCO2_ha_yr"] is not None]
        if not known:
            page.text(inner.left, inner.top - 4, "仅一期数据或两期不可比, 不计碳汇", 8, color=MUTED)
            return
        ends = [
            value
            for row in known
            for value in (
                row["sink_tCO2_ha_yr"],
                *(row.get(f"sink_tCO2_ha_yr_{end}95") for end in ("low", "high")),
                0.0,
            )
            if value is not None
        ]
        low, high = min(ends), max(ends)
        base, room = inner.bottom + 3.4, inner.height - 9.5
        scale = room / (high - low or 1)
        zero = base + 2.4 - low * scale
        step = inner.width / len(zones)
        for place, row in enumerate(zones):
            x, value = inner.left + step * (place + 0.5), row["sink_tCO2_ha_yr"]
            page.text(x, inner.bottom, row["zone_id"], 6.5, ha="center", color=MUTED, width=step - 0.4)
            self._draw_bar(page, row, x, step, zero, scale)
            edge = zero if value is None else zero + max(0, value, row.get("sink_tCO2_ha_yr_high95") or 0) * scale
            page.text(
                x,
                edge + 0.7,
                UNKNOWN if value is None else number(value, signed=True),
                6,
                ha="center",
                width=step - 0.4,
            )
        page.rule(inner.left, zero, inner.right, zero, 0.6, INK)

    def _draw_bar(self, page: Page, row: dict, x: float, step: float, zero: float, scale: float) -> None:
        value = row["sink_tCO2_ha_yr"]
        if value is None:
            return
        wide, height = min(step * 0.6, 8), value * scale
        color = self.style.colors[int(self.style.classify(value))]
        page.rectangle(
            Box(x - wide / 2, zero + min(height, 0), wide, abs(height)), facecolor=color, edgecolor=MUTED, linewidth=0.3
        )
        if interval(row, "sink_tCO2_ha_yr") != UNKNOWN:
            page.rule(x, *(zero + row[f"sink_tCO2_ha_yr_{end}95"] * scale for end in ("low",)), x,
                      zero + row["sink_tCO2_ha_yr_high95"] * scale, 0.8, INK)  # fmt: skip
