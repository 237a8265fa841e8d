"""The record of a run: what it rested on, so that any number can be traced and made again."""

from dataclasses import asdict
from datetime import UTC, datetime

from pipeline.provenance import read_json, versions, write_json
from pipeline.run import Run
from pipeline.uncertainty import mean_correlation
from pipeline.vegetation import EndMembers
from pipeline.zone_model import ZoneModel


def remember_pace(run: Run, pace: dict[str, float]) -> None:
    """Keep what a unit of each stage took, seconds of the whole run, for the estimate of the next plan."""
    if pace:
        write_json(run.work / "pace.json", (read_json(run.work / "pace.json") or {}) | pace)


def record(
    run: Run, end_members: dict[str, EndMembers], models: dict[str, ZoneModel], seconds: dict[str, float]
) -> None:
    """Write ``run.json``: effective config, inputs with checksums, versions, what was set aside, timings."""
    write_json(
        run.results / "run.json",
        {
            "note": run.note,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": run.config.model_dump(mode="json"),
            "coefficients": {name: method.model_dump(mode="json") for name, method in run.ecosystems.items()},
            "end_members": {zone: asdict(pair) for zone, pair in end_members.items()},
            "zones": [zone_entry(run, models[zone.id]) for zone in run.zones],
            "inputs": run.inputs(),
            "scenes": [
                {"id": s.id, "day": str(s.day), "sensor": s.sensor, "scale_known_from": s.origin} for s in run.scenes
            ],
            "set_aside": [asdict(aside) for aside in run.set_aside],
            "failed_zones": [{"zone": failed.zone.id, "reason": failed.reason} for failed in run.failed],
            "notes": run.notes,
            "versions": versions(),
            "seconds": {stage: round(time, 2) for stage, time in seconds.items()},
        },
    )


def zone_entry(run: Run, model: ZoneModel) -> dict:
    """What a zone's totals are worked out from, besides coefficients and sketch: enough to do it again without its
    outline (`finished.FinishedRun`)."""
    zone, stands = model.zone, model.stands.grouped() if model.stands else None
    return {
        "id": zone.id,
        "name": zone.name,
        "ecosystem": zone.ecosystem,
        "stratum": zone.stratum,
        "area_ha": zone.area_ha,
        "declared_wanmu": zone.declared_wanmu,
        "sketch": run.sketch_path(zone).name,
        "shipped_end_members": model.shipped_end_members,
        "residual_correlation": mean_correlation(zone.geometry, run.config.uncertainty.correlation_length_m),
        "stands": stands
        and {
            "species": stands.species,
            "area_ha": stands.area_ha.tolist(),
            "volume_m3_ha": {year: volume.tolist() for year, volume in stands.volume_m3_ha.items()},
        },
    }
