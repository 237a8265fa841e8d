"""What the report says: sentences and tables in Chinese, from the results of a run. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.mapping.patches import plan_rows
from pipeline.outputs.note import source_line, true_minus
from pipeline.outputs.results import Results
from pipeline.outputs.tables import DEFINITIONS
from pipeline.outputs.text import (
    FROM_WATER,
    UNKNOWN,
    area,
    by_chance,
    figure,
    fixed,
    group_cells,
    in_workbook,
    left_out_years,
    skew,
    target_cells,
    three_digits,
    water_figure,
)
from pipeline.totals.group_totals import as_counted, lacking_zh
from pipeline.totals.zone_totals import ONE_PERIOD

TEN_THOUSAND = 1e-4
"""Factor from t and 亩 to 万吨 and 万亩."""

SOUND = "正常"
"""The status of a row with nothing to say."""


@dataclass(frozen=True)
class Grid:
    """A table: its ``caption``, titles of its columns with their widths in cm, and cells; columns of numbers are
    ``numeric``."""

    caption: str
    columns: tuple[tuple[str, float], ...]
    rows: list[tuple[str, ...]]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Points:
    """Paragraphs of a list."""

    texts: list[str]


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in order."""

    title: str
    parts: list[str | Points | Grid]


def report_sections(results: Results) -> list[Section]:
    """All sections of the report that have something to say."""
    rows = as_counted(results.with_gain_loss(), results.min_observed)
    names = results.group_names
    sections = [
        Section("主要结论", list(_conclusions(results, rows, names))),
        Section("规划目标", list(_targets(results))),
        Section("分类结果", list(_groups(results, rows, names))),
        Section("各片区结果", list(_zones(results))),
        Section("逐年变化", list(_years(results, names))),
        Section("管理措施建议", list(_suggestions(results, names))),
        Section("数据与方法", list(_methods(results, names))),
        Section("数据质量", list(_quality(results, names))),
    ]
    return [section for section in sections if section.parts]


def _conclusions(results: Results, rows: list[dict], names: dict[str, str]) -> Iterator[str | Points]:
    zones = [row for row in rows if row["level"] == "zone"]
    kinds = Counter(row["ecosystem"] for row in zones)
    by_id = {row["zone_id"]: row for row in rows}
    parts = "、".join(f"{names[kind]}{kinds[kind]}个（{area(by_id[kind]['area_wanmu'])}万亩）" for kind in kinds)
    yield f"监测范围为{len(zones)}个片区，共{area(by_id['city']['area_wanmu'])}万亩：{parts}。{results.periods_zh}。"
    if (status := _status(by_id["city"])) != SOUND:
        yield f"全部片区状态：{status}。详见“数据质量”。"
    members = {"city": zones} | {kind: [row for row in zones if row["ecosystem"] == kind] for kind in kinds}
    yield Points([_of_group(by_id[group], names[group], of, bool(results.baseline)) for group, of in members.items()])
    if results.baseline:
        yield "各片区两期之间的变化："
        yield Points(list(_by_finding(zones)))
        if drained := list(_from_water(results, zones)):
            yield f"{'、'.join(drained)}的{FROM_WATER}。"
        if chance := by_chance(rows):
            yield f"{chance}。"


def _of_group(row: dict, name: str, zones: list[dict], compares: bool) -> str:
    """Cover, stock and, where two periods are compared, sink of a group of ``zones`` with their 95 % intervals."""
    quantities = [("遥感植被覆盖度", "fvc_mean", "%", 100), ("生物量碳储量", "carbon_tC", "万吨碳", TEN_THOUSAND)]
    if compares:
        quantities.append(("碳汇", "sink_tCO2_yr", "万吨CO2/年", TEN_THOUSAND))
    said = []
    for what, column, unit, factor in quantities:
        value, interval = figure(row, column, factor, signed=column == "sink_tCO2_yr")
        known = f"{what}{value}{unit}" if value != UNKNOWN else f"{what}未得出"
        remarks = [f"95%区间 {interval}"] if UNKNOWN not in (value, interval) else []
        remarks += [lacking] if (lacking := lacking_zh(zones, column)) else []
        said.append(known + (f"（{'，'.join(remarks)}）" if remarks else ""))
    if compares and row["sink_finding"] not in (None, "partial"):
        said[-1] += f"，{row['sink_finding_zh']}"
    return f"{name}：{'；'.join(said)}。"


def _by_finding(zones: list[dict]) -> Iterator[str]:
    """For each finding by the 95 % interval the zones it is of; then those without an interval, and those without a
    sink, with the reason."""
    sinks = [row for row in zones if row["sink_tCO2_yr"] is not None]
    for finding in dict.fromkeys(row["sink_finding_zh"] for row in sinks):
        found = [f"{row['zone_id']} {row['name_zh']}" for row in sinks if row["sink_finding_zh"] == finding]
        yield f"{finding or '无区间，未判定'}（{len(found)}个）：{'、'.join(found)}。"
    if none := [row for row in zones if row["sink_tCO2_yr"] is None]:
        found = [f"{row['zone_id']} {row['name_zh']}（{_status(row)}）" for row in none]
        yield f"未得出碳汇（{len(none)}个）：{'、'.join(found)}。"


def _from_water(results: Results, zones: list[dict]) -> Iterator[str]:
    """The wetlands whose gain comes from water that turned into land, as their sheets say."""
    periods = results.baseline.years, results.current.years
    for row in zones:
        years = [year for year in results.by_year if year["zone_id"] == row["zone_id"]]
        if row["ecosystem"] == "wetland" and (water := water_figure(row, years, periods)) and water[2] == FROM_WATER:
            yield f"{row['zone_id']} {row['name_zh']}"


def _status(row: dict) -> str:
    """The status of a row without what the subtitle says of all of them, and whatever else it says is not `SOUND`."""
    said = [part for part in row["status_zh"].split("；") if part not in (SOUND, ONE_PERIOD[1])]
    return true_minus("；".join(said)) or SOUND


def _targets(results: Results) -> Iterator[str | Grid]:
    if results.targets:
        yield "官方指标以调查、地面样地和台账为准；卫星能测的量与其口径不同，不能判定的记为“不能判定”。"
        columns = (("规划指标", 2.5), ("目标", 1.9), ("本次可测的量", 3.3), ("估计值\n(同单位)", 1.5), ("95%区间", 2.1),
                   ("判定", 1.6), ("说明", 4.1))  # fmt: skip
        yield Grid(f"{results.targets[0]['year']}年规划目标与本次可测的量", columns, target_cells(results.targets))


def _groups(results: Results, rows: list[dict], names: dict[str, str]) -> Iterator[str | Grid]:
    columns = (("分类", 1.7), ("指标", 4.7), ("估计值", 2), ("95%区间", 3.7), ("主要误差来源（方差占比）", 4.9))
    yield Grid("分类结果", columns, group_cells(rows, results.intervals, names), frozenset({2, 3}))
    if remark := skew(results.intervals, results.current.label):
        yield f"{remark}。"


def _zones(results: Results) -> Iterator[str | Grid]:
    """Their stock and, where two periods are compared, their sink."""
    columns = (("编号", 1), ("片区", 2.4), ("面积\n(万亩)", 1.3), ("覆盖度\n(%)", 1.3), ("碳储量\n(吨碳)", 1.5),
               ("95%区间", 2.7), ("碳汇\n(吨CO2/年)", 1.9), ("95%区间", 2.8), ("判定", 2.1))  # fmt: skip
    cells = [
        (
            row["zone_id"], row["name_zh"], area(row["area_wanmu"]), figure(row, "fvc_mean", 100)[0],
            *figure(row, "carbon_tC"), *figure(row, "sink_tCO2_yr", signed=True),
            (row["sink_finding_zh"] or UNKNOWN) + "*" * (row["comparability"] == "conditional"),
        )
        for row in results.rows if row["level"] == "zone"
    ]  # fmt: skip
    remarks = ["覆盖度的95%区间见 summary.csv。"] if results.intervals else []
    if results.baseline:
        yield Grid("各片区现状期储量与两期之间的碳汇", columns, cells, frozenset({2, 3, 4, 5, 6, 7}))
        remarks += ["* 有条件可比，原因见“数据质量”。"] if any(cell[-1].endswith("*") for cell in cells) else []
    else:
        fewer = columns[0], ("片区", 6.5), *columns[2:6]
        yield Grid("各片区现状期储量", fewer, [cell[:6] for cell in cells], frozenset({2, 3, 4, 5}))
    if remarks:
        yield "".join(remarks)


def _years(results: Results, names: dict[str, str]) -> Iterator[str | Grid]:
    rows = {(row["zone_id"], row["year"]): row for row in results.by_year if row["level"] != "zone"}
    years = sorted({year for _, year in rows})
    shown = [name for name in names if any((name, year) in rows for year in years)]
    columns = [("年份", 1.2)]
    for name in shown:
        columns += [(f"{names[name]}\n覆盖度(%)", 1.8), (f"{names[name]}\n储量(万吨碳)", 2)]
    cells = []
    for year in years:
        cells.append([str(year)])
        for name in shown:
            row = rows.get((name, year), {})
            cover, carbon = row.get("fvc_mean"), row.get("carbon_tC")
            cells[-1].append(UNKNOWN if cover is None else fixed(100 * cover, 1))
            cells[-1].append(UNKNOWN if carbon is None else three_digits(carbon * TEN_THOUSAND))
    if years:
        numeric = frozenset(range(1, len(columns)))
        yield Grid("各年覆盖度与生物量碳储量", tuple(columns), [tuple(row) for row in cells], numeric)
    remarks = ["95%区间见 by_year.csv。"] if results.intervals else []
    remarks.append(left_out_years(list(rows.values())))
    if results.inventories:
        remarks.append("有小班的片区：储量在调查年之间内插，之外不变。")
    if said := "".join(remarks):
        yield said


def _suggestions(results: Results, names: dict[str, str]) -> Iterator[str | Grid]:
    """Areas by suggestion of each ecosystem; the plan of each zone stands on its sheet and in the workbook."""
    zones = [row for row in results.rows if row["level"] == "zone"]
    kinds = {row["zone_id"]: row["ecosystem"] for row in zones}
    sums: dict[tuple[str, str], Counter] = {}
    for zone, patches in results.patches.items():
        for row in plan_rows(patches) if len(patches) else ():
            found = sums.setdefault((kinds[zone], row["suggestion_zh"]), Counter())
            found.update({name: row[name] for name in ("patches", "area_mu", "area_ha")})
    if sums:
        (meaning,) = (zh for term, zh, _ in DEFINITIONS if term.startswith("图斑建议"))
        yield f"{meaning}各片区的方案见{_plans(results)}。"
        whole = Counter()
        for (kind, _), found in sums.items():
            whole[kind] += found["area_ha"]
        order = sorted(sums, key=lambda key: (list(names).index(key[0]), -sums[key]["area_ha"]))
        cells = [
            (
                names[kind], suggestion, f"{sums[kind, suggestion]['patches']:,}",
                three_digits(sums[kind, suggestion]["area_mu"] * TEN_THOUSAND),
                fixed(100 * sums[kind, suggestion]["area_ha"] / whole[kind], 1),
            )
            for kind, suggestion in order
        ]  # fmt: skip
        columns = (("分类", 2.5), ("措施建议", 5), ("图斑数", 2.5), ("面积 (万亩)", 3), ("占该类 (%)", 3))
        yield Grid("图斑措施建议汇总", columns, cells, frozenset({2, 3, 4}))
        if none := [row for row in zones if not len(results.patches.get(row["zone_id"], ()))]:
            found = "、".join(f"{row['zone_id']} {row['name_zh']}" for row in none)
            yield f"以上不含没有图斑的片区（{len(none)}/{len(zones)}个）：{found}。"


def _plans(results: Results) -> str:
    """Where the suggestions for each zone stand, of what is delivered."""
    places = (("sheets", "片区图"), ("workbook", "工作簿“一片一方案”表"))
    return "和".join(place for name, place in places if name in results.deliverables) or " patches.csv"


def _methods(results: Results, names: dict[str, str]) -> Iterator[str | Points]:
    zones = [row for row in results.rows if row["level"] == "zone"]
    used = Counter((row["ecosystem"], row["method_zh"]) for row in zones if row["method_zh"])
    inventories = results.inventories_of(*results.zones["id"])
    yield f"{source_line(results.scenes, inventories, results.season, results.simulated)}。"
    yield "碳储量的算法："
    yield Points([f"{names[kind]}（{count}个片区）：{method}。" for (kind, method), count in used.items()])
    yield "名词："
    terms = {term.partition(" ")[0]: zh for term, zh, _ in DEFINITIONS}
    terms["“—”"] = terms.pop("空白")  # what is not known is a dash in these tables
    yield Points([f"{term}：{zh}" for term, zh in terms.items()])
    if unverified := results.row("city")["unverified_zh"]:
        yield f"以下系数未核实，数值和来源见{in_workbook('系数', results.deliverables)}：{unverified}。"


def _quality(results: Results, names: dict[str, str]) -> Iterator[str | Points | Grid]:
    aside = len(results.set_aside)
    why = f"，{aside}景未采用，原因见{in_workbook('影像', results.deliverables)}" if aside else ""
    yield f"采用影像{len(results.scenes)}景{why}。"
    groups = [(names[row["zone_id"]], _status(row)) for row in results.rows if row["level"] != "zone"]
    if said := [f"{name}：{status}。" for name, status in groups if status != SOUND]:
        yield Points(said)
    doubted = [
        row for row in results.rows
        if row["level"] == "zone" and (_status(row) != SOUND or row["comparability"] not in (None, "comparable"))
    ]  # fmt: skip
    if not doubted:
        yield "各片区状态均正常。"
        return
    columns = (("编号", 1.2), ("片区", 3), ("观测 (%)", 1.5), ("状态", 3.9), ("可比性", 3.7), ("合理性", 3.7))
    cells = [
        (
            row["zone_id"], row["name_zh"],
            UNKNOWN if row["observed_fraction"] is None else fixed(100 * row["observed_fraction"], 1),
            _status(row), true_minus(row["comparability_zh"] or UNKNOWN),
            true_minus(row["plausibility_zh"] or UNKNOWN),
        )
        for row in doubted
    ]  # fmt: skip
    yield Grid("需要注意的片区", columns, cells, frozenset({2}))
