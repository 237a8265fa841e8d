"""Intervals of totals and the causes of their width: the rows of ``intervals.csv``, the columns of the result table.
Pure."""

from collections.abc import Mapping
from dataclasses import asdict

from pipeline.totals.realisations import Quantity, Realisations, shares_of
from pipeline.uncertainty.monte_carlo import interval, variance_shares
from pipeline.uncertainty.varying import CAUSES, CAUSES_ZH

INTERVAL_COLUMNS: dict[str, tuple[str, str]] = {
    "level": ("Level: zone, ecosystem or city", "层级"),
    "zone_id": ("Zone", "片区编号"),
    "quantity": ("Quantity with its unit", "指标（含单位）"),
    "period": (
        "Years; of the sink, a difference from the baseline, and of the volume those of the current period",
        "时期（年；碳汇为与基准期之差，与蓄积均记现状期）",
    ),
    "estimate": ("Estimate", "估计值"),
    "mean": ("Mean of the draws", "模拟均值"),
    "median": ("Median of the draws", "模拟中位数"),
    "p2_5": ("Lower end of the 95 % interval", "95%区间下限"),
    "p5": ("Lower end of the 90 % interval", "90%区间下限"),
    "p95": ("Upper end of the 90 % interval", "90%区间上限"),
    "p97_5": ("Upper end of the 95 % interval", "95%区间上限"),
    "conservative": ("Conservative value, lower end of the 90 % interval", "保守值（90%区间下限）"),
    **{
        f"share_{cause}": (f"Share of the variance: {cause.replace('_', ' ')}", f"方差占比：{CAUSES_ZH[cause]}")
        for cause in CAUSES
    },
}
"""Columns of ``intervals.csv``: English and Chinese title. The shares of a row add up to 1."""

FINDINGS = {
    "gain": ("gain", "碳增加"),
    "loss": ("loss", "碳减少"),
    "unclear": ("not distinguishable from zero", "变化不显著"),
}
"""Findings from the 95 % interval of a change, as printed in English and in Chinese."""


def add_intervals(
    drawn: Mapping[str, Realisations], rows: list[dict], counted: list[dict], by_year: list[dict], current: str
) -> list[dict]:
    """Put the results of the draws into the rows of the result table and of the years; returns the rows of
    ``intervals.csv`` for zones, ecosystems and city. ``counted`` are the rows of the zones as groups count them
    (`group_totals.counted`), ``current`` is the label of the current period; empty if no zone has draws."""
    if not drawn:
        return []
    years = {(row["zone_id"], str(row["year"])): row for row in by_year}
    estimates, in_groups = (
        {row["zone_id"]: _estimates(row, by_year, current) for row in of_zones if row["zone_id"] in drawn}
        for of_zones in (rows, counted)
    )
    known = {zone: drawn[zone].only(estimates[zone]) for zone in estimates}
    table = []
    for row in rows:
        zone = row["zone_id"]
        if row["level"] == "zone" and zone not in known:
            continue  # a zone that failed
        if zone in known:
            realisations, expected = known[zone], estimates[zone]
        else:
            realisations, expected = _group(row["ecosystem"], counted, drawn, in_groups)
            # a year's total that one of its zones lacks is not given for the group
            empty = {(name, label) for name, label in expected
                     if label != current and years.get((zone, label), {}).get(name, 0) is None}  # fmt: skip
            realisations = realisations.only(expected.keys() - empty)
        own = interval_rows(row["level"], zone, realisations, expected)
        partial = {name: row[name] for name in ("sink_finding", "sink_finding_zh") if row["sink_finding"]}
        row |= interval_columns(own, current) | partial  # a sum that lacks a zone gives no finding for all
        for line in own:
            name, year = line["quantity"], years.get((zone, line["period"]), {})
            if year.get(name) is not None:
                year |= {f"{name}_low95": line["p2_5"], f"{name}_high95": line["p97_5"]}
        table += own
    return table


def _estimates(row: dict, by_year: list[dict], current: str) -> dict:
    """The figures of a zone that have a value, by quantity and period. If the current period is a single year, those of
    ``row`` replace that year's, also if ``row`` withholds one that the year has."""
    figures = {}
    for year in by_year:
        if year["zone_id"] == row["zone_id"]:
            figures |= {(name, str(year["year"])): year[name] for name in ("carbon_tC", "fvc_mean")}
    figures |= {(name, current): row[name] for name in ("carbon_tC", "fvc_mean", "volume_m3", "sink_tCO2_yr")}
    return {quantity: value for quantity, value in figures.items() if value is not None}


def _group(
    ecosystem: str, rows: list[dict], drawn: Mapping[str, Realisations], estimates: Mapping[str, Mapping]
) -> tuple[Realisations, dict[Quantity, float]]:
    """Realisations and estimates of the zones of an ecosystem, or of the ``city``, together."""
    members = [row for row in rows if row["zone_id"] in drawn and ecosystem in ("city", row["ecosystem"])]
    areas = {row["zone_id"]: row["area_ha"] for row in members}
    whole = Realisations.together([drawn[zone].only(estimates[zone]) for zone in areas], list(areas.values()))
    return whole, {quantity: _estimate(quantity, areas, estimates) for quantity in whole.all}


def _estimate(quantity: Quantity, areas: Mapping[str, float], estimates: Mapping[str, Mapping]) -> float:
    """The figure of several zones: the sum or mean of those that have it."""
    shares = shares_of(quantity, {zone: area for zone, area in areas.items() if quantity in estimates[zone]})
    return sum(share * estimates[zone][quantity] for zone, share in shares.items())


def interval_rows(level: str, zone_id: str, realisations: Realisations, estimates: Mapping) -> list[dict]:
    """A row for each quantity and period of a zone, an ecosystem or the city, keys `INTERVAL_COLUMNS`."""
    rows = []
    for quantity, draws in realisations.all.items():
        found = interval(draws)
        shares = variance_shares(realisations.by_cause.get(quantity, {}))
        rows.append(
            dict.fromkeys(INTERVAL_COLUMNS)
            | {"level": level, "zone_id": zone_id, "quantity": quantity[0], "period": quantity[1]}
            | {"estimate": estimates[quantity], "conservative": found.p5}
            | asdict(found)
            | {f"share_{cause}": share for cause, share in shares.items()}
        )
    return rows


def finding_of(low95: float, high95: float) -> str:
    """gain, loss, or unclear if the 95 % interval of a change includes zero."""
    if low95 <= 0 <= high95:
        return "unclear"
    return "gain" if low95 > 0 else "loss"


def interval_columns(rows: list[dict], current: str) -> dict:
    """The columns of the result table on the intervals of one zone or group: the 95 % ends of the current figures, the
    conservative values, the finding on the sink, and the main cause of its uncertainty."""
    found: dict = {}
    for row in rows:
        if row["period"] != current:
            continue
        name = row["quantity"]
        found |= {f"{name}_low95": row["p2_5"], f"{name}_high95": row["p97_5"]}
        if name in ("carbon_tC", "sink_tCO2_yr"):
            found[f"{name}_conservative"] = row["conservative"]
        if name == "sink_tCO2_yr":
            found["sink_finding"] = finding_of(row["p2_5"], row["p97_5"])
            found["sink_finding_zh"] = FINDINGS[found["sink_finding"]][1]
        if name == "carbon_tC":
            causes = {cause: row[f"share_{cause}"] or 0.0 for cause in CAUSES}
            main = max(causes, key=causes.get)
            found["main_cause"] = f"{CAUSES_ZH[main]} {causes[main]:.0%}" if causes[main] else None
    return found
