"""Zone totals from sketches and stands: the rows of the zones in the result table. Pure."""

from collections.abc import Iterator

import numpy as np

from pipeline.carbon import HA_PER_WANMU, stock_difference
from pipeline.stock.sketch import Sketch, seen_enough
from pipeline.stock.zone_model import Period, ZoneModel, stock
from pipeline.totals.comparability import Certificate
from pipeline.totals.plausibility import OutOfRange
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import FEW_STANDS

ONE_PERIOD = "no sink: one period only", "仅一期，不计碳汇"
"""What the status of every zone says, in English and Chinese, where no periods are compared."""

COLUMNS: dict[str, tuple[str, str]] = {
    "level": ("Level: zone, ecosystem or city", "层级"),
    "zone_id": ("Zone", "片区编号"),
    "name_zh": ("Name", "片区名称"),
    "ecosystem": ("Ecosystem", "生态系统"),
    "area_ha": ("Area on the CGCS2000 ellipsoid, ha", "椭球面积(公顷)"),
    "area_wanmu": ("Area on the CGCS2000 ellipsoid, 10 000 mu", "椭球面积(万亩)"),
    "declared_wanmu": ("Declared area, 10 000 mu", "申报面积(万亩)"),
    "period": ("Years of the stock", "现状期(年)"),
    "observed_fraction": ("Fraction of the zone with a clear observation", "有效观测面积比例"),
    "clear_obs_median": ("Median number of clear observations", "晴空观测次数中位数"),
    "open_water_fraction": ("Open water's fraction of the observed area", "开阔水面比例"),
    "stand_area_fraction": ("Fraction of the zone with forest stands", "小班覆盖比例"),
    "stand_stock_year": ("Date of the stands' stock, year; at most the last inventory's", "小班储量时点(年)"),
    "index_name": ("Vegetation index of cover and biomass", "植被指数"),
    "index_mean": ("Mean of that index over the yearly composites", "植被指数均值"),
    "ndvi_mean": ("Mean NDVI, where the index is NDVI", "平均NDVI"),
    "fvc_mean": ("Mean fractional vegetation cover by satellite", "遥感植被覆盖度"),
    "fvc_mean_low95": ("Lower end of its 95 % interval", "覆盖度95%区间下限"),
    "fvc_mean_high95": ("Upper end of its 95 % interval", "覆盖度95%区间上限"),
    "agb_tDM_ha": ("Above-ground biomass, t dry matter per ha", "地上生物量(吨干物质/公顷)"),
    "carbon_tC_ha": ("Biomass carbon stock, t C per ha", "生物量碳密度(吨碳/公顷)"),
    "carbon_tC": ("Biomass carbon stock, t C", "生物量碳储量(吨碳)"),
    "carbon_tC_low95": ("Lower end of its 95 % interval, t C", "生物量碳储量95%区间下限(吨碳)"),
    "carbon_tC_high95": ("Upper end of its 95 % interval, t C", "生物量碳储量95%区间上限(吨碳)"),
    "carbon_tC_conservative": ("Conservative stock, lower end of the 90 % interval, t C", "生物量碳储量保守值(吨碳)"),
    "volume_m3": ("Live volume of the forest stands, m3", "小班活立木蓄积(立方米)"),
    "volume_m3_low95": ("Lower end of its 95 % interval, m3", "蓄积95%区间下限(立方米)"),
    "volume_m3_high95": ("Upper end of its 95 % interval, m3", "蓄积95%区间上限(立方米)"),
    "main_cause": ("Main cause of the stock's uncertainty", "生物量碳储量不确定性主因"),
    "baseline_period": ("Years of the baseline", "基准期(年)"),
    "baseline_carbon_tC_ha": ("Biomass carbon stock of the baseline, t C per ha", "基准期生物量碳密度(吨碳/公顷)"),
    "sink_tCO2_ha_yr": (
        "Carbon sink, t CO2 per ha and year, removal positive",
        "碳汇强度（吨CO2/(公顷·年)，吸收为正）",
    ),
    "sink_tCO2_yr": ("Carbon sink, t CO2 per year, removal positive", "碳汇量（吨CO2/年，吸收为正）"),
    "sink_tCO2_yr_low95": ("Lower end of its 95 % interval, t CO2 per year", "碳汇量95%区间下限(吨CO2/年)"),
    "sink_tCO2_yr_high95": ("Upper end of its 95 % interval, t CO2 per year", "碳汇量95%区间上限(吨CO2/年)"),
    "sink_tCO2_yr_conservative": ("Conservative sink, lower end of the 90 % interval", "碳汇量保守值(吨CO2/年)"),
    "sink_finding": (
        "gain, loss, unclear (may be zero), or partial (a sum without all zones)",
        "变化判定",
    ),
    "sink_finding_zh": ("Finding in Chinese", "变化判定说明"),
    "comparability": ("Certificate: comparable, conditional, not comparable", "可比性"),
    "comparability_zh": ("Certificate in Chinese, with its reasons", "可比性说明"),
    "method": ("Method", "方法"),
    "method_zh": ("Method in Chinese", "方法说明"),
    "figure_class": ("Classes of the figures: proxy, by satellite, official", "数据口径"),
    "unverified": ("Unverified coefficients that the stock and its interval rest on", "未核实系数"),
    "unverified_zh": ("Unverified coefficients in Chinese", "未核实系数名称"),
    "plausibility": ("Figures outside their plausible range", "合理性检查"),
    "plausibility_zh": ("Figures outside their plausible range in Chinese", "合理性说明"),
    "status": ("Status", "状态"),
    "status_zh": ("Status in Chinese", "状态说明"),
}
"""Columns of the result table in order: English and Chinese title."""

PER_HA = {"sink_tCO2_ha_yr": "sink_tCO2_yr", "carbon_tC_ha": "carbon_tC"}
"""Figures per ha whose interval is that of a total, divided by the area."""

FIGURE_CLASS = (
    "biomass, carbon: proxy, not creditable; area, index, cover: by satellite; declared area, stand volume: official "
    "(生物量、碳：代理，不可作为交易依据；面积、指数、覆盖度：遥感口径；申报面积、小班蓄积：统计口径)"
)


def zone_row(
    model: ZoneModel,
    sketches: dict[str, Sketch],
    baseline: Period | None,
    current: Period,
    min_observed: float,
    certificate: Certificate | None,
) -> dict:
    """The row of one zone, keys `COLUMNS`. Means are taken over the observed part and represent the whole zone; below
    ``min_observed`` totals stay empty. Without a ``certificate``, or if it says not comparable, there is no sink. What
    is not known is None, never 0."""
    zone, sketch = model.zone, sketches[current.label]
    now = stock(model, sketch, current)
    enough = holds_total(model, sketch, min_observed)
    row = _identity(zone) | _state(model, sketch, now, enough)
    row |= {
        "period": current.label,
        "stand_area_fraction": float(model.stands.ground_ha / zone.area_ha) if model.stands else None,
        "stand_stock_year": model.stands.dated(current.years) if model.stands else None,
        "volume_m3": model.volume_m3(current),
        "method": model.method,
        "method_zh": model.method_zh,
        "figure_class": FIGURE_CLASS,
        "unverified": "; ".join(model.unverified) or None,
        "unverified_zh": model.unverified_zh or None,
    }
    seen = sketch.observed_fraction
    notes = [_cover_note(seen, current) if model.stands else _observation_note(seen, enough, current)]
    notes += _ground_notes(model, current)
    if certificate is None:
        notes.append(ONE_PERIOD)
    else:
        then = stock(model, sketches[baseline.label], baseline)["carbon_stock"]
        row |= {"baseline_period": baseline.label, "baseline_carbon_tC_ha": _known(then)} | _verdict(certificate)
        if certificate.verdict == "not comparable":
            notes.append((f"no sink: {certificate.reasons[0]}", f"{certificate.reasons_zh[0]}，不计碳汇"))
        elif enough:
            sink = float(stock_difference(then, now["carbon_stock"], model.years_between(baseline, current)))
            row |= {"sink_tCO2_ha_yr": sink, "sink_tCO2_yr": sink * zone.area_ha}
    english, chinese = zip(*notes, strict=True)
    row |= {"status": "; ".join(english), "status_zh": "；".join(chinese)}
    return row


def _state(model: ZoneModel, sketch: Sketch, means: dict[str, float], enough: bool) -> dict:
    """The columns that both tables have, for a zone in a period or a year with these ``means`` of its stock; a total
    only if ``enough`` was seen."""
    index = _known(sketch.mean_index)
    return {
        "observed_fraction": sketch.observed_fraction,
        "clear_obs_median": sketch.clear_median,
        "open_water_fraction": _known(sketch.water_fraction),
        "index_name": model.index,
        "index_mean": index,
        "ndvi_mean": index if model.index == "ndvi" else None,
        "fvc_mean": _known(means["fvc"]),
        "agb_tDM_ha": _known(means["agb"]),
        "carbon_tC_ha": _known(means["carbon_stock"]),
        "carbon_tC": _known(means["carbon_stock"] * model.zone.area_ha) if enough else None,
    }


def _ground_notes(model: ZoneModel, period: Period) -> Iterator[tuple[str, str]]:
    """Notes for the status on the stands that give the stock of a period, or on the vegetation type used instead."""
    zone, stands = model.zone, model.stands
    if stands and stands.overlap:
        yield stands_overlap(stands.twice_ha)
    if stands and stands.ground_ha / zone.area_ha < FEW_STANDS:
        share = f"{stands.ground_ha / zone.area_ha:.0%}"
        yield f"stands cover {share}, the rest counts as without forest", f"小班仅覆盖{share}，其余按无林计"
    if stands and not min(period.years) <= (date := stands.dated(period.years)) <= max(period.years):
        yield (
            f"the stock is that of the stands of {date:.0f}, not of {period.label}",
            f"储量为{date:.0f}年小班的储量，不是{period.label}年的",
        )
    if not stands and not zone.stratum_given:
        kind = model.ecosystem.strata[zone.stratum]
        yield f"vegetation type not given, taken as {zone.stratum}", f"植被类型未给出，按{kind.names[0]}计"


def stands_overlap(twice_ha: float) -> tuple[str, str]:
    """What the status says of ground that stands count twice, in English and Chinese."""
    return f"stands overlap: {twice_ha:,.1f} ha count twice", f"小班重叠，{twice_ha:,.1f}公顷重复计算"


def holds_total(model: ZoneModel, sketch: Sketch, min_observed: float) -> bool:
    """Whether the observed part of a zone may represent all of it; stands need no observation."""
    return model.stands is not None or seen_enough(sketch.observed_fraction, min_observed)


def _verdict(certificate: Certificate) -> dict:
    said = "；".join(certificate.reasons_zh)
    return {
        "comparability": certificate.verdict,
        "comparability_zh": f"{certificate.verdict_zh}：{said}" if said else certificate.verdict_zh,
    }


def withhold(row: dict, impossible: list[OutOfRange]) -> dict:
    """The row without totals and volume if a figure is impossible, with the reason. The figure itself stays as
    evidence; with an impossible index there is no cover."""
    if not impossible:
        return row
    row = row | dict.fromkeys(("carbon_tC", "volume_m3", "sink_tCO2_ha_yr", "sink_tCO2_yr"))
    row["fvc_mean"] = None if any(f.quantity == "ndvi_mean" for f in impossible) else row["fvc_mean"]
    _say_findings(row, impossible)
    add_status(row, f"no total, {impossible[0]}", f"{impossible[0].zh}，不计总量")
    return row


def say_unusual(row: dict, unusual: list[OutOfRange]) -> None:
    """Say in the row which of its figures are unusual, and in its status that some are."""
    if unusual:
        _say_findings(row, unusual)
        add_status(row, "figures outside usual ranges", "数值超出常见范围，见合理性")


def _say_findings(row: dict, found: list[OutOfRange]) -> None:
    """Write the findings into the row; its status is then not ok, whatever else it says."""
    row |= {"status": row["status"].removeprefix("ok; "), "status_zh": row["status_zh"].removeprefix("正常；")}
    for column, said in (("plausibility", [str(f) for f in found]), ("plausibility_zh", [f.zh for f in found])):
        row[column] = mark(column).join(filter(None, (row[column], *said)))


def add_status(row: dict, english: str, chinese: str) -> None:
    """Add a note to the status of a row, which is then no longer just ok."""
    for column, text in (("status", english), ("status_zh", chinese)):
        row[column] = text if row[column] in ("ok", "正常") else f"{row[column]}{mark(column)}{text}"


def mark(column: str) -> str:
    """Separator between the notes in a column."""
    return "；" if column.endswith("_zh") else "; "


def _identity(zone: Zone) -> dict:
    """A row with only the columns that identify the zone."""
    return dict.fromkeys(COLUMNS) | {
        "level": "zone",
        "zone_id": zone.id,
        "name_zh": zone.name,
        "ecosystem": zone.ecosystem,
        "area_ha": zone.area_ha,
        "area_wanmu": zone.area_ha / HA_PER_WANMU,
        "declared_wanmu": zone.declared_wanmu,
    }


def failed_row(zone: Zone, reason: str) -> dict:
    """The row of a zone that could not be computed: its identity and the reason."""
    return _identity(zone) | {
        "status": f"failed: {reason}",
        "status_zh": f"计算失败：{reason}",
    }


YEAR_COLUMNS = ("level", "zone_id", "name_zh", "ecosystem", "year", "observed_fraction", "clear_obs_median",
                "open_water_fraction", "index_name", "index_mean", "ndvi_mean", "fvc_mean", "fvc_mean_low95",
                "fvc_mean_high95", "agb_tDM_ha", "carbon_tC_ha", "carbon_tC", "carbon_tC_low95",
                "carbon_tC_high95")  # fmt: skip


def year_rows(model: ZoneModel, sketches: dict[str, Sketch], years: list[int], min_observed: float) -> list[dict]:
    """One row a year of a zone, keys `YEAR_COLUMNS`: the state at the yearly peak, empty where not observed; below
    ``min_observed`` without a total."""
    zone = model.zone
    named = {"level": "zone", "zone_id": zone.id, "name_zh": zone.name, "ecosystem": zone.ecosystem}
    return [
        dict.fromkeys(YEAR_COLUMNS)
        | named
        | {"year": year}
        | _state(model, sketch, stock(model, sketch, Period((year,))), holds_total(model, sketch, min_observed))
        for year in years
        for sketch in [sketches[str(year)]]
    ]


def _observation_note(observed: float, enough: bool, period: Period) -> tuple[str, str]:
    if observed == 0:
        return f"no data: no clear observation in {period.label}", f"无数据：{period.label}年无晴空观测"
    if not enough:
        return f"{observed:.0%} observed, too little for a total", f"有效观测仅{observed:.0%}，不计总量"
    if observed < 0.995:
        return (
            f"ok; {1 - observed:.1%} unobserved, taken as the mean of the rest",
            f"正常；{1 - observed:.1%}未观测，按其余部分均值计",
        )
    return "ok", "正常"


def _cover_note(observed: float, period: Period) -> tuple[str, str]:
    """The note on a zone with stands, whose stock needs no observation."""
    if observed == 0:
        return (
            f"ok; no clear observation in {period.label}, so no cover; the stock is by stands",
            f"正常；{period.label}年无晴空观测，覆盖度未知，储量按小班计",
        )
    if observed < 0.995:
        return (
            f"ok; {1 - observed:.1%} unobserved, its cover taken as the mean of the rest; the stock is by stands",
            f"正常；{1 - observed:.1%}未观测，覆盖度按其余部分均值计，储量按小班计",
        )
    return "ok", "正常"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
