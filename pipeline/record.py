"""The record of a run: everything that it depended on, so that any number can be traced and reproduced."""

import re
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime

from pipeline.config.run_config import placeless
from pipeline.execution.json_file import read_json, write_json
from pipeline.execution.provenance import versions
from pipeline.execution.whole_file import delete
from pipeline.mapping.zone_coverage import zone_windows
from pipeline.run import FailedZone, Run
from pipeline.stock.zone_model import ZoneModel
from pipeline.uncertainty.monte_carlo import mean_correlation
from pipeline.vegetation import EndMembers


def remember_pace(run: Run, pace: dict[str, float]) -> None:
    """Keep how many seconds of the whole run a unit of each stage took, for the estimate of the next plan. If that
    cannot be written, the results are complete all the same."""
    if pace:
        with suppress(OSError):
            write_json(run.work / "pace.json", (read_json(run.work / "pace.json") or {}) | pace)


def put_away(run: Run) -> None:
    """Delete the record of the previous run before its results are replaced: if this run is stopped half way, no
    question is answered with figures of two runs. Project, workbook and report under an earlier name of the run
    go, too."""
    file = run.results / "run.json"
    former = ((read_json(file) or {}).get("config") or {}).get("name", run.config.name)
    if former != run.config.name and re.fullmatch(r"[\w-]+", former):
        for kind in ("qgz", "xlsx", "docx"):
            delete(run.results / f"{former}.{kind}")
    delete(file)


def outdated_years(run: Run) -> list[str]:
    """The folders of years mapped alone that were made with another config, other coefficients or other inputs than
    this run, such as an older boundary."""
    alone = {file.parent.name: read_json(file) or {} for file in run.results.glob("[12][0-9][0-9][0-9]/run.json")}
    if not alone:
        return []
    now = _basis({"config": run.config.model_dump(mode="json"), "coefficients": _coefficients(run)})
    inputs, scenes = set(run.inputs().values()), [run.scene_entry(scene) for scene in run.scenes]
    return [
        year
        for year, then in sorted(alone.items())
        if int(year) not in run.years
        or _basis(then) != now
        or not set(then.get("inputs", {}).values()) <= inputs  # those of further years may have been added
        or _scenes_of(year, then.get("scenes", [])) != _scenes_of(year, scenes)
    ]


def _scenes_of(year: str, entries: list[dict]) -> set[str]:
    return {entry["id"] for entry in entries if entry["day"].startswith(year)}


def _basis(record: dict) -> list:
    """What the figures of a year depend on besides its scenes, taken from a run's record."""
    config = placeless(record.get("config") or {})
    scenes = {**config.get("scenes", {}), "years": None}
    other = {"scenes": scenes, "periods": None, "exports": None, "deliverables": None}
    return [config | other, record.get("coefficients")]


def _coefficients(run: Run) -> dict:
    return {name: method.model_dump(mode="json") for name, method in run.ecosystems.items()}


def record(
    run: Run, end_members: dict[str, EndMembers], models: dict[str, ZoneModel], rows: list[dict],
    seconds: dict[str, float],
) -> None:  # fmt: skip
    """Write ``run.json``: effective config, inputs with checksums, versions, what was set aside, timings, and for each
    zone what its row of ``rows``, the result table, depends on."""
    by_zone = {row["zone_id"]: row for row in rows}
    write_json(
        run.results / "run.json",
        {
            "note": run.note,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": run.config.model_dump(mode="json"),
            "coefficients": _coefficients(run),
            "end_members": {zone: asdict(pair) for zone, pair in end_members.items()},
            "zones": [zone_entry(run, models[zone.id], by_zone[zone.id]) for zone in run.zones],
            "inputs": run.inputs(),
            "scenes": [run.scene_entry(scene) for scene in run.scenes],
            "set_aside": [asdict(aside) for aside in run.set_aside],
            "failed_zones": [failed_entry(failed) for failed in run.failed],
            "notes": run.notes,
            "versions": versions(),
            "seconds": {stage: round(time, 2) for stage, time in seconds.items()},
        },
    )


def failed_entry(failed: FailedZone) -> dict:
    """What is known of a failed zone: it is still one of the zones of its ecosystem and of the city."""
    zone = failed.zone
    of_zone = {"zone": zone.id, "name": zone.name, "ecosystem": zone.ecosystem, "area_ha": zone.area_ha}
    return of_zone | {"reason": failed.reason}


def zone_entry(run: Run, model: ZoneModel, row: dict) -> dict:
    """What a zone's totals are computed from, besides coefficients and sketch: enough to repeat it without its outline
    (`finished.FinishedRun`); and its ``row`` of the result table with all digits. ``windows`` are where the cube keeps
    its covered fractions, rows and columns of the grid."""
    windows = zone_windows(run.cube, run.tiles_of(model.zone), model.zone.geometry)
    zone, stands = model.zone, model.stands.grouped(model.ecosystem) if model.stands else None
    return {
        "id": zone.id,
        "name": zone.name,
        "ecosystem": zone.ecosystem,
        "stratum": zone.stratum,
        "area_ha": zone.area_ha,
        "declared_wanmu": zone.declared_wanmu,
        "windows": [[(part.start, part.stop) for part in window] for window in windows],
        "figures": {name: value for name, value in row.items() if value is not None},
        "sketch": run.sketch_path(zone).name,
        "sketch_key": run.marks.read(f"sketch-{run.kept_as(zone)}"),
        "shipped_end_members": model.shipped_end_members,
        "shrub": run.shrub[zone.id].key if model.shrub else None,
        "year_weights": model.year_weights,
        "residual_correlation": run.draws
        and mean_correlation(zone.geometry, run.config.uncertainty.correlation_length_m),
        "sensor_errors": [asdict(error) for error in model.sensor_errors],
        "stands": stands
        and {
            "species": stands.species,
            "area_ha": stands.area_ha.tolist(),
            "volume_m3_ha": {year: volume.tolist() for year, volume in stands.volume_m3_ha.items()},
            "cover": None if stands.cover is None else stands.cover.tolist(),
        },
    }
