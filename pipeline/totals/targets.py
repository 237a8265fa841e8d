"""The targets of the plan beside what a run measures, and whether a target can be judged by that. Pure.

Most targets are official rates with definitions of their own, which no satellite measures: they stay open, with the
reason, and what was measured is shown beside them for reference only.
"""

from typing import Annotated

from pydantic import Field

from pipeline.frozen import Section
from pipeline.zones.zone import ECOSYSTEMS_ZH, EcosystemName

Percent = Annotated[float, Field(gt=0, le=100)]


class Targets(Section):
    """Targets of the plan. They are shown beside what is measured, with the reason where a satellite cannot judge
    them."""

    year: Annotated[int, Field(ge=1990, le=2100)]
    """The targets are to be reached by the end of this year."""
    forest_cover_percent: Percent | None = None
    """Forest cover rate 森林覆盖率, %."""
    forest_volume_m3: Annotated[float, Field(gt=0)] | None = None
    """Live volume of the forest 森林蓄积量, m3."""
    grassland_cover_percent: Percent | None = None
    """Vegetation cover of the grassland 草原综合植被盖度, %."""
    wetland_protection_percent: Percent | None = None
    """Rate of wetland protection 湿地保护率, %."""
    project_wanmu: dict[EcosystemName, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Planned project areas by ecosystem, 万亩."""


TARGET_COLUMNS: dict[str, tuple[str, str]] = {
    "target": ("Target of the plan", "规划指标（英文）"),
    "target_zh": ("Target in Chinese", "规划指标"),
    "year": ("Year by whose end the target is to be reached", "目标年"),
    "target_value": ("Target", "目标值"),
    "unit": ("Unit of target, estimate and interval", "单位"),
    "measured": ("What this run measures for comparison", "本次可测的量（英文）"),
    "measured_zh": ("What this run measures, in Chinese", "本次可测的量"),
    "period": ("Years of the measurement", "测量时段(年)"),
    "estimate": ("Estimate", "估计值"),
    "low95": ("Lower end of its 95 % interval", "95%区间下限"),
    "high95": ("Upper end of its 95 % interval", "95%区间上限"),
    "finding": ("reached, or open: this run cannot judge it", "判定（英文）"),
    "finding_zh": ("Finding in Chinese", "判定"),
    "reason": ("Why", "说明（英文）"),
    "reason_zh": ("Why, in Chinese", "说明"),
}
"""Columns of ``targets.csv``: English and Chinese title."""

TARGET_FINDINGS = {"reached": "已达到", "open": "不能判定"}


def target_rows(
    targets: Targets, rows: list[dict], volume_counts_twice: bool = False, simulated: bool = False
) -> list[dict]:
    """A row for each target that is set, keys `TARGET_COLUMNS`; ``rows`` are those of the result table. A target counts
    as reached only by a lower bound of its own quantity: the lower end of the 95 % interval of the volume of the zones'
    stands, unless ``volume_counts_twice``. Simulated figures are marked as such."""
    groups = {row["zone_id"]: row for row in rows if row["level"] != "zone"}
    found = [_forest_cover(targets), _forest_volume(targets, rows, volume_counts_twice)]
    found += [_grassland_cover(targets, rows, groups), _wetland_protection(targets)]
    found += [_project(groups, name, area) for name, area in targets.project_wanmu.items()]
    shown = []
    for row in found:
        if row["target_value"] is None:
            continue
        row = dict.fromkeys(TARGET_COLUMNS) | {"year": targets.year, "finding": "open"} | row
        row["finding_zh"] = TARGET_FINDINGS[row["finding"]]
        if simulated and row["measured"]:
            row["measured"], row["measured_zh"] = f"{row['measured']} (simulated)", f"{row['measured_zh']}（模拟数据）"
        shown.append(row)
    return shown


def _forest_cover(targets: Targets) -> dict:
    return {
        "target": "forest cover rate",
        "target_zh": "森林覆盖率",
        "target_value": targets.forest_cover_percent,
        "unit": "%",
        "reason": "the official rate counts forest by the inventory over all land of the city; cover by satellite is "
        "another quantity",
        "reason_zh": "按森林资源调查和全市土地面积计，遥感植被覆盖度口径不同",
    }


def _forest_volume(targets: Targets, rows: list[dict], counts_twice: bool) -> dict:
    """The stands of the zones are part of the city's forest: their volume is a lower bound of the city's."""
    row = {
        "target": "forest volume",
        "target_zh": "森林蓄积量",
        "target_value": targets.forest_volume_m3,
        "unit": "m3",
    }
    forests = [zone for zone in rows if zone["level"] == "zone" and zone["ecosystem"] == "forest"]
    held = [zone for zone in forests if zone["volume_m3"] is not None]
    if not held and any(zone.get("stand_area_fraction") is not None for zone in forests):
        return row | {
            "reason": "the volume of the stands is withheld, since figures of their zones are impossible",
            "reason_zh": "有小班的片区数值超出可能范围，蓄积不计",
        }
    if not held or targets.forest_volume_m3 is None:
        return row | {
            "reason": "no forest zone has stands with a volume",
            "reason_zh": "森林片区没有小班蓄积数据",
        }
    whole = next(group for group in rows if group["level"] == "ecosystem" and group["ecosystem"] == "forest")
    date, count = whole["stand_stock_year"], f"{len(held)} of {len(forests)} forest zones"
    found = row | _figure(whole, "volume_m3") | {
        "measured": f"live volume of the stands of {count}" + (f" in {date:g}" if date else ""),
        "measured_zh": f"{len(held)}/{len(forests)}个森林片区小班活立木蓄积" + (f"，{date:g}年" if date else ""),
        "period": f"{date:g}" if date else None,
    }  # fmt: skip
    if counts_twice:
        return found | {
            "reason": "stands or zones overlap, so that volume counts twice",
            "reason_zh": "小班或片区重叠，蓄积重复计算",
        }
    if found["low95"] is not None and found["low95"] >= targets.forest_volume_m3:
        return found | {
            "finding": "reached",
            "reason": "the stands of the zones alone hold the target, with the lower end of the interval; it rests on "
            "stands that do not overlap and hold no trees outside forest",
            "reason_zh": "仅片区内小班的95%区间下限已不低于目标；以小班不重叠、不含散生木为前提",
        }
    return found | {
        "reason": "forest outside the stands of the zones is not counted: a lower bound of the city's volume",
        "reason_zh": "未计片区和小班以外的森林，仅为全市蓄积的下限",
    }


def _grassland_cover(targets: Targets, rows: list[dict], groups: dict[str, dict]) -> dict:
    """The mean of the zones that have a cover; it says how many if some have none."""
    grasslands = [zone for zone in rows if zone["level"] == "zone" and zone["ecosystem"] == "grassland"]
    held, count = sum(zone["fvc_mean"] is not None for zone in grasslands), len(grasslands)
    return {
        "target": "comprehensive grassland vegetation cover",
        "target_zh": "草原综合植被盖度",
        "target_value": targets.grassland_cover_percent,
        "unit": "%",
        "measured": f"mean cover by satellite of {'the' if held == count else f'{held} of {count}'} grassland zones",
        "measured_zh": f"{'' if held == count else f'{held}/{count}个'}草原片区遥感植被覆盖度均值",
        "reason": "the official cover rests on ground plots weighted by the area of grassland types",
        "reason_zh": "官方口径以地面样方按草地类型面积加权，遥感值仅供参考",
    } | (_figure(groups["grassland"], "fvc_mean", 100) if "grassland" in groups else {})


def _wetland_protection(targets: Targets) -> dict:
    return {
        "target": "wetland protection rate",
        "target_zh": "湿地保护率",
        "target_value": targets.wetland_protection_percent,
        "unit": "%",
        "reason": "protected over total wetland area: whether a wetland is protected shows in no image",
        "reason_zh": "受保护湿地面积占湿地总面积之比，影像不反映保护状态",
    }


def _project(groups: dict[str, dict], ecosystem: str, target: float) -> dict:
    found = {
        "target": f"area of {ecosystem} projects",
        "target_zh": f"{ECOSYSTEMS_ZH[ecosystem]}项目面积",
        "target_value": target,
        "unit": "万亩",
        "measured": f"area of the {ecosystem} zones on the CGCS2000 ellipsoid",
        "measured_zh": f"{ECOSYSTEMS_ZH[ecosystem]}片区椭球面积",
        "reason": "a zone's area is no area of work done: that is in the acceptance records",
        "reason_zh": "片区面积不是完成面积，以项目验收台账为准",
    }
    return found | (_figure(groups[ecosystem], "area_wanmu") if ecosystem in groups else {})


def _figure(row: dict, column: str, factor: float = 1) -> dict:
    """Estimate and 95 % interval of a column of the result table, if known."""
    ends = {"estimate": row[column], "low95": row.get(f"{column}_low95"), "high95": row.get(f"{column}_high95")}
    return {"period": row["period"] if column != "area_wanmu" else None} | {
        name: None if value is None else value * factor for name, value in ends.items()
    }
