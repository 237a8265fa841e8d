"""What the commands show as tables: findings on the boundaries, overlaps, zones, the ledger of areas, the result."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.table import Column, Table

from pipeline.ecosystems import Ecosystem
from pipeline.zones.boundary_check import check_zones
from pipeline.zones.finding import LEVELS, Finding
from pipeline.zones.stand_check import check_stands
from pipeline.zones.vector_file import area_text

if TYPE_CHECKING:
    from pipeline.config.run_config import RunConfig
    from pipeline.run import Run

COLOURS = {"error": "red", "warning": "yellow", "note": ""}


def _words(title: str) -> Column:
    """A column of Chinese words, folded at its width: they have no spaces to wrap at, and rich cuts longer lines by
    default."""
    return Column(title, overflow="fold")


def _clauses(chinese: str) -> str:
    """Chinese with a space after each clause, where a line may end: a clause alone is folded wherever its line is full,
    also within a number."""
    return re.sub("([；，])", r"\1 ", chinese)


def boundary_findings(config: "RunConfig", ecosystems: dict[str, Ecosystem]) -> list[Finding]:
    """All findings on the zones and the stands of a run."""
    zones, stands = config.zones, config.stands
    found = check_zones(zones.file, ecosystems, zones.overlaps, zones.reference)
    inventories = stands.inventories if stands else []
    for files in inventories:
        whose = f"stands {'/'.join(map(str, sorted(files[0].volume_m3_ha)))}" if len(inventories) > 1 else "stands"
        of_inventory = check_stands(files, ecosystems["forest"])
        found += [replace(finding, zone=finding.zone.replace("stands", whose, 1)) for finding in of_inventory]
    return found


def boundary_tables(findings: list[Finding]) -> Iterator[Table]:
    """The findings, worst first, and the matrix of overlaps where there are any."""
    table = Table("级别 level", "项目 kind", "片区 zone", *map(_words, ("发现 finding", "说明")))
    for finding in findings:
        level = f"{LEVELS[finding.level]} {finding.level}"
        table.add_row(level, finding.kind, finding.zone, finding.en, _clauses(finding.zh), style=COLOURS[finding.level])
    yield table
    shared = {
        frozenset(finding.zone.split()): finding.measure
        for finding in findings
        if finding.kind in ("overlap", "duplicate") and finding.zone.split()[0] != "stands"
    }
    if shared:
        names = sorted(set().union(*shared))
        matrix = Table("重叠 ha", *names, title="片区重叠面积(公顷) overlaps, ha")
        for name in names:
            areas = ("" if other == name else shared.get(frozenset((name, other))) for other in names)
            matrix.add_row(name, *(area_text(area) if area else "" for area in areas))
        yield matrix


def zone_table(run: "Run") -> Table:
    """The zones of a run as they are counted."""
    joined = run.config.stands and len(run.config.stands.inventories) > 1
    counted = "小班叠加块 parts of stands" if joined else "小班 stands"
    table = Table("片区 zone", _words("名称 name"), "类型 ecosystem", "植被 stratum", counted)
    for zone in run.zones:
        stands, shrub = run.stands.get(zone.id), run.shrub.get(zone.id)
        count = str(len(stands.species)) if stands else f"灌木 {shrub}" if shrub else ""
        table.add_row(zone.id, zone.name, zone.ecosystem, zone.stratum, count)
    return table


LEDGER_SHOWN = {
    "zone_id": "片区 zone", "polygon_wanmu": "图形 万亩", "overlap_ha": "重叠 ha", "counted_wanmu": "计入 万亩",
    "declared_wanmu": "申报 万亩", "declared_difference_percent": "差 %", "planned_wanmu": "规划 万亩",
    "planned_difference_percent": "差 %", "status_zh": "状态 status",
}  # fmt: skip


def ledger_table(ledger: list[dict]) -> Table:
    """The ledger of areas without the pixels, which are not counted yet."""
    table = Table(title="面积台账 area ledger")
    for title in LEDGER_SHOWN.values():
        table.add_column(title, justify="left" if title[-1] in "es" else "right", overflow="fold")
    for row, following in zip(ledger, [*ledger[1:], ledger[-1]], strict=True):
        cells = ("" if row[name] is None else _cell(row[name]) for name in LEDGER_SHOWN)
        table.add_row(*cells, end_section=row["level"] != following["level"])
    return table


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return area_text(value) if abs(value) >= 1e-3 else "0"


RESULT_SHOWN = {
    "zone_id": ("片区", ""),
    "name_zh": ("名称", ""),
    "area_wanmu": ("万亩", ".4g"),
    "observed_fraction": ("观测", ".0%"),
    "fvc_mean": ("覆盖度", ".0%"),
    "carbon_tC_ha": ("tC/ha", ".2f"),
    "carbon_tC": ("生物量\n碳储量 tC", ",.0f"),
    "sink_tCO2_yr": ("碳汇 tCO2/yr", "+,.0f"),
    "sink_tCO2_yr_low95": ("95%下限", "+,.0f"),
    "sink_tCO2_yr_high95": ("95%上限", "+,.0f"),
    "sink_finding_zh": ("判定", ""),
    "status_zh": ("状态", ""),
}
"""Columns of the closing table: title and number format."""

ONLY_WIDE = ("name_zh", "observed_fraction", "fvc_mean", "carbon_tC_ha", "sink_tCO2_yr_low95", "sink_tCO2_yr_high95")
WIDE = 120


def result_table(rows: list[dict], note: str, width: int) -> Table:
    """The result as a table; a narrow terminal gets fewer columns, never cut numbers."""
    shown = {name: how for name, how in RESULT_SHOWN.items() if width >= WIDE or name not in ONLY_WIDE}
    table = Table(title=note)
    for title, form in shown.values():
        table.add_column(title, justify="right" if form else "left", no_wrap=bool(form), overflow="fold")
    for row, following in zip(rows, [*rows[1:], rows[-1]], strict=True):
        cells = ["" if row[name] is None else _clauses(format(row[name], form)) for name, (_, form) in shown.items()]
        table.add_row(*cells, end_section=row["level"] != following["level"])
    return table
