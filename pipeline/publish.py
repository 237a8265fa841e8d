"""Stage 4: totals of the zones from their sketches with their intervals, the tables, and the deliverables."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import SinkmapError, ZoneError
from pipeline.execution.engine import Engine, Failure
from pipeline.mapping.cover_classes import CLASS_COLUMNS, class_rows
from pipeline.outputs.cog import NOTED, noted
from pipeline.outputs.csv_file import write_csv
from pipeline.outputs.deliverables import make_deliverables
from pipeline.outputs.results import Results
from pipeline.outputs.styling.raster_styles import side_files
from pipeline.run import Run
from pipeline.scenes.scene import Scene
from pipeline.stock.sketch import Sketch, Sketches
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.totals.comparability import Certificate, PeriodFacts, certify
from pipeline.totals.group_totals import MIN_SHARED_HA, as_counted, counted, group_rows, say_areas, year_group_rows
from pipeline.totals.intervals import INTERVAL_COLUMNS, add_intervals
from pipeline.totals.plausibility import Ranges, impossible, read_ranges, unusual
from pipeline.totals.realisations import Realisations, realise
from pipeline.totals.separate import SEPARATE_COLUMNS, separate_rows
from pipeline.totals.targets import TARGET_COLUMNS, target_rows
from pipeline.totals.zone_totals import (
    COLUMNS,
    YEAR_COLUMNS,
    failed_row,
    say_unusual,
    withhold,
    year_rows,
    zone_row,
)
from pipeline.uncertainty.monte_carlo import mean_correlation
from pipeline.uncertainty.varying import DrawSettings
from pipeline.variables import VARIABLES
from pipeline.zones import area_ledger
from pipeline.zones.outlines import in_crs
from pipeline.zones.vector_file import CGCS2000

RasterPaths = dict[str, dict[tuple[str, str], Path]]


def publish(
    run: Run, engine: Engine, sketches: Sketches, models: dict[str, ZoneModel], rasters: RasterPaths,
    strict: bool = False,
) -> list[dict]:  # fmt: skip
    """Write the tables and the deliverables; returns the rows of zones, ecosystems and city. Raises OutputError, and
    with ``strict`` the error of the first zone that fails."""
    drawn = draw_zones(run, engine, sketches, models, strict)
    rows, by_year, impossible_zones = zone_tables(run, sketches, models, strict)
    rows += [failed_row(failed.zone, failed.reason) for failed in run.failed]
    rows.sort(key=lambda row: list(run.zone_table["id"]).index(row["zone_id"]))
    interval_rows = add_intervals(drawn, rows, [], by_year, run.current.label)
    judge_unusual(run, rows)
    by_year += year_group_rows(by_year, rows, list(run.ecosystems), run.config.min_observed_fraction)
    alone = [counted(row, run.config.min_observed_fraction) for row in rows]
    groups = group_rows(alone, run.ecosystems)
    interval_rows += add_intervals(drawn, groups, alone, by_year, run.current.label)
    rows += groups
    ledger = covered_ledger(run, sketches)
    stands = [models[zone.id].stands for zone in run.zones]
    say_areas(rows, ledger, sum(held.twice_ha for held in stands if held and held.overlap))
    without_cover = {row["zone_id"] for row in rows if row["fvc_mean"] is None}
    classes = [
        row
        for zone in run.zones
        for row in zone_classes(run, models[zone.id], sketches[zone.id], zone.id not in without_cover)
    ]
    rasters = rasters | {failed.zone.id: {} for failed in run.failed}
    current = [(models[zone.id], sketches[zone.id][run.current.label]) for zone in run.zones]
    results = results_of(
        run, rasters, rows=rows, by_year=by_year, intervals=interval_rows, cover_classes=classes, ledger=ledger,
        separate=separate_rows(current, {row["zone_id"] for row in rows if row["volume_m3"] is not None}, run.draws),
        volume_counts_twice=counts_volume_twice(models.values(), ledger), impossible_zones=impossible_zones,
    )  # fmt: skip
    write_tables(results)
    make_deliverables(results, run.config.deliverables, engine, strict)
    remove_outdated(run.results / "zones", {path for paths in results.rasters.values() for path in paths.values()})
    return results.rows


def write_tables(results: Results) -> None:
    """Write the CSV files of the results. Raises OutputError."""
    results.folder.mkdir(parents=True, exist_ok=True)
    for name, columns, rows in (
        ("summary", COLUMNS, results.rows),
        ("by_year", YEAR_COLUMNS, results.by_year),
        ("intervals", INTERVAL_COLUMNS, results.intervals),
        ("cover_classes", CLASS_COLUMNS, results.cover_classes),
        ("separate", SEPARATE_COLUMNS, results.separate),
        ("area_ledger", area_ledger.COLUMNS, results.ledger),
    ):
        write_csv(results.folder / f"{name}.csv", columns, rows, results.note)
    if results.targets:
        write_csv(results.folder / "targets.csv", TARGET_COLUMNS, results.targets, results.note)
    else:  # that of an earlier run, whose config still had targets
        (results.folder / "targets.csv").unlink(missing_ok=True)


def results_of(
    run: Run, rasters: RasterPaths, volume_counts_twice: bool, impossible_zones: list[str], **tables: list[dict]
) -> Results:
    """The results in the form that the deliverables take; ``tables`` by their names in `Results`."""
    config = run.config
    zones_counted = as_counted(tables["rows"], config.min_observed_fraction)
    return Results(
        name=config.name,
        title=config.title,
        organisation=config.organisation,
        folder=run.results,
        note=run.note,
        simulated=config.simulated,
        zones=in_crs(run.zone_table, CGCS2000),
        grid_crs=config.grid.crs,
        cover_scheme=config.cover_classes,
        baseline=run.baseline,
        current=run.current,
        rasters=rasters,
        ecosystems=run.ecosystems,
        scenes=[run.scene_entry(scene) for scene in run.scenes],
        inventories={zone.id: sorted(run.stands[zone.id].volume_m3_ha) for zone in run.zones if zone.id in run.stands},
        season=config.scenes.season,
        set_aside=[asdict(aside) for aside in run.set_aside],
        styles=run.styles,
        suggestions=run.suggestions,
        min_patch_mu=config.patches.min_area_mu,
        min_observed=config.min_observed_fraction,
        impossible=impossible_zones,
        deliverables=config.deliverables,
        exports=config.exports,
        work=run.work,
        marks=run.marks,
        notes=run.notes,
        targets=target_rows(config.targets, zones_counted, volume_counts_twice, config.simulated)
        if config.targets
        else [],
        **tables,
    )


def counts_volume_twice(models: Iterable[ZoneModel], ledger: list[dict]) -> bool:
    """Whether stands overlap, or forest zones that share ground count them twice."""
    shared = any(row["overlap_ha"] >= MIN_SHARED_HA for row in ledger if row["zone_id"] == "forest")
    return shared or any(model.stands.overlap for model in models if model.stands)


def covered_ledger(run: Run, sketches: Sketches) -> list[dict]:
    """The ledger of areas with what the pixels of the sketched zones cover. Raises ZoneError beyond tolerance, unless
    the config lets that pass."""
    grid, label = run.config.grid, run.current.label
    covered = {
        zone.id: area_ledger.covered_ha(sketches[zone.id][label].size, grid.resolution_m, zone.geometry, grid.crs)
        for zone in run.zones
    }
    ledger = run.ledger(covered)
    area_ledger.passed_areas(ledger, run.config.area_mismatch)
    return ledger


def zone_tables(
    run: Run, sketches: Sketches, models: dict[str, ZoneModel], strict: bool
) -> tuple[list[dict], list[dict], list[str]]:
    """The rows of the zones, each with its certificate and without totals where a figure is impossible, those of their
    years, and the ids of zones with an impossible figure. A zone whose totals cannot be computed is given up; with
    ``strict`` it stops the run."""
    ranges = read_ranges(run.config.plausibility)
    taken = [_zone_table(run, models[zone.id], sketches[zone.id], ranges) for zone in run.zones]
    run.isolate_failures([zone.id for zone in run.zones], taken, strict)
    whole = [table for table in taken if not isinstance(table, Failure)]
    impossible_zones = [row["zone_id"] for row, _, is_impossible in whole if is_impossible]
    return [row for row, *_ in whole], [year for _, years, _ in whole for year in years], impossible_zones


def _zone_table(
    run: Run, model: ZoneModel, sketches: dict[str, Sketch], ranges: Ranges
) -> tuple[dict, list[dict], bool] | Failure:
    zone, least = model.zone, run.config.min_observed_fraction
    try:
        row = zone_row(model, sketches, run.baseline, run.current, least, certificate_of(run, model, sketches))
        years = year_rows(model, sketches, run.years, least)
    except (SinkmapError, ArithmeticError, LookupError, ValueError) as error:
        return Failure(ZoneError(f"zone {zone.id}: its totals cannot be taken ({error!r}); report this line"))
    found = impossible(row, zone.stratum, ranges)
    row = withhold(row, found)
    # years lack what the period lacks
    none = {name: None for name in ("carbon_tC", "fvc_mean") if found and row[name] is None}
    return row, [year | none for year in years], bool(found)


def judge_unusual(run: Run, rows: list[dict]) -> None:
    """Note unusual figures in the rows of the zones, which must have their intervals already."""
    ranges, by_id = read_ranges(run.config.plausibility), {row["zone_id"]: row for row in rows}
    for zone in run.zones:
        row = by_id[zone.id]
        say_unusual(row, unusual(row, zone.stratum, ranges))


def certificate_of(run: Run, model: ZoneModel, sketches: dict[str, Sketch]) -> Certificate | None:
    """Whether the two periods of a zone may be compared; None if there is only one period."""
    if run.baseline is None:
        return None
    scenes = run.scenes_over(model.zone)
    facts = [period_facts(scenes, sketches[period.label], period) for period in run.periods]
    return certify(
        *facts,
        min_observed=run.config.min_observed_fraction,
        refused=model.incomparable(run.baseline, run.current),
        by_inventory=model.stands is not None,
        by_maximum=run.config.composite.method == "max_index",
        uneven_ground=model.stands.uneven_ha / model.stands.ground_ha if model.stands else 0,
        uneven_twice=model.stands.uneven_twice_ha / model.stands.ground_ha if model.stands else 0,
    )


def period_facts(scenes: list[Scene], sketch: Sketch, period: Period) -> PeriodFacts:
    """What the stock of a period is based on, for the certificate; ``scenes`` are all that reach the zone."""
    scenes = [scene for scene in scenes if scene.day.year in period.years]
    return PeriodFacts(
        label=period.label,
        observed_fraction=sketch.observed_fraction,
        clear_per_year=sketch.clear_median / len(period.years),
        sensors=frozenset(scene.like or scene.sensor for scene in scenes),
        days=frozenset(scene.day for scene in scenes),
        declared_scale=any(scene.origin == "manifest" for scene in scenes),
    )


@dataclass(frozen=True)
class ZoneDraws:
    """The realisations of one zone, a unit of work that writes nothing."""

    model: ZoneModel
    sketches: dict[str, Sketch]
    years: list[int]
    baseline: Period | None
    current: Period
    settings: DrawSettings
    correlation_length_m: float
    writes_to: Path


def draw_zone(unit: ZoneDraws) -> Realisations:
    """The realisations of the unit's zone."""
    correlation = mean_correlation(unit.model.zone.geometry, unit.correlation_length_m)
    return realise(unit.model, unit.sketches, unit.years, unit.baseline, unit.current, unit.settings, correlation)


def draw_zones(
    run: Run, engine: Engine, sketches: Sketches, models: dict[str, ZoneModel], strict: bool
) -> dict[str, Realisations]:
    """The realisations of every zone by id; none where the config asks for no draws."""
    settings = run.draws
    if settings is None:
        return {}
    units = [
        ZoneDraws(
            models[zone.id], sketches[zone.id], run.years, run.baseline, run.current, settings,
            run.config.uncertainty.correlation_length_m, run.results,
        )
        for zone in run.zones
    ]  # fmt: skip
    zones = [zone.id for zone in run.zones]
    done = engine.run("uncertainty", draw_zone, units, isolate=not strict)
    run.isolate_failures(zones, done, strict)
    return {zone: drawn for zone, drawn in zip(zones, done, strict=True) if not isinstance(drawn, Failure)}


def zone_classes(run: Run, model: ZoneModel, sketches: dict[str, Sketch], has_cover: bool) -> list[dict]:
    """Areas of the cover classes of a zone, in each year and each period; empty ones where its cover is withheld."""
    labels = dict.fromkeys([*map(str, run.years), *(period.label for period in run.periods)])
    rows = class_rows(
        model.zone,
        {label: sketches[label] for label in labels},
        model.responses["fvc"],
        run.config.cover_classes,
        run.config.min_observed_fraction,
    )
    return rows if has_cover else [row | dict.fromkeys(("area_ha", "area_mu", "fraction")) for row in rows]


def remove_outdated(folder: Path, wanted: set[Path]) -> None:
    """Delete rasters of zones, periods or variables that the run no longer maps, and the side files of rasters that are
    gone: they would be taken for results."""
    kept = wanted | {file for path in wanted for file in (*side_files(path), *noted(path))}
    for variable in VARIABLES:
        for outdated in set(folder.glob(f"*/*_{variable}_[0-9]*")) - kept:
            if outdated.name.endswith((".tif", ".qml", *(f".tif{suffix}" for suffix in NOTED))):
                outdated.unlink(missing_ok=True)
    for zone in {path for path in folder.glob("*") if path.is_dir()} - {path.parent for path in wanted}:
        (zone / f"{zone.name}.gpkg").unlink(missing_ok=True)
        if not any(zone.iterdir()):
            zone.rmdir()
