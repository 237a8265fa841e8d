"""Where a figure of an ecosystem or of all zones comes from: the figures of its zones, and their sum or mean."""

from pipeline.errors import ConfigError
from pipeline.questions.explain import DRAWN, METRICS, causes_of, drawn_interval
from pipeline.questions.finished import FinishedRun
from pipeline.totals.group_totals import counted
from pipeline.totals.zone_totals import COLUMNS, PER_HA
from pipeline.zones.zone import GROUP_NAMES

SUMS = {"carbon_tC": "t C", "sink_tCO2_yr": "t CO2/yr", "volume_m3": "m3", "area_ha": "ha"}
MEANS = {
    "carbon_tC_ha": "t C/ha", "agb_tDM_ha": "t DM/ha", "fvc_mean": "1", "ndvi_mean": "1",
    "sink_tCO2_ha_yr": "t CO2/ha/yr",
}  # fmt: skip
"""Figures that zones add up to, and those that are averaged by area, with their units."""


def explain_group(run: FinishedRun, group: str, metric: str) -> dict:
    """The figure of the current period of an ecosystem or the ``city``: the sum of those of its zones, or their mean by
    area, over the zones that have it; JSON values. Raises ConfigError for a group or metric that the run does not
    have."""
    members = [entry for entry in run.all_zones if group in ("city", entry["ecosystem"])]
    if not members:
        raise ConfigError(f"the run has no zone of {group}; its zones are {', '.join(run.zones)}")
    if metric not in SUMS | MEANS:
        known = ", ".join(name for name in METRICS if name in SUMS | MEANS)
        raise ConfigError(f"zones taken together have no {metric}; ask for one of {known}")
    least = run.record["config"]["min_observed_fraction"]
    rows = {entry["id"]: counted(dict.fromkeys(COLUMNS) | entry["figures"], least) for entry in members}
    figures = [(entry, rows[entry["id"]][metric]) for entry in members]
    if metric == "carbon_tC_ha" and any(row["baseline_carbon_tC_ha"] is not None for row in rows.values()):
        # as in the table: it stands beside its baseline, of the same zones
        lacking = [zone for zone, row in rows.items() if row["baseline_carbon_tC_ha"] is None]
        figures = [(entry, None if entry["id"] in lacking else value) for entry, value in figures]
    having = [(value, entry["area_ha"]) for entry, value in figures if value is not None]
    lacking = [entry["id"] for entry, value in figures if value is None]
    # the interval is that of a total: one per ha is its share by area only where it is of the same zones
    drawn = DRAWN.get(metric, "")
    same = lacking == [zone for zone, row in rows.items() if row.get(drawn) is None]
    total, area = sum(value * (1 if metric in SUMS else by) for value, by in having), sum(by for _, by in having)
    english, chinese = COLUMNS[metric]
    return {
        "group": {"id": group, "name": GROUP_NAMES[group]},
        "metric": metric,
        "title": english,
        "title_zh": chinese,
        "period": run.current.label,
        "value": (total if metric in SUMS else total / area) if having else None,
        "unit": (SUMS | MEANS)[metric],
        "status": run.status(group),
        "formula": "sum of the zones" if metric in SUMS else "sum of figure x area of the zones / sum of their areas",
        "lacking": lacking,
        "zones": [
            {"id": entry["id"], "name": entry["name"], "value": value, "area_ha": entry["area_ha"]}
            for entry, value in figures
        ],
        "interval": _interval(run, group, metric, area) if same else None,
        "note": run.note_of(entry["id"] for entry in members),
        "versions": run.record["versions"],
        "finished": run.record["finished"],
    }


def _interval(run: FinishedRun, group: str, metric: str, area_ha: float) -> dict | None:
    row = run.intervals(group).get((DRAWN.get(metric, ""), run.current.label))
    if row is None:
        return None
    by = area_ha if metric in PER_HA else 1
    return drawn_interval(run, row, by, causes_of(row))
