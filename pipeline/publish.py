"""Stage 4: totals of the zones from their sketches, the tables, and the deliverables made from them."""

from collections.abc import Callable
from pathlib import Path

from pipeline.engine import Engine
from pipeline.errors import SinkmapError
from pipeline.outputs.geopackage import write_geopackage
from pipeline.outputs.table import write_csv
from pipeline.results import Results
from pipeline.run import Run
from pipeline.sketch import Sketch
from pipeline.totals import COLUMNS, YEAR_COLUMNS, ZoneModel, failed_row, group_rows, year_rows, zone_row
from pipeline.variables import VARIABLES

RasterPaths = dict[str, dict[tuple[str, str], Path]]

DELIVERABLES: dict[str, Callable[[Results, Engine], None]] = {}
"""What the config's ``deliverables`` can list, in the order of making: one file under `pipeline.outputs` each."""


def publish(
    run: Run,
    engine: Engine,
    sketches: dict[str, dict[str, Sketch]],
    models: dict[str, ZoneModel],
    rasters: RasterPaths,
) -> list[dict]:
    """Write the tables and the deliverables; returns the rows of zones, ecosystems and city. Raises OutputError."""
    rows, by_year = zone_tables(run, sketches, models)
    rows += [failed_row(failed.zone, failed.reason) for failed in run.failed]
    rows.sort(key=lambda row: row["zone_id"])
    rows += group_rows(rows, list(run.ecosystems))
    results = run.results_of(rows, by_year, rasters | {failed.zone.id: {} for failed in run.failed})
    results.folder.mkdir(parents=True, exist_ok=True)
    write_csv(results.folder / "summary.csv", COLUMNS, rows)
    write_csv(results.folder / "by_year.csv", YEAR_COLUMNS, by_year)
    write_geopackage(results)
    for name, make in DELIVERABLES.items():
        if name in run.config.deliverables:
            make(results, engine)
    remove_outdated(run.results / "zones", {path for paths in rasters.values() for path in paths.values()})
    return rows


def zone_tables(
    run: Run, sketches: dict[str, dict[str, Sketch]], models: dict[str, ZoneModel]
) -> tuple[list[dict], list[dict]]:
    """The rows of the zones and of their years. A zone whose totals cannot be taken is given up."""
    rows, by_year = [], []
    for zone in run.zones:
        parts = models[zone.id], sketches[zone.id]
        try:
            row = zone_row(*parts, run.baseline, run.current, run.config.min_observed_fraction)
            years = year_rows(*parts, run.years)
        except (SinkmapError, ArithmeticError, LookupError, ValueError) as error:
            run.give_up_zones({zone.id: f"zone {zone.id}: its totals cannot be taken ({error!r}); report this line"})
            continue
        rows.append(row)
        by_year += years
    return rows, by_year


def remove_outdated(folder: Path, wanted: set[Path]) -> None:
    """Delete rasters of zones, periods or variables that the run no longer maps: they would pass for results."""
    for variable in VARIABLES:
        for file in set(folder.glob(f"*/*_{variable}_[0-9]*.tif")) - wanted:
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()
