"""The tables of the workbook: names, titles and rows, drawn from the results. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, repeat

from pipeline.ecosystems import AnyCoefficient, BinnedCoefficient, Ecosystem, coefficients
from pipeline.ecosystems.names import name_zh
from pipeline.mapping import cover_classes
from pipeline.mapping.patches import PATCH_CLASS_COLUMNS, PATCH_COLUMNS, patch_class_rows, plan_rows
from pipeline.outputs.results import Results
from pipeline.totals.intervals import INTERVAL_COLUMNS
from pipeline.totals.separate import SEPARATE_COLUMNS
from pipeline.totals.targets import TARGET_COLUMNS
from pipeline.totals.zone_totals import COLUMNS, YEAR_COLUMNS
from pipeline.zones import area_ledger

Titles = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table with the ``columns`` (English and Chinese title by name); ``name`` is Chinese, ``name_en`` English, and
    ``words`` are the Chinese of the codes in its rows, by column; the last ``totals`` rows are sums of the others."""

    name: str
    name_en: str
    columns: Titles
    rows: list[dict]
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    totals: int = 0

    def shown(self, name: str, row: dict) -> object:
        """The text or number shown for a row in a column."""
        value = row.get(name)
        return self.words.get(name, {}).get(value, value) if isinstance(value, str) else value


TITLES: Titles = INTERVAL_COLUMNS | SEPARATE_COLUMNS | COLUMNS | PATCH_COLUMNS | PATCH_CLASS_COLUMNS | {
    "year": ("Year", "年份"),
    "id": ("Scene", "影像"),
    "day": ("Date", "日期"),
    "sensor": ("Sensor", "传感器"),
    "scale_known_from": ("Where the scale is known from", "定标依据"),
    "use": ("Use", "使用情况"),
    "reason": ("Why it was set aside", "未采用原因"),
    "coefficient": ("Coefficient", "系数"),
    "coefficient_zh": ("Coefficient in Chinese", "系数名称"),
    "value": ("Value", "数值"),
    "unit": ("Unit", "单位"),
    "u95": ("95 % half-width", "95%半宽"),
    "source": ("Source", "来源"),
    "status": ("Status", "状态"),
}  # fmt: skip
"""Titles of every column that a table of the workbook may have."""

DATA_QUALITY = (
    "zone_id", "name_zh", "ecosystem", "period", "observed_fraction", "clear_obs_median", "open_water_fraction",
    "stand_area_fraction", "comparability_zh", "plausibility_zh", "figure_class", "unverified_zh", "status_zh",
)  # fmt: skip

DEFINITIONS = (
    (
        "生物量碳储量 stock",
        "某一时点生物量所含的碳，吨碳；储量不是碳汇。",
        "Biomass carbon at a date, t C. A stock is not a sink.",
    ),
    (
        "碳汇 sink",
        "两个时段平均储量之差除以间隔年数，乘以44/12，吨CO2/年，吸收为正。",
        "Difference of the mean stocks of two periods by the years between, x 44/12, t CO2 per year, removal positive.",
    ),
    (
        "小班储量 stock of stands",
        "有小班的森林片区：取时段中点的小班蓄积，调查年之间内插，首末调查年之外不变；碳汇的间隔年数为两期蓄积时点之差。",
        "Forest zones with stands: by stand volume at the middle of the period, interpolated between the inventories "
        "and held constant outside them; the years of the sink are those between the dates of the volumes.",
    ),
    (
        "生长量法 by increment",
        "小班蓄积年生长量乘扩展因子，减去蓄积减少的损失；与碳汇（储量差）是两种口径，可相差数倍，不相加；"
        "碳汇的95%区间不含方法选择。",
        "Yearly volume increment expanded, less losses; another method than the sink, may differ several-fold, never "
        "added to it; the sink's 95 % interval does not hold the choice of method.",
    ),
    (
        "遥感植被覆盖度 cover by satellite",
        "由植被指数按裸土和植被端元换算得到；不是草原综合植被盖度，也不是森林覆盖率。",
        "From a vegetation index between bare soil and full cover; neither of the official cover rates.",
    ),
    (
        "数据口径 classes of figures",
        "统计口径：用户提供的官方数据（申报面积、小班蓄积、规划目标）；遥感口径：由影像得到（面积、指数、覆盖度）；"
        "代理：由系数推算（生物量、碳），不可作为交易依据。",
        "Official: supplied (declared area, stand volume, targets); by satellite: area, index, cover; proxy: worked "
        "out by coefficients (biomass, carbon), not creditable.",
    ),
    (
        "草原、湿地储量 grass and reeds",
        "年内生长峰值的现存量，随降水逐年变化；湿地仅计CO2，不含CH4。",
        "Standing crop at the peak of the year, which follows its rain; wetland without methane.",
    ),
    (
        "95%区间 interval",
        "由误差抽样得到，一般不对称：估计值按系数取值计算，可高于或低于模拟均值；均值和中位数见不确定性表（intervals.csv）。",
        "From draws of the errors, mostly skewed: the estimate takes the coefficients as they are and may lie above "
        "or below the mean of the draws; mean and median stand among the intervals.",
    ),
    (
        "面积 area",
        "CGCS2000椭球面积；1公顷=15亩，1万亩=666.67公顷。",
        "On the ellipsoid of CGCS2000; 1 ha = 15 mu.",
    ),
    (
        "图斑建议 suggestions",
        "按生态系统、碳汇等级和覆盖度等级查表得到，仅供实地核查参考，不作为处方。",
        "Looked up by ecosystem, sink class and cover class: a start for the field, no prescription.",
    ),
    ("空白 empty cell", "未知或不计，不是零。", "Not known or not counted; never zero."),
)
"""Terms of the cover sheet: term, Chinese and English meaning."""


KEY_FIGURES = "总表"
SUMMARY = (
    "zone_id", "name_zh", "area_wanmu", "fvc_mean", "carbon_tC_ha", "carbon_tC", "carbon_tC_low95", "carbon_tC_high95",
    "sink_tCO2_yr", "sink_tCO2_yr_low95", "sink_tCO2_yr_high95", "sink_finding_zh", "gain_loss_tCO2_yr", "status_zh",
)  # fmt: skip
PLAN = ("zone_id", "zone_name", "suggestion_zh", "patches", "area_ha", "area_mu", "share", "carbon_tC")
COEFFICIENT = ("ecosystem", "coefficient_zh", "coefficient", "value", "unit", "u95", "source", "status")
SCENE = ("id", "day", "sensor", "scale_known_from", "use", "reason")

ENGLISH = ("class_key", "class_en")
LEVELS_ZH = {"zone": "片区", "ecosystem": "生态系统", "city": "全部片区"}
STATUS_ZH = {"verified": "已核实 verified", "unverified": "未核实 unverified", "local": "本地拟合 local"}


def workbook_tables(results: Results) -> list[Table]:
    """All tables, the most wanted first; those without rows are left out. They are made for people: codes are shown in
    Chinese, and left out if a column of its own has their Chinese. The CSV files have both."""
    zones = [row for row in results.rows if row["level"] == "zone"]
    groups = [row for row in results.rows if row["level"] != "zone"]
    patches = list(results.patches.values())
    plan = [row for zone in patches for row in plan_rows(zone)]
    by_class = [row for zone in patches for row in patch_class_rows(zone)]
    kinds = {name: style.zh for name, style in results.styles.ecosystems.items()} | {"city": LEVELS_ZH["city"]}
    words = {
        "level": LEVELS_ZH,
        "ecosystem": kinds,
        "zone_id": {row["zone_id"]: kinds[row["zone_id"]] for row in groups},
        "quantity": {name: chinese for name, (_, chinese) in COLUMNS.items()},
        "scheme": cover_classes.SCHEMES_ZH,
        "status": STATUS_ZH,
    }

    def table(name: str, name_en: str, columns: Titles, rows: list[dict], totals: int = 0) -> Table:
        return Table(name, name_en, _without_codes(columns), rows, words, totals)

    tables = [
        table(KEY_FIGURES, "Key figures", _titles(SUMMARY), results.with_gain_loss(), len(groups)),
        table("规划指标", "Targets of the plan", TARGET_COLUMNS, results.targets),
        table("一片一方案", "Plan of each zone", _titles(PLAN), plan),
        table("片区", "Zones", COLUMNS, zones),
        table("分类合计", "Ecosystems and city", COLUMNS, groups),
        table("逐年", "By year", _titles(YEAR_COLUMNS), results.by_year),
        table("不确定性", "Intervals", INTERVAL_COLUMNS, results.intervals),
        table("单列量", "Separate figures", SEPARATE_COLUMNS, results.separate),
        table("片区面积台账", "Ledger of areas", area_ledger.COLUMNS, results.ledger),
        table("覆盖度等级面积", "Cover classes", cover_classes.CLASS_COLUMNS, results.cover_classes),
        table("图斑汇总", "Patches by class", PATCH_CLASS_COLUMNS, by_class),
        table("系数", "Coefficients", _titles(COEFFICIENT), list(coefficient_rows(results.ecosystems))),
        table("数据质量", "Data quality", _titles(DATA_QUALITY), zones),
        table("影像", "Scenes", _titles(SCENE), scene_rows(results)),
    ]
    return [one for one in tables if one.rows]


def _without_codes(columns: Titles) -> Titles:
    """Without the columns in English whose Chinese has a column of its own; a coefficient keeps the name by which the
    configuration calls it."""
    in_chinese = {name.removesuffix("_zh") for name in columns if name.endswith("_zh")} - {"coefficient"}
    return {name: titles for name, titles in columns.items() if name not in in_chinese and name not in ENGLISH}


def _titles(names: tuple[str, ...]) -> Titles:
    return {name: TITLES.get(name, (name, name)) for name in names}


def scene_rows(results: Results) -> list[dict]:
    """The scenes that were used, then those set aside with the reason, keys `SCENE`."""
    used = [dict.fromkeys(SCENE) | scene | {"use": "采用 used"} for scene in results.scenes]
    aside = [
        dict.fromkeys(SCENE) | {"id": row["scene"], "use": "未采用 set aside", "reason": row["reason"]}
        for row in results.set_aside
    ]
    return used + aside


def coefficient_rows(ecosystems: dict[str, Ecosystem]) -> Iterator[dict]:
    """Every coefficient with its 95 % half-width, source and status, keys `COEFFICIENT`. A step function has a row for
    each of its steps."""
    for name, ecosystem in ecosystems.items():
        for place, row in coefficients(ecosystem).items():
            known = {
                "ecosystem": name,
                "coefficient_zh": name_zh(ecosystem, place),
                "unit": row.unit,
                "source": row.source,
                "status": row.status,
            }
            for (part, value), u95 in zip(_values(row), _half_widths(row), strict=False):
                yield known | {"coefficient": place + part, "value": value, "u95": u95}


def _half_widths(row: AnyCoefficient) -> Iterator[str]:
    """The error of each value of a row; repeated without end if all values share it."""
    if row.distribution == "split_lognormal":
        return (f"{low:g} – {high:g}" for low, high in row.ranges)
    return repeat(_half_width(row))


def _half_width(row: AnyCoefficient) -> str:
    if row.distribution == "fixed":
        return "无误差 fixed"
    return f"±{row.u95_percent:g} %" if row.u95_percent is not None else f"±{row.u95_abs:g}"


def _values(row: AnyCoefficient) -> Iterator[tuple[str, float]]:
    if isinstance(row, BinnedCoefficient) and row.edges:
        ends = [f"{edge:g}" for edge in row.edges]
        names = [f"≤ {ends[0]}", *(f"{a} – {b}" for a, b in pairwise(ends)), f"> {ends[-1]}"]
        yield from ((f" ({row.of} {name})", value) for name, value in zip(names, row.values, strict=True))
    elif isinstance(row, BinnedCoefficient):
        yield "", row.values[0]
    elif isinstance(row.value, tuple):
        yield from ((f" [{power}]", value) for power, value in enumerate(row.value))
    else:
        yield "", row.value
