"""Bars of a yearly quantity from zero, with its 95 % interval where it is known; colours tell the periods."""

from pipeline.outputs.sheets.page import INK, MUTED, Box, Page
from pipeline.outputs.text import UNKNOWN, bounds, three_digits

BASELINE, CURRENT, BETWEEN = "#8fa9bf", "#2f5d7c", "#d5dce2"
"""Colours of the years of the two periods, and of the years in neither."""

APART = 1.0
"""Least distance of the numbers below neighbouring bars, mm: with less they would read as one number."""

KEY_MM = 14.5
"""Width of a key of the periods; the rest of the line is enough for the remark in legible size."""

Periods = tuple[tuple[int, ...], tuple[int, ...]]
"""Years of the baseline and of the current period."""

NAMES = {"carbon_tC": "生物量碳储量", "fvc_mean": "遥感植被覆盖度"}


def draw_years(page: Page, box: Box, heading: str, by_year: list[dict], column: str, periods: Periods) -> Box:
    """Bars of a column of the table of years under its heading, to which its unit is added; returns the strip that is
    left free below them."""
    known = [row for row in by_year if row[column] is not None]
    highest = max((row.get(f"{column}_high95") or row[column] for row in known), default=0)
    unit, divisor = _unit(column, highest)
    inner = page.heading(box, f"{heading}{NAMES[column]} ({unit})")
    floor, room = inner.bottom + 10.4, inner.height - 12
    step = inner.width / max(len(by_year), 1)
    every = -(-len(by_year) // 8)
    for place, row in enumerate(by_year):
        x, value = inner.left + step * (place + 0.5), row[column]
        if value is not None:
            color = year_color(row["year"], periods)
            _draw_bar(page, row, column, x, step, floor, room / highest if highest else 0, color)
        if (len(by_year) - 1 - place) % every == 0:  # of many years the newest, and back from it
            page.text(x, floor - 3.2, str(row["year"]), 6.5, ha="center", color=MUTED, width=step * every - APART)
            # below its bar: above it, it would read as the end of the interval
            # years share most of their errors: they compare to finer digits than the interval of each supports
            text = UNKNOWN if value is None else three_digits(value / divisor)
            page.text(x, floor - 6.4, text, 7, ha="center", width=step * every - APART)
    page.rule(inner.left, floor, inner.right, floor, 0.6, INK)
    return Box(inner.left, inner.bottom, inner.width, 3)


def draw_period_keys(page: Page, box: Box, by_year: list[dict], periods: Periods, remark: str = "") -> None:
    """A key to colours and lines of the bars of the stock, in one line at the bottom of ``box``, with a ``remark``."""
    keys = [(CURRENT, "现状期"), *([(BASELINE, "基准期")] if periods[0] else [])]
    if any(year_color(row["year"], periods) == BETWEEN for row in by_year):
        keys.append((BETWEEN, "其他年份"))
    for place, (color, label) in enumerate(keys):
        x = box.left + place * KEY_MM
        page.rectangle(Box(x, box.bottom + 0.2, 3, 2.2), facecolor=color, edgecolor="none")
        page.text(x + 4, box.bottom + 0.3, label, 6.5, color=MUTED)
    remarks = [remark, "竖线为95%区间" if any(None not in bounds(row, "carbon_tC") for row in by_year) else ""]
    said, room = "；".join(filter(None, remarks)), box.width - KEY_MM * len(keys)
    page.text(box.right, box.bottom + 0.3, said, 6.5, ha="right", color=MUTED, width=room)


def year_color(year: int, periods: Periods) -> str:
    """The colour of a year's bar."""
    baseline, current = periods
    return CURRENT if year in current else BASELINE if year in baseline else BETWEEN


def _unit(column: str, highest: float) -> tuple[str, float]:
    """The unit of a chart's labels, and its size in units of the column."""
    if column == "fvc_mean":
        return "%", 0.01
    return ("万吨碳", 1e4) if highest >= 1e4 else ("吨碳", 1)


def _draw_bar(
    page: Page, row: dict, column: str, x: float, step: float, floor: float, mm_per_unit: float, color: str
) -> None:
    """A year's bar and its interval."""
    wide, top = min(step * 0.62, 9), floor + row[column] * mm_per_unit
    page.rectangle(Box(x - wide / 2, floor, wide, top - floor), facecolor=color, edgecolor="none")
    if None in bounds(row, column):
        return
    low, high = (floor + end * mm_per_unit for end in bounds(row, column))
    page.rule(x, low, x, high, 0.8, INK)
    for y in (low, high):
        page.rule(x - wide / 5, y, x + wide / 5, y, 0.8, INK)
