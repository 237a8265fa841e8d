"""Where one figure of a finished run comes from: formula, coefficients, scenes, ground seen, boundary, interval. It
reads what the run recorded and its sketches, no scene and no raster."""

from dataclasses import asdict

import numpy as np

from pipeline.ecosystems import BinnedCoefficient
from pipeline.ecosystems.names import name_zh
from pipeline.errors import ConfigError
from pipeline.questions.finished import FinishedRun, tables_of
from pipeline.questions.formulas import steps
from pipeline.stock.sketch import Sketch
from pipeline.stock.zone_model import SHRUB_PATH, Period, ZoneModel
from pipeline.totals.zone_totals import COLUMNS, PER_HA, holds_total
from pipeline.uncertainty.varying import CAUSES_ZH

METRICS = ("carbon_tC", "carbon_tC_ha", "agb_tDM_ha", "fvc_mean", "index_mean", "ndvi_mean", "sink_tCO2_yr",
           "sink_tCO2_ha_yr", "volume_m3", "area_ha")  # fmt: skip
"""Columns of the result table that can be explained."""

DRAWN = {name: name for name in ("carbon_tC", "fvc_mean", "sink_tCO2_yr", "volume_m3")} | PER_HA
"""The drawn quantity whose interval is that of a metric."""


def explain(run: FinishedRun, zone: str, metric: str, year: int | None = None) -> dict:
    """Everything that a figure of the result table depends on, or with ``year`` one of the table of years; JSON values.
    ``value`` is None if the run gives none, and ``status`` says why. Raises ConfigError for a zone, metric or year that
    the run does not have."""
    _refuse_unknown(run, zone, metric, year)
    entry, model, sketches = run.zones[zone], run.model(zone), run.sketches(zone)
    period = Period((year,)) if year else run.current
    sink = metric.startswith("sink")
    then = (run.baseline, sketches[run.baseline.label]) if sink and run.baseline else None
    sketch = sketches[period.label]
    least = run.record["config"]["min_observed_fraction"]
    figures = entry["figures"]
    withheld = year is not None and _withheld(figures, metric)
    given = metric == "area_ha" or (_known(model, sketch, metric, least) if year else metric in figures)
    given = given and not withheld
    found = steps(metric, model, (period, sketch), then) if given else []
    english, chinese = COLUMNS[metric]
    years = sorted({*(run.baseline.years if then else ()), *period.years})
    return {
        "zone": {key: entry[key] for key in ("id", "name", "ecosystem", "stratum")},
        "metric": metric,
        "title": english,
        "title_zh": chinese,
        "period": f"{then[0].label} to {period.label}" if then else period.label,
        "value": found[-1].value if found else None,
        "unit": found[-1].unit if found else None,
        "status": figures["status"] if not year or withheld else "ok" if given else _unknown(sketch, year),
        "note": run.note_of([zone]),
        "method": model.method if metric.startswith(("carbon", "agb", "sink")) else None,
        "steps": [asdict(step) for step in found],
        "coefficients": _coefficients(run, model, metric),
        "end_members": _end_members(model, metric),
        "observation": [_observation(label, sketches[label]) for label in _labels(period, then)],
        "scenes": [
            scene for scene in run.record["scenes"] if zone in scene["zones"] and int(scene["day"][:4]) in years
        ],
        "set_aside": run.record["set_aside"],
        "boundary": _table(run, run.record["config"]["zones"]) | {"area_ha": entry["area_ha"]},
        "stands": _stand_files(run, model),
        "land_cover": _land_cover(run, model),
        "interval": _interval(run, zone, metric, period) if found else None,
        "comparability": _certificate(entry["figures"]) if sink else None,
        "versions": run.record["versions"],
        "finished": run.record["finished"],
    }


def _refuse_unknown(run: FinishedRun, zone: str, metric: str, year: int | None) -> None:
    for failed in run.record["failed_zones"]:
        if failed["zone"] == zone:
            raise ConfigError(f"zone {zone} has no figures, it failed: {failed['reason']}")
    if zone not in run.zones:
        raise ConfigError(f"there is no zone {zone}; the zones are {', '.join(run.zones)}")
    if metric not in METRICS:
        raise ConfigError(f"there is no metric {metric}; the metrics are {', '.join(METRICS)}")
    index = run.record["end_members"][zone]["index"]
    if metric == "ndvi_mean" and index != "ndvi":
        raise ConfigError(f"zone {zone} uses {index}, not NDVI; ask for index_mean")
    years = sorted(run.record["config"]["scenes"]["years"])
    if year is not None and year not in years:
        raise ConfigError(f"the run has no year {year}; its years are {', '.join(map(str, years))}")
    if metric == "volume_m3" and run.model(zone).stands is None:
        raise ConfigError(f"zone {zone} has no stands with a volume; ask for another metric")
    if year is not None and metric == "volume_m3":
        raise ConfigError(f"the volume is that of the current period; leave out --year {year}")
    if year is not None and metric.startswith("sink"):
        raise ConfigError(f"a sink compares two periods and has no single year; leave out --year {year}")


def _known(model: ZoneModel, sketch: Sketch, metric: str, min_observed: float) -> bool:
    if metric == "carbon_tC":
        return holds_total(model, sketch, min_observed)
    return sketch.observed > 0 or (model.stands is not None and metric in ("carbon_tC_ha", "agb_tDM_ha"))


def _withheld(figures: dict, metric: str) -> bool:
    """Whether figures of years are withheld because that of the period is impossible."""
    return metric in ("carbon_tC", "fvc_mean") and metric not in figures and "impossible:" in figures["status"]


def _unknown(sketch: Sketch, year: int) -> str:
    """Why a figure of a year is not known."""
    if sketch.observed > 0:
        return f"{sketch.observed_fraction:.0%} observed in {year}, too little for a total"
    return f"no clear observation in {year}"


def _labels(period: Period, then: tuple | None) -> list[str]:
    return [*([then[0].label] if then else []), period.label]


def _coefficients(run: FinishedRun, model: ZoneModel, metric: str) -> list[dict]:
    """The rows that the figure is computed from, and for carbon those that only widen its interval."""
    rows = model.coefficients
    if metric in ("area_ha", "index_mean", "ndvi_mean"):
        return []
    if metric == "fvc_mean":
        paths = ["index_bias", *model.end_member_paths]
    elif metric == "agb_tDM_ha":
        paths = _biomass_rows(model, rows)
    elif metric == "volume_m3":
        paths = ["stand_volume"]
    else:
        paths = [*model.rows, "stand_volume"] if model.stands else ["index_bias", *model.rows]
    only_interval = ["residual_persistence", "stand_area" if model.stands else "residual"]
    if metric in ("fvc_mean", "agb_tDM_ha"):
        only_interval = []
    return [
        {
            "path": full,
            "name_zh": name_zh(run.ecosystems, full),
            "value": list(row.values) if isinstance(row, BinnedCoefficient) else row.value,
            **({"edges": list(row.edges), "of": row.of} if isinstance(row, BinnedCoefficient) else {}),
            **({"ranges": row.ranges} if isinstance(row, BinnedCoefficient) and row.ranges else {}),
            "u95_percent": row.u95_percent,
            "u95_abs": row.u95_abs,
            "unit": row.unit,
            "source": row.source,
            "status": row.status,
            "used_for": "interval" if path in only_interval else "figure and interval",
        }
        for path in dict.fromkeys([*paths, *only_interval])
        for row, full in [(rows[path], model.full_path(path))]
    ]


def _biomass_rows(model: ZoneModel, rows: dict) -> list[str]:
    """The rows without roots and carbon fraction, unless the biomass itself is computed from a carbon density."""
    stratum, ecosystem = model.zone.stratum, model.ecosystem
    if model.stands:
        return [*(path for path in model.rows if rows[path].cause == "expansion"), "stand_volume"]
    used, shrub = model.rows, [path for path in rows if path.startswith(SHRUB_PATH)]
    if ecosystem.carbon_factor(stratum).symbols not in ecosystem.biomass_factor(stratum).symbols:
        used = [path for path in used if rows[path].cause not in ("root_shoot", "carbon_fraction")]
    return ["index_bias", *used, *shrub]


def _end_members(model: ZoneModel, metric: str) -> dict | None:
    """The end-members of the cover and where they are from; None if the figure uses no cover."""
    by_cover = model.ecosystem.model_index is None or model.shrub is not None
    takes_cover = metric == "fvc_mean" or (not model.stands and by_cover)
    if not takes_cover or metric in ("area_ha", "index_mean", "ndvi_mean"):
        return None
    ends = asdict(model.end_members)
    origin = "given in the config"
    if model.shipped_end_members:
        origin = f"shipped with the stratum {model.zone.stratum}"
    elif model.end_members.calibration:
        origin = "calibrated on the run's own pooled years"
    return ends | {"u95": [row.half_width for row in model.end_member_rows], "from": origin}


def _observation(label: str, sketch: Sketch) -> dict:
    """How much of the zone was seen; the share of open water refers to the observed part."""
    water = sketch.water_fraction
    return {
        "period": label,
        "observed_fraction": sketch.observed_fraction,
        "clear_obs_median": sketch.clear_median,
        "open_water_fraction": None if np.isnan(water) else water,
        "zone_pixels": sketch.size,
        "observed_pixels": sketch.observed,
    }


def _table(run: FinishedRun, config: dict) -> dict:
    """A file of the run and the checksums (xxh3-128) of its parts when the run read it."""
    return {"file": config["path"], "layer": config.get("layer"), "checksums": run.checksums(config["path"])}


def _stand_files(run: FinishedRun, model: ZoneModel) -> list[dict]:
    """The files of stands whose inventories the zone is counted by, or all of them where it may have shrub by one."""
    tables = tables_of(run.record["config"]["stands"])
    if model.stands:
        used = {str(year) for year in model.stands.volume_m3_ha}
        tables = [table for table in tables if used & table["columns"]["volume_m3_ha"].keys()]
    return [_table(run, table) for table in tables if model.stands or model.shrub]


def _land_cover(run: FinishedRun, model: ZoneModel) -> dict | None:
    """The file of the land cover, where the zone may have shrub by it."""
    config = run.record["config"].get("land_cover")
    return _table(run, config) if config and model.shrub and not model.stands else None


def _interval(run: FinishedRun, zone: str, metric: str, period: Period) -> dict | None:
    """95 % interval and the causes' shares of the variance, those of a single year drawn anew; None where none is
    drawn."""
    area = run.zones[zone]["area_ha"]
    if metric == "area_ha":
        share = run.settings.area_u95_percent / 100
        return {"low95": area * (1 - share), "high95": area * (1 + share), "causes": {"area": 1.0}}
    quantity = DRAWN.get(metric, "")
    row = run.intervals(zone).get((quantity, period.label))
    if row is None:
        return None
    by = area if metric in PER_HA else 1
    causes = causes_of(row)
    if not causes and len(period.years) == 1:
        shares = run.causes(zone, quantity, period.years[0])
        causes = {cause: share for cause, share in shares.items() if share}
    return drawn_interval(run, row, by, causes)


def drawn_interval(run: FinishedRun, row: dict[str, float], by: float, causes: dict[str, float]) -> dict:
    """The interval, from a row of intervals, of a figure that is its quantity divided ``by`` a number: ends,
    conservative value, draws, and the ``causes`` with their share of the variance, largest first."""
    return {
        "low95": row["p2_5"] / by,
        "high95": row["p97_5"] / by,
        "conservative": row["conservative"] / by,
        "draws": run.settings.count,
        "seed": run.settings.seed,
        "causes": dict(sorted(causes.items(), key=lambda cause: -cause[1])),
    }


def causes_of(row: dict[str, float]) -> dict[str, float]:
    """Causes that have a share in the variance of a row of intervals."""
    return {cause: row[f"share_{cause}"] for cause in CAUSES_ZH if row.get(f"share_{cause}")}


def _certificate(figures: dict) -> dict:
    return {name: figures.get(name) for name in ("comparability", "comparability_zh")}
