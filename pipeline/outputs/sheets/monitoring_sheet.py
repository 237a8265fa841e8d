"""The monitoring sheet of the city: targets of the plan, figures with intervals and causes, state of every year."""

from dataclasses import dataclass

from pipeline.outputs.sheets.page import Box, Column, Page
from pipeline.outputs.sheets.sheet import Sheet
from pipeline.outputs.sheets.year_bars import Periods, draw_period_keys, draw_years

TARGETS = (
    Column("规划指标", 34, numeric=False),
    Column("目标", 25, numeric=False),
    Column("本次可测的量", 62, numeric=False),
    Column("估计值（同单位）", 24),
    Column("95%区间", 28),
    Column("判定", 20, numeric=False),
    Column("说明", 86, numeric=False),
)
FIGURES = (
    Column("分类", 14, numeric=False),
    Column("指标", 38, numeric=False),
    Column("估计值", 20),
    Column("95%区间", 31),
    Column("主要误差来源（方差占比）", 45, numeric=False),
)
OBSERVED = (Column("年份", 52, numeric=False), Column("影像 (景)", 20), Column("有效观测（面积比例，%）", 76))
"""Columns of the three tables, mm."""

LEAST_ROW_MM = 3.2
"""Height of a row that can still be read."""


@dataclass(frozen=True, kw_only=True)
class MonitoringSheet(Sheet):
    """All that the sheet shows. ``targets``, ``figures`` and ``observed`` are cells of the three tables, no targets
    where the plan sets none; ``by_year`` maps the Chinese name of an ecosystem to its rows of the table of years;
    ``bars_remark`` explains their bars."""

    targets_title: str
    targets: list[tuple[str, ...]]
    figures: list[tuple[str, ...]]
    observed: list[tuple[str, ...]]
    by_year: dict[str, list[dict]]
    periods: Periods
    bars_remark: str = ""

    def draw(self) -> Page:
        page = Page(self.fonts, f"{self.title} {self.project}")
        body = self.draw_frame(page)
        foot, top, left, right = body.bottom, body.top, body.left, body.right
        if self.targets:
            high = 6 + 5.2 * (len(self.targets) + 1)
            box = Box(left, top - high, right - left, high)
            page.table(page.heading(box, self.targets_title), TARGETS, self.targets, row_mm=5.2)
            top = box.bottom - 4
        middle = right - sum(column.width for column in FIGURES)
        self._draw_years(page, Box(left, foot, middle - 6 - left, top - foot))
        high = min(6 + 4.8 * (len(self.figures) + 1), (top - foot) * 0.62)
        box = Box(middle, top - high, right - middle, high)
        page.table(page.heading(box, "分类结果"), FIGURES, self.figures, row_mm=4.8)
        box = Box(middle, foot, right - middle, box.bottom - 4 - foot)
        # more years than can be read stand in the table of years alone
        newest = self.observed[-int((box.height - 6) / LEAST_ROW_MM - 1) :]
        heading = "各年影像" if len(newest) == len(self.observed) else f"近 {len(newest)} 年影像"
        page.table(page.heading(box, heading), OBSERVED, newest, row_mm=4.8)
        return page

    def _draw_years(self, page: Page, box: Box) -> None:
        """A column of charts for each ecosystem: its stock, and its cover below."""
        gap, key = 4.0, 4.0
        width = (box.width - gap * (len(self.by_year) - 1)) / len(self.by_year)
        height = (box.height - key - gap) / 2
        for place, (name, rows) in enumerate(self.by_year.items()):
            left = box.left + place * (width + gap)
            for column, bottom in (("carbon_tC", box.bottom + key + height + gap), ("fvc_mean", box.bottom + key)):
                draw_years(page, Box(left, bottom, width, height), name, rows, column, self.periods)
        every = [row for rows in self.by_year.values() for row in rows]
        draw_period_keys(page, box, every, self.periods, self.bars_remark)
