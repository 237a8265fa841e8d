"""The rows of ecosystems and city in the tables: sums and means of their zones, and for how many zones a finding holds.
Pure."""

from collections.abc import Iterable, Mapping

import numpy as np

from pipeline.ecosystems.base import Ecosystem
from pipeline.ecosystems.names import names_zh
from pipeline.stock.sketch import seen_enough
from pipeline.stock.zone_model import SHRUB_PATH
from pipeline.totals.comparability import VERDICT_ZH
from pipeline.totals.zone_totals import COLUMNS, ONE_PERIOD, YEAR_COLUMNS, add_status, mark, stands_overlap
from pipeline.zones.zone import GROUP_NAMES

SUMS = ("area_ha", "area_wanmu", "declared_wanmu", "carbon_tC", "volume_m3", "sink_tCO2_yr")
MEANS = ("observed_fraction", "open_water_fraction", "ndvi_mean", "fvc_mean", "agb_tDM_ha", "carbon_tC_ha",
         "baseline_carbon_tC_ha", "sink_tCO2_ha_yr")  # fmt: skip
SEEN, HELD = ("ndvi_mean", "fvc_mean"), ("agb_tDM_ha", "carbon_tC_ha")
"""Means that depend on the observed part of a zone, and means that depend on its stock."""

MIN_SHARED_HA = 0.1
"""Ground shared by zones of a group, ha, from which the status mentions it."""


def counted(row: dict, min_observed: float) -> dict:
    """The row of a zone as groups count it: without means if less than ``min_observed`` of the zone was seen, and
    without densities if its total is withheld. These stay in the zone's own row; in a group they would represent all of
    the zone."""
    left_out = () if seen_enough(row["observed_fraction"] or 0, min_observed) else SEEN
    left_out += (*HELD, "baseline_carbon_tC_ha", "sink_tCO2_ha_yr") if row["carbon_tC"] is None else ()
    return row | dict.fromkeys(left_out)


def as_counted(rows: list[dict], min_observed: float) -> list[dict]:
    """The rows of the result table, those of zones as `counted`: they show what a group lacks."""
    return [counted(row, min_observed) if row["level"] == "zone" else row for row in rows]


def group_rows(rows: list[dict], ecosystems: Mapping[str, Ecosystem]) -> list[dict]:
    """A row for each ecosystem and one for the city: sums, and means weighted by area, over the zones (as `counted`)
    that have the number, and the date of the stands if all have the same; the status counts the zones that lack a
    number, are not fully comparable or lie outside usual ranges. A sink that lacks some of the zones is a ``partial``
    finding."""
    return [
        _group_row(level, name, members) | _unverified(members, ecosystems)
        for level, name, members in _groups(rows, ecosystems)
    ]


def year_group_rows(by_year: list[dict], rows: list[dict], ecosystems: list[str], min_observed: float) -> list[dict]:
    """One row a year of each ecosystem and of the city, keys `YEAR_COLUMNS`: means weighted by area and a total, each
    only if all zones have it, so that years are comparable. An index or a cover needs ``min_observed`` of the zone to
    be seen; a stock by stands needs no observation. ``rows`` are those of the zones."""
    found = []
    for level, name, members in _groups(rows, ecosystems):
        areas = {row["zone_id"]: row["area_ha"] for row in members}
        for year in dict.fromkeys(row["year"] for row in by_year):
            own = [row | {"area_ha": areas[row["zone_id"]]} for row in by_year
                   if row["year"] == year and row["zone_id"] in areas]  # fmt: skip
            stocks, covers = ([row[column] for row in own] for column in ("carbon_tC", "fvc_mean"))
            whole = len(own) == len(members)
            means = ["observed_fraction", "open_water_fraction"]
            if whole and all(seen_enough(row["observed_fraction"], min_observed) for row in own):
                means += SEEN if None not in covers else ["ndvi_mean"]
            if whole and None not in stocks:
                means += HELD
            found.append(
                dict.fromkeys(YEAR_COLUMNS)
                | _group_identity(level, name)
                | {column: _mean(own, column) for column in means}
                | {"year": year, "index_name": _joined(own, "index_name")}
                | {"carbon_tC": float(np.sum(stocks)) if whole and None not in stocks else None}
            )
    return found


def _groups(rows: list[dict], ecosystems: Iterable[str]) -> list[tuple[str, str, list[dict]]]:
    """Level, name and rows of each ecosystem that has zones, then of the city."""
    members = {name: [row for row in rows if row["ecosystem"] == name] for name in ecosystems}
    return [*(("ecosystem", name, own) for name, own in members.items() if own), ("city", "city", rows)]


def _group_identity(level: str, name: str) -> dict:
    return {"level": level, "zone_id": name, "name_zh": GROUP_NAMES[name], "ecosystem": name}


def _mean(members: list[dict], column: str) -> float | None:
    """Mean of a column, weighted by area, over the members that have it."""
    known = [(member[column], member["area_ha"]) for member in members if member[column] is not None]
    values, areas = np.array(known).T if known else (None, None)
    return float((values * areas).sum() / areas.sum()) if known else None


def _joined(members: list[dict], column: str) -> str | None:
    return " | ".join(dict.fromkeys(member[column] for member in members if member[column])) or None


def _group_row(level: str, name: str, members: list[dict]) -> dict:
    row = dict.fromkeys(COLUMNS) | _group_identity(level, name)
    for column in SUMS:
        known = [member[column] for member in members if member[column] is not None]
        row[column] = float(np.sum(known)) if known else None
    if lacking_zh(members, "declared_wanmu"):  # part of what was declared is no sum to compare with
        row["declared_wanmu"] = None
    row |= {column: _mean(members, column) for column in MEANS}
    # a density and its baseline are compared: both are of the same zones
    both = [m for m in members if None not in (m["carbon_tC_ha"], m["baseline_carbon_tC_ha"])]
    row |= {column: _mean(both, column) for column in ("carbon_tC_ha", "baseline_carbon_tC_ha") if both}
    dates = {member["stand_stock_year"] for member in members} - {None}
    row["stand_stock_year"] = dates.pop() if len(dates) == 1 else None
    joined = ("period", "baseline_period", "index_name", "method", "method_zh", "figure_class")
    row |= {column: _joined(members, column) for column in joined}
    if row["sink_tCO2_yr"] is not None and (lacking := lacking_zh(members, "sink_tCO2_yr")):
        row |= {"sink_finding": "partial", "sink_finding_zh": lacking}
    row["status"], row["status_zh"] = _status(members)
    return row


def lacking_zh(members: list[dict], column: str) -> str:
    """How many zones a sum lacks, in Chinese; "" if it lacks none."""
    number = sum(member[column] is None for member in members)
    return f"缺{number}/{len(members)}个片区" if number else ""


def _unverified(members: list[dict], ecosystems: Mapping[str, Ecosystem]) -> dict:
    """The unverified coefficients of the members, each once, by their paths and in Chinese."""
    listed = [
        (member["ecosystem"], path)
        for member in members
        if member["unverified"]
        for path in member["unverified"].split(mark("unverified"))
    ]
    full = [path if path.startswith(SHRUB_PATH) else f"{ecosystem}.{path}" for ecosystem, path in listed]
    return {
        "unverified": mark("unverified").join(dict.fromkeys(path for _, path in listed)) or None,
        "unverified_zh": names_zh(ecosystems, full) or None,
    }


def _status(members: list[dict]) -> tuple[str, str]:
    """How many zones lack a total, are not fully comparable or lie outside usual ranges, in English and Chinese."""
    total = len(members)
    compared = any(member["baseline_period"] for member in members)

    def count(column: str, value: str | None) -> int:
        return sum(member[column] == value for member in members)

    said = []
    for column, zh in (("carbon_tC", "生物量碳储量"), *([("sink_tCO2_yr", "碳汇量")] if compared else [])):
        if number := count(column, None):
            said.append((f"{column} lacks {number} of {total} zones", f"{zh}缺{number}/{total}个片区"))
    for verdict, zh in VERDICT_ZH.items():
        if verdict != "comparable" and (number := count("comparability", verdict)):
            said.append((f"{number} of {total} zones {verdict}", f"{number}/{total}个片区{zh}"))
    if number := total - count("plausibility", None):
        said.append((f"{number} of {total} zones outside usual ranges", f"{number}/{total}个片区超出常见范围"))
    said = said or [("ok", "正常")]
    said += [] if compared else [ONE_PERIOD]
    english, chinese = zip(*said, strict=True)
    return "; ".join(english), "；".join(chinese)


def say_areas(rows: list[dict], ledger: list[dict], stands_twice_ha: float = 0) -> None:
    """Add to the status that an area is beyond tolerance, or that a sum of an ecosystem or the city counts ground
    twice: ground of several zones, and the ``stands_twice_ha`` of several stands."""
    areas = {row["zone_id"]: row for row in ledger}
    for row in rows:
        own = areas.get(row["zone_id"], {"status": "ok", "overlap_ha": 0})
        said = [] if own["status"] == "ok" else [(own["status"], own["status_zh"])]
        if row["level"] != "zone" and own["overlap_ha"] >= MIN_SHARED_HA:
            twice, union = own["overlap_ha"], own["counted_ha"]
            said.append((
                f"{twice:,.1f} ha count twice: the union of the zones is {union:,.1f} ha",
                f"片区重叠，{twice:,.1f}公顷重复计算，去重面积{union:,.1f}公顷",
            ))  # fmt: skip
        if stands_twice_ha and row["zone_id"] in ("forest", "city"):
            said.append(stands_overlap(stands_twice_ha))
        for pair in said:
            add_status(row, *pair)
