"""Zone totals from sketches and stands: the rows of the result table. Pure."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.carbon import HA_PER_WANMU, stock_difference
from pipeline.ecosystems import Ecosystem
from pipeline.sketch import Sketch, per_level
from pipeline.stands import ZoneStands
from pipeline.vegetation import EndMembers
from pipeline.zones import Zone

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
    "ndvi_mean": ("Mean peak NDVI", "平均NDVI"),
    "fvc_mean": ("Mean fractional vegetation cover by satellite", "遥感植被覆盖度"),
    "agb_tDM_ha": ("Above-ground biomass, t dry matter per ha", "地上生物量(吨干物质/公顷)"),
    "carbon_tC_ha": ("Biomass carbon stock, t C per ha", "生物量碳密度(吨碳/公顷)"),
    "carbon_tC": ("Biomass carbon stock, t C", "生物量碳储量(吨碳)"),
    "baseline_period": ("Years of the baseline", "基准期(年)"),
    "baseline_carbon_tC_ha": ("Biomass carbon stock of the baseline, t C per ha", "基准期碳密度(吨碳/公顷)"),
    "sink_tCO2_ha_yr": ("Carbon sink, t CO2 per ha and year, removal positive", "碳汇强度(吨CO2/公顷/年, 吸收为正)"),
    "sink_tCO2_yr": ("Carbon sink, t CO2 per year, removal positive", "碳汇量(吨CO2/年, 吸收为正)"),
    "method": ("Method", "方法"),
    "status": ("Status", "状态"),
    "status_zh": ("Status in Chinese", "状态说明"),
}
"""Columns of the result table in order: English and Chinese title."""


@dataclass(frozen=True)
class Period:
    """A window of years; ``label`` is how files and tables call it, such as 2019-2021."""

    years: tuple[int, ...]

    @property
    def label(self) -> str:
        return str(self.years[0]) if len(self.years) == 1 else f"{min(self.years)}-{max(self.years)}"


@dataclass(frozen=True)
class ZoneModel:
    """All that turns the sketches of a zone into biomass and carbon; without ``stands`` by index alone."""

    zone: Zone
    ecosystem: Ecosystem
    end_members: EndMembers
    stands: ZoneStands | None

    @cached_property
    def responses(self) -> dict[str, np.ndarray]:
        """fvc (1), agb (t DM/ha) and carbon_stock (t C/ha) per index level, float32 (20001,)."""
        names = ("fvc", "agb", "carbon_stock")
        return {
            name: per_level(
                lambda index, name=name: self.ecosystem.respond(index, self.end_members, self.zone.stratum)[name]
            )
            for name in names
        }

    def fingerprint(self, variable: str, periods: list[Period]) -> str:
        """Digest of the numbers that the map of a variable applies to the composites."""
        source = "carbon_stock" if variable == "sink" else variable
        if self.stands and source in ("agb", "carbon_stock"):
            parts = [self.stand_density(period)[source].tobytes() for period in periods]
            parts += [polygon.wkb for polygon in self.stands.geometry]
        else:
            parts = [self.responses[source].tobytes()] if source in self.responses else []
        if variable == "sink":
            parts.append(repr(self.years_between(periods[0], periods[-1])).encode())
        return hashlib.sha256(b"|".join(parts)).hexdigest()[:32]

    @property
    def method(self) -> str:
        return self.ecosystem.stand_method if self.stands else self.ecosystem.method

    def stand_density(self, period: Period) -> dict[str, np.ndarray]:
        """agb (t DM/ha) and carbon_stock (t C/ha) of each stand at the date of the period."""
        agb, carbon = self.stands.stock(self.ecosystem, self.stands.dated(period.years))
        return {"agb": agb, "carbon_stock": carbon}

    def years_between(self, baseline: Period, current: Period) -> float:
        """Years between the dates at which the stocks of two periods are known."""
        if self.stands:
            return self.stands.dated(current.years) - self.stands.dated(baseline.years)
        return float(np.mean(current.years) - np.mean(baseline.years))

    def incomparable(self, baseline: Period | None, current: Period) -> tuple[str, str] | None:
        """Why the two periods give no sink, in English and Chinese; None where they do."""
        if baseline is None:
            return "no sink: one period only", "仅一期, 不计碳汇"
        if self.stands:
            if self.years_between(baseline, current) > 0:
                return None
            return "no sink: the inventories do not span both periods", "清查年份未跨越两期, 不计碳汇"
        short = min(len(baseline.years), len(current.years))
        if short < self.ecosystem.min_window_years:
            need = self.ecosystem.min_window_years
            return f"no sink: a period has {short} years, {need} are needed", f"时段仅{short}年, 少于{need}年, 不计碳汇"
        return None


def stock(model: ZoneModel, sketch: Sketch, period: Period) -> dict[str, float]:
    """Zone means of the stock: fvc (1), agb (t DM/ha), carbon_stock (t C/ha); NaN where nothing is known.

    Stands count by their area in the zone; what lies outside the stands of an inventoried zone is no forest.
    """
    means = {name: sketch.mean(levels) for name, levels in model.responses.items()}
    if model.stands:
        for name, density in model.stand_density(period).items():
            means[name] = float((model.stands.area_ha * density).sum() / model.zone.area_ha)
    return means


def zone_row(
    model: ZoneModel, sketches: dict[str, Sketch], baseline: Period | None, current: Period, min_observed: float
) -> dict:
    """The row of one zone, keys `COLUMNS`. Means are over the observed part and stand for the whole zone; below
    ``min_observed`` they do not, and totals stay empty. What is not known is None, never 0."""
    zone, sketch = model.zone, sketches[current.label]
    now = stock(model, sketch, current)
    enough = model.stands is not None or sketch.observed_fraction >= max(min_observed, 1e-9)
    row = _identity(zone) | {
        "period": current.label,
        "observed_fraction": sketch.observed_fraction,
        "clear_obs_median": sketch.clear_median,
        "open_water_fraction": _known(sketch.water_fraction),
        "stand_area_fraction": float(model.stands.area_ha.sum() / zone.area_ha) if model.stands else None,
        "ndvi_mean": _known(sketch.mean_index),
        "fvc_mean": _known(now["fvc"]),
        "agb_tDM_ha": _known(now["agb"]),
        "carbon_tC_ha": _known(now["carbon_stock"]),
        "carbon_tC": _known(now["carbon_stock"] * zone.area_ha) if enough else None,
        "method": model.method,
    }
    notes = [_observation_note(sketch.observed_fraction, enough, current)]
    why = model.incomparable(baseline, current)
    if why is None:
        then_sketch = sketches[baseline.label]
        if model.stands is None and then_sketch.observed_fraction < max(min_observed, 1e-9):
            why = (
                f"no sink: {then_sketch.observed_fraction:.0%} observed in {baseline.label}",
                f"{baseline.label}年有效观测仅{then_sketch.observed_fraction:.0%}, 不计碳汇",
            )
        then = stock(model, then_sketch, baseline)["carbon_stock"]
        row |= {"baseline_period": baseline.label, "baseline_carbon_tC_ha": _known(then)}
        if why is None and enough:
            sink = float(stock_difference(then, now["carbon_stock"], model.years_between(baseline, current)))
            row |= {"sink_tCO2_ha_yr": sink, "sink_tCO2_yr": sink * zone.area_ha}
    notes += [why] if why else []
    row["status"], row["status_zh"] = ("; ".join(part) for part in zip(*notes, strict=True))
    return row


def _identity(zone: Zone) -> dict:
    """A row that says which zone it is, and nothing else yet."""
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
    """The row of a zone that could not be computed: what it is and why it has no number."""
    return _identity(zone) | {
        "status": f"failed: {reason}",
        "status_zh": f"计算失败: {reason}",
    }


YEAR_COLUMNS = ("zone_id", "name_zh", "ecosystem", "year", "observed_fraction", "clear_obs_median",
                "open_water_fraction", "ndvi_mean", "fvc_mean", "agb_tDM_ha", "carbon_tC_ha", "carbon_tC")  # fmt: skip


def year_rows(model: ZoneModel, sketches: dict[str, Sketch], years: list[int]) -> list[dict]:
    """One row a year of a zone, keys `YEAR_COLUMNS`: the state at the yearly peak, empty where not observed."""
    rows = []
    for year in years:
        sketch = sketches[str(year)]
        means = stock(model, sketch, Period((year,)))
        rows.append(
            {
                "zone_id": model.zone.id,
                "name_zh": model.zone.name,
                "ecosystem": model.zone.ecosystem,
                "year": year,
                "observed_fraction": sketch.observed_fraction,
                "clear_obs_median": sketch.clear_median,
                "open_water_fraction": _known(sketch.water_fraction),
                "ndvi_mean": _known(sketch.mean_index),
                "fvc_mean": _known(means["fvc"]),
                "agb_tDM_ha": _known(means["agb"]),
                "carbon_tC_ha": _known(means["carbon_stock"]),
                "carbon_tC": _known(means["carbon_stock"] * model.zone.area_ha),
            }
        )
    return rows


def _observation_note(observed: float, enough: bool, period: Period) -> tuple[str, str]:
    if observed == 0:
        return f"no data: no clear observation in {period.label}", f"无数据: {period.label}年无晴空观测"
    if not enough:
        return f"{observed:.0%} observed, too little for a total", f"有效观测仅{observed:.0%}, 不计总量"
    if observed < 0.995:
        return (
            f"ok; {1 - observed:.1%} unobserved, taken as the mean of the rest",
            f"正常; {1 - observed:.1%}未观测, 按其余部分均值计",
        )
    return "ok", "正常"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


SUMS = ("area_ha", "area_wanmu", "declared_wanmu", "carbon_tC", "sink_tCO2_yr")
MEANS = ("observed_fraction", "open_water_fraction", "ndvi_mean", "fvc_mean", "agb_tDM_ha", "carbon_tC_ha",
         "baseline_carbon_tC_ha", "sink_tCO2_ha_yr")  # fmt: skip

GROUP_NAMES = {"forest": "森林合计", "grassland": "草原合计", "wetland": "湿地合计", "city": "全市合计"}


def group_rows(rows: list[dict], ecosystems: list[str]) -> list[dict]:
    """A row for each ecosystem and one for the city: sums, and means weighted by area, of the zones that have
    the number; the status says where zones lack it."""
    groups = [(name, [row for row in rows if row["ecosystem"] == name]) for name in ecosystems]
    return [_group_row("ecosystem", name, members) for name, members in groups if members] + [
        _group_row("city", "city", rows)
    ]


def _group_row(level: str, name: str, members: list[dict]) -> dict:
    row = dict.fromkeys(COLUMNS) | {"level": level, "zone_id": name, "name_zh": GROUP_NAMES[name], "ecosystem": name}
    for column in SUMS:
        known = [member[column] for member in members if member[column] is not None]
        row[column] = float(np.sum(known)) if known else None
    for column in MEANS:
        known = [(member[column], member["area_ha"]) for member in members if member[column] is not None]
        values, areas = np.array(known).T if known else (None, None)
        row[column] = float((values * areas).sum() / areas.sum()) if known else None
    for column in ("period", "baseline_period", "method"):
        values = list(dict.fromkeys(member[column] for member in members if member[column]))
        row[column] = " | ".join(values) or None
    lacking = {column: len([m for m in members if m[column] is None]) for column in ("carbon_tC", "sink_tCO2_yr")}
    total = len(members)
    parts = [
        (f"{column} lacks {n} of {total} zones", f"{COLUMNS[column][1]}缺{n}/{total}个片区")
        for column, n in lacking.items()
        if n
    ]
    row["status"], row["status_zh"] = (
        ("; ".join(part) for part in zip(*parts, strict=True)) if parts else ("ok", "正常")
    )
    return row
