"""Words and figures of the map sheets and the report. Pure: rows of the result tables become strings."""

import math
from collections import Counter
from collections.abc import Collection

from pipeline.outputs.note import true_minus
from pipeline.totals.group_totals import lacking_zh
from pipeline.totals.zone_totals import PER_HA
from pipeline.uncertainty.varying import CAUSES_ZH
from pipeline.variables import VARIABLES

UNKNOWN = "—"
KEY_FIGURES = (
    ("sink_tCO2_yr", "碳汇量 (吨CO2/年)", 1, True),
    ("sink_tCO2_ha_yr", "碳汇强度 (吨CO2/(公顷·年))", 1, True),
    ("carbon_tC", "生物量碳储量 (吨碳)", 1, False),
    ("carbon_tC_ha", "生物量碳密度 (吨碳/公顷)", 1, False),
    ("agb_tDM_ha", "地上生物量 (吨干物质/公顷)", 1, False),
    ("fvc_mean", "遥感植被覆盖度 (%)", 100, False),
    ("index_mean", "平均{index}（年合成值）", 1, False),
)
"""Column of the result table, what the sheet calls it, factor, and whether a plus is shown."""


def number(value: float | None, signed: bool = False) -> str:
    """A quantity to print with three significant digits or all before the point, thousands apart."""
    if value is None or math.isnan(value):
        return UNKNOWN
    decimals = 0 if value == 0 or abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return fixed(value, decimals, signed)


def three_digits(value: float, signed: bool = False) -> str:
    """A quantity that has no interval of its own beside it, with three significant digits: 20,797 is 20,800, and
    0.016452 is 0.0165. From the sixth decimal on it is zero."""
    kept = round(float(f"{value:.3g}"), 5)
    return fixed(kept, min(2 - math.floor(math.log10(abs(kept))), 5) if kept else 0, signed)


def fixed(value: float, decimals: int, signed: bool = False) -> str:
    """A number with so many decimals (-3: in thousands) and a true minus; what rounds to zero has no sign."""
    rounded = round(value, decimals) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return f"{rounded:{'+' if signed and rounded else ''},.{max(decimals, 0)}f}".replace("-", "−")


def with_interval(value: float | None, low: float | None, high: float | None, signed: bool = False) -> tuple[str, str]:
    """A figure and its interval as they are printed: no finer than the second significant digit of the half-width,
    as 4,056,895 (2,437,996 至 5,216,719) is 4,100,000 (2,400,000 至 5,200,000). An end that would be zero keeps a
    digit, since the finding is whether zero lies inside. Without an interval see `number`."""
    if low is None or high is None or not high > low:
        return number(value, signed), UNKNOWN if low is None or high is None else f"{number(low)} 至 {number(high)}"
    decimals = 1 - math.floor(math.log10((high - low) / 2))
    shown = UNKNOWN if value is None else fixed(value, decimals, signed)
    return shown, f"{_end(low, decimals)} 至 {_end(high, decimals)}"


def _end(value: float, decimals: int) -> str:
    """An end of an interval; what is still zero three decimals further is zero."""
    return fixed(value, next((finer for finer in range(decimals, decimals + 4) if round(value, finer)), decimals))


def figure(row: dict, column: str, factor: float = 1, signed: bool = False) -> tuple[str, str]:
    """A column of a row and its 95 % interval, `with_interval`."""
    times = [None if value is None else value * factor for value in (row[column], *bounds(row, column))]
    return with_interval(*times, signed)


def bounds(row: dict, column: str) -> tuple[float, float] | tuple[None, None]:
    """The ends of the 95 % interval of a column. A value per ha has those of its total by the area, which is known."""
    total = PER_HA.get(column)
    source, divisor = (total, row["area_ha"]) if total else (column, 1)
    low, high = row.get(f"{source}_low95"), row.get(f"{source}_high95")
    return (None, None) if low is None or high is None else (low / divisor, high / divisor)


INCREMENT = "生长量法 (吨CO2/年)"
INCREMENT_REMARKS = "另一口径，不与碳汇相加", "碳汇区间不含方法选择"
"""The gain less loss of stands by their volume increment, and what is said of it."""


def key_figures(row: dict) -> list[tuple[str, str, str]]:
    """Label, value and 95 % interval of the figures of a zone; beside the sink of stands what their increment comes
    to."""
    index = VARIABLES[row["index_name"]].long_name.split()[0] if row["index_name"] else "植被指数"
    figures = [
        (label.format(index=index), *figure(row, column, factor, signed))
        for column, label, factor, signed in KEY_FIGURES
    ]
    seen = row["observed_fraction"]
    observed = UNKNOWN if seen is None else f"{seen * 100:.1f}%"
    times = "" if row["clear_obs_median"] is None else f"各年合计中位 {row['clear_obs_median']:.0f} 次"
    if beside := _increment(row):
        figures.insert(1, (f"{INCREMENT}，另一口径", beside, f"不相加；{INCREMENT_REMARKS[1]}"))
    return [*figures, ("有效观测（面积比例，晴空次数）", observed, times)]


def _increment(row: dict) -> str | None:
    """The gain less loss beside a sink; None where one of the two is lacking."""
    known = row["sink_tCO2_yr"] is not None and row.get("gain_loss_tCO2_yr") is not None
    return three_digits(row["gain_loss_tCO2_yr"], signed=True) if known else None


SHRUNK = 0.02
"""Least loss of open water, as a fraction of the zone, that may explain a rise of carbon."""


FROM_WATER = "碳增加主要来自水面转为植被"
"""What is said of a gain that is no growth of vegetation, but of its ground."""


def water_figure(
    row: dict, by_year: list[dict], periods: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[str, str, str] | None:
    """Label, mean share of open water in each of the ``periods`` with years, and whether a gain of carbon comes from
    it: by more than half where land grew at least half as much as the stock. None where there is no water. A year
    without a total was hardly seen: its share is of other ground."""
    years = {year["year"]: year.get("open_water_fraction") for year in by_year if year["carbon_tC"] is not None}
    known = [[years[year] for year in period if years.get(year) is not None] for period in periods]
    shares = [sum(part) / len(part) for part in known if part]
    if not any(shares) or not known[-1]:
        return None
    label = "基准期 → 现状期" if len(shares) == 2 else "现状期"
    said = UNKNOWN
    if len(shares) == 2 and shares[0] - shares[1] > SHRUNK and row["sink_finding"] == "gain":
        land, before, now = 1 - shares[0], row["baseline_carbon_tC_ha"], row["carbon_tC_ha"]
        if land == 0 or 0 < (now - before) / 2 * land < (shares[0] - shares[1]) * before:
            said = FROM_WATER
    return f"开阔水面（%，{label}）", " → ".join(fixed(100 * share, 1) for share in shares), said


def trend(by_year: list[dict], column: str, name: str) -> str:
    """A share in the first and the last year that have a total, others were hardly seen; "" for fewer than two."""
    known = [(year["year"], year[column]) for year in by_year if None not in (year.get(column), year["carbon_tC"])]
    ends = [f"{year}年{fixed(100 * value, 1)}%" for year, value in (known[0], known[-1])] if len(known) > 1 else []
    return f"{name} {' → '.join(ends)}" if ends else ""


def in_workbook(table: str, deliverables: Collection[str]) -> str:
    """A table of the workbook, or the record of the run where no workbook is delivered."""
    return f"工作簿“{table}”表" if "workbook" in deliverables else " run.json"


def area_line(row: dict) -> str:
    """The area of a zone, drawn and declared, and how much of it its stands cover: what they do not holds nothing."""
    said = [f"面积 {area(row['area_wanmu'])} 万亩（{number(row['area_ha'])} 公顷）"]
    if row["declared_wanmu"] is not None:
        said.append(f"申报 {area(row['declared_wanmu'])} 万亩")
    if (covered := row.get("stand_area_fraction")) is not None and covered < 0.995:
        said.append(f"小班覆盖 {covered:.0%}，其余计0")
    return "；".join(said)


def area(wanmu: float) -> str:
    """An area in 万亩: two decimals, more for a zone smaller than 0.1."""
    return fixed(wanmu, 2 if wanmu >= 0.1 else 4)


QUALITY = (
    ("sink_finding_zh", "变化判定"),
    ("comparability_zh", "可比性"),
    ("plausibility_zh", "合理性"),
    ("main_cause", "生物量碳储量不确定性主因"),
    ("unverified_zh", "未核实系数"),
)


WORTH_A_WORD = 0.05
"""Share of a zone beyond the range of its biomass model from which its sheet says so."""


def quality_lines(row: dict, clamped: float | None = None) -> tuple[str, ...]:
    """How reliable the figures of a zone are: a sentence for each column with a finding, and one where more than
    `WORTH_A_WORD` of it is ``clamped`` to the range of the biomass model."""
    lines = [f"状态：{row['status_zh']}", *(f"{label}：{row[column]}" for column, label in QUALITY if row.get(column))]
    if clamped and clamped > WORTH_A_WORD:
        lines.append(f"模型标定：{clamped:.0%} 面积超出模型标定范围")
    return tuple(map(true_minus, lines))


def by_chance(rows: list[dict]) -> str:
    """How many of the zones that are judged one by one would show a change by chance if none had changed: one in
    twenty, even if their errors are correlated. "" if that is less than one zone."""
    judged = sum(row["level"] == "zone" and row.get("sink_finding") is not None for row in rows)
    expected = round(0.05 * judged)
    return f"逐片区判定：{judged}个片区即使均无变化，平均也有约{expected}个偶然判为增减" if expected else ""


SEASONAL = {
    "grassland": "季节性：储量为生长季现存的地上与根系生物量，年际变化随水热波动，不是永久碳汇",
    "wetland": "季节性：储量为生长季现存的地上生物量，年际变化随水位和水热波动，不是永久碳汇",
}
"""Explanation of the stock of herbs, by ecosystem."""


def skew(intervals: list[dict], current: str) -> str:
    """A remark that the estimate of the city's stock is not the mean of its draws; "" without draws."""
    stock = ("city", "carbon_tC", current)
    for row in intervals:
        if (row["zone_id"], row["quantity"], row["period"]) == stock:
            estimate, mean, median = (three_digits(row[name] / 1e4) for name in ("estimate", "mean", "median"))
            values = f"全部片区生物量碳储量估计值 {estimate}、模拟均值 {mean}、中位数 {median} 万吨碳"
            return f"95%区间不对称：{values}；各指标见 intervals.csv"
    return ""


UNITS = {"m3": ("万立方米", 1e4), "%": ("%", 1), "万亩": ("万亩", 1)}
"""For each unit of a target, the printed unit and its size in units of the target."""


def target_cells(rows: list[dict]) -> list[tuple[str, ...]]:
    """The rows of `targets.target_rows`: target, its value, what is measured beside it, estimate, interval, finding,
    why."""
    cells = []
    for row in rows:
        unit, size = UNITS[row["unit"]]
        ends = {"estimate": row["estimate"], "estimate_low95": row["low95"], "estimate_high95": row["high95"]}
        cells.append((
            row["target_zh"], f"{row['target_value'] / size:,g} {unit}", row["measured_zh"] or UNKNOWN,
            *figure(ends, "estimate", 1 / size), row["finding_zh"], row["reason_zh"],
        ))  # fmt: skip
    return cells


GROUP_FIGURES = [
    figure for name in ("fvc_mean", "carbon_tC", "sink_tCO2_yr") for figure in KEY_FIGURES if figure[0] == name
]
"""Those of `KEY_FIGURES` that are shown for ecosystems and city."""


def group_cells(rows: list[dict], intervals: list[dict], names: dict[str, str]) -> list[tuple[str, ...]]:
    """Cover, stock and, where periods compare, sink of each group of zones: its name, the figure's, estimate, interval
    and main causes; and what the increment of stands comes to. ``rows`` are those of zones and groups (`as_counted`),
    ``names`` what groups are called by their ids. If a figure lacks a zone, its name is followed by a remark."""
    found = {(row["zone_id"], row["quantity"], row["period"]): row for row in intervals}
    groups = [row for row in rows if row["level"] != "zone"]
    figures = [figure for figure in GROUP_FIGURES if any(row[figure[0]] is not None for row in groups)]
    cells = []
    for row in groups:
        members = [zone for zone in rows if zone["level"] == "zone" and row["zone_id"] in ("city", zone["ecosystem"])]
        for place, (column, label, factor, signed) in enumerate(figures):
            said = "，".join(filter(None, (label, lacking_zh(members, column))))
            cells.append((
                "" if place else names[row["zone_id"]], said, *figure(row, column, factor, signed),
                causes(found.get((row["zone_id"], column, row["period"]), {})),
            ))  # fmt: skip
        if beside := _increment(row):
            said = "，".join(filter(None, (INCREMENT, lacking_zh(members, "gain_loss_tCO2_yr"))))
            cells.append(("", said, beside, *INCREMENT_REMARKS))
    return cells


def causes(row: dict) -> str:
    """The two largest causes of a row of `intervals.INTERVAL_COLUMNS` with their share of the variance."""
    shares = {name: row.get(f"share_{name}") or 0.0 for name in CAUSES_ZH}
    largest = sorted(shares, key=shares.get, reverse=True)[:2]
    return "、".join(f"{CAUSES_ZH[name]} {shares[name]:.0%}" for name in largest if shares[name] >= 0.005) or UNKNOWN


def observed_cells(by_year: list[dict], scenes: list[dict]) -> list[tuple[str, ...]]:
    """Year, number of scenes and observed share of the ground in %, from the rows of years of the city."""
    counts = Counter(int(scene["day"][:4]) for scene in scenes)
    cells = []
    for row in by_year:
        seen = row["observed_fraction"]
        cells.append((str(row["year"]), str(counts[row["year"]]), UNKNOWN if seen is None else fixed(100 * seen, 1)))
    return cells


def left_out_years(rows: list[dict]) -> str:
    """Why years of ecosystems that lack a zone are empty; "" if none is. ``rows``: those of the ecosystems in the table
    of years."""
    lacking = any(None in (row["carbon_tC"], row["fvc_mean"]) for row in rows)
    return "各年的值须分类内全部片区都有值，否则不计，记“—”。" if lacking else ""


PLAN_COLUMNS = ("措施建议", "图斑数", "面积 (亩)", "面积 (公顷)", "占片区 (%)")


def plan_cells(rows: list[dict]) -> list[tuple[str, ...]]:
    """The rows of `patches.plan_rows` and their total, cells as `PLAN_COLUMNS`; with three digits, since their
    thresholds support no more."""
    total = {name: sum(row[name] for row in rows) for name in ("patches", "area_mu", "area_ha", "share")}
    return [
        (row["suggestion_zh"], f"{row['patches']:,}", three_digits(row["area_mu"]), three_digits(row["area_ha"]),
         f"{100 * row['share']:.1f}")
        for row in [*rows, total | {"suggestion_zh": "合计"}]
    ]  # fmt: skip
