"""The command line."""

import errno
import gc
import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from pipeline.commands import questions, scenes, terminal
from pipeline.commands.terminal import SAMPLE, ConfigPath, OutPath, absolute, console, errors, prepared, settings_of
from pipeline.errors import (
    ConfigError,
    OutputError,
    PartialError,
    SceneError,
    SinkmapError,
    ZoneError,
    os_error_sentence,
)

if TYPE_CHECKING:
    from pipeline.run import Run

app = typer.Typer(
    help="Measure the carbon sink of forest, grassland and wetland zones from satellite scenes.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip

ZoneId = Annotated[str | None, typer.Option("--zone", help="Map this zone only; the tables still hold all zones.")]
Year = Annotated[int | None, typer.Option("--year", help="Map this year only, without comparison.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Number of local processes, instead of threads.")]
Cluster = Annotated[str | None, typer.Option("--cluster", help="Address of a running Dask scheduler, tcp://host:port.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad scene instead of setting it aside.")]
Force = Annotated[
    bool, typer.Option("--force", help="Do everything again, also what is finished; with --zone only for that zone.")
]
Export = Annotated[
    list[str] | None,
    typer.Option("--export", help="Also export zones and patches as shp, gdb or geoparquet; may be repeated."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would run and why, like the command plan.")]


class Form(StrEnum):
    """Forms of a local biomass model."""

    exponential = "exponential"
    power = "power"


def _stage(name: str, help_text: str) -> None:
    """Register the command that runs the stages up to ``name``."""

    def command(
        config: ConfigPath = SAMPLE, zone: ZoneId = None, year: Year = None, workers: Workers = None,
        cluster: Cluster = None, out: OutPath = Path("out"), strict: Strict = False, force: Force = False,
        dry_run: DryRun = False, export: Export = None,
    ) -> None:  # fmt: skip
        if dry_run:
            plan(config, zone, year, workers, out, force)
            return
        with prepared(settings_of(config, year).with_exports(export or []), out, force, zone) as run:
            _run_stages(run, "publish" if name == "zones" else name, zone, workers, cluster, strict)

    app.command(name, help=help_text)(command)


_stage("zones", "Run all stages: from scenes and boundaries to zone maps and tables.")
_stage("composite", "Run stage 1: write the yearly composites into the cube.")
_stage("calibrate", "Run stages 1-2, to zone sketches and end-members.")
_stage("map", "Run stages 1-3, to the GeoTIFFs of the zones.")
_stage("publish", "Run stages 1-4, to the tables and all other deliverables.")


@app.command()
def plan(
    config: ConfigPath = SAMPLE, zone: ZoneId = None, year: Year = None, workers: Workers = None,
    out: OutPath = Path("out"), force: Force = False,
) -> None:  # fmt: skip
    """Say what would run and why, what is kept, and the time, memory and disk it takes; read no pixel."""
    from pipeline.execution.cores import available_cores
    from pipeline.plan import plan_lines

    with prepared(settings_of(config, year), out, only=zone) as run:
        run.check_years()
        for line in plan_lines(run, workers or available_cores(), force, zone):
            console.print(line, soft_wrap=True)
    _print_replaced(run)
    _print_notes(run)


@app.command()
def check(config: ConfigPath = SAMPLE, out: OutPath = Path("out")) -> None:
    """Check config, zones, stands and scenes before any pixel is read; also write all findings to a GeoPackage."""
    from pipeline.commands.screen import boundary_findings, boundary_tables, ledger_table, zone_table
    from pipeline.config.run_config import read_coefficients
    from pipeline.execution.output_folder import writable_folder
    from pipeline.outputs.findings import write_findings
    from pipeline.zones.area_ledger import passed_areas

    settings = settings_of(config).with_exports([])
    found = boundary_findings(settings, read_coefficients(settings.coefficients))
    file = writable_folder(absolute(out) / settings.name) / "boundary_findings.gpkg"
    write_findings(file, found)
    for table in boundary_tables(found):
        console.print(table)
    console.print(f"Boundary findings: {file}", soft_wrap=True)
    if errors := [finding for finding in found if finding.level == "error"]:
        count = f"{len(errors)} findings stop a run, the first" if len(errors) > 1 else "one finding stops a run"
        raise ZoneError(f"{count}: {errors[0].en}")
    # areas beyond tolerance stop a run, but the ledger that shows them is printed first
    with prepared(settings.model_copy(update={"area_mismatch": "warn"}), out) as run:
        console.print(zone_table(run))
        console.print(ledger_table(ledger := run.ledger()))
        console.print(f"{len(run.scenes)} scenes usable, {len(run.set_aside)} set aside.")
        _print_replaced(run)
        _print_notes(run)
        passed_areas(ledger, settings.area_mismatch)
        run.check_years()


for command in (
    questions.what_if,
    questions.explain,
    questions.diff,
    scenes.scenes,
    scenes.harmonise,
    scenes.quality,
):
    app.command()(command)


@app.command()
def fit(
    plots: Annotated[Path, typer.Argument(help="Field plots: CSV with position, date and dry AGB in g/m2.")],
    config: ConfigPath = SAMPLE,
    form: Annotated[Form, typer.Option(help="ln y = a + b x, or y = a x^b.")] = Form.exponential,
    x: Annotated[str, typer.Option(help="Column of longitude or easting.")] = "lon",
    y: Annotated[str, typer.Option(help="Column of latitude or northing.")] = "lat",
    date: Annotated[str, typer.Option(help="Column of the date.")] = "date",
    agb: Annotated[str, typer.Option(help="Column of the dry above-ground biomass, g/m2.")] = "agb_g_m2",
    crs: Annotated[str, typer.Option(help="CRS of the positions.")] = "EPSG:4326",
    block_km: Annotated[float, typer.Option(min=0.01, help="Side of the cross-validation blocks, km.")] = 10,
    index: Annotated[str, typer.Option(help="Index to fit on; the composites must keep it.")] = "ndvi",
    force: Annotated[bool, typer.Option("--force", help="Accept fewer than 30 sites, marked unverified.")] = False,
    to: Annotated[Path | None, typer.Option(help="Folder to write the new coefficients to.")] = None,
    out: OutPath = Path("out"),
) -> None:
    """Fit the biomass of grass to field plots and write a coefficient folder with the local model."""
    from pipeline.questions.local_coefficients import write_local_coefficients
    from pipeline.questions.plots import PlotColumns, fit_plots, pair_plots, read_plots, report, unit_doubt
    from pipeline.totals.plausibility import read_ranges
    from pipeline.variables import IndexName

    if index not in get_args(IndexName):
        raise ConfigError(f"zones are not mapped from {index}; fit on one of {', '.join(get_args(IndexName))}")
    settings = settings_of(config)
    if index not in settings.indices:
        kept = ", ".join(settings.indices)
        raise ConfigError(f"{config}: the composites keep {kept}, not {index}; add it to composite.indices")
    with prepared(settings, out) as run:
        table = read_plots(plots, PlotColumns(x, y, date, agb, crs), settings.grid.crs)
        _run_stages(run, "composite")
    paired = pair_plots(table, run.cube, run.tiles, run.years, run.config.scenes.season, index)
    found = fit_plots(plots, paired, form.value, 1000 * block_km, force)
    folder = to or run.out / "coefficients"
    write_local_coefficients(run.config.coefficients, folder, found, index, f"{plots.name}, {found.summary}")
    for line in report(found, paired, run.ecosystems["grassland"].biomass_model.u95_percent):
        console.print(line, soft_wrap=True)
    grass = ("grassland", *run.ecosystems["grassland"].strata)
    if doubt := unit_doubt(found, read_ranges(run.config.plausibility).widest("agb_tDM_ha", grass)):
        console.print(doubt, style="yellow", soft_wrap=True)
    console.print(f"To use it, put this into the config:\ncoefficients: {folder.resolve()}", soft_wrap=True)


@app.command()
def doctor(out: OutPath = Path("out")) -> None:
    """Check the installation: libraries and their data, drivers, fonts, writing, memory and disk."""
    from pipeline.commands.doctor import examine

    remarks = list(examine(absolute(out)))
    for remark in remarks:
        mark, advice, style = ("ok  ", "", "green") if remark.ok else ("MEND", f"; {remark.advice}", "red")
        console.print(f"{mark} {remark.what}: {remark.found}{advice}", style=style, soft_wrap=True)
    if not all(remark.ok for remark in remarks):
        raise typer.Exit(1)


@app.command(hidden=True)
def schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    import json

    from pipeline.config.run_config import RunConfig

    print(json.dumps(RunConfig.model_json_schema(), indent=1, ensure_ascii=False))


def _run_stages(
    run: "Run", until: str, zone: str | None = None, workers: int | None = None, cluster: str | None = None,
    strict: bool = False,
) -> None:  # fmt: skip
    from pipeline.calibration import calibration_block
    from pipeline.commands.screen import result_table
    from pipeline.execution.engine import open_engine
    from pipeline.flow import run_stages
    from pipeline.record import remember_pace

    if strict and run.set_aside:
        raise SceneError(run.set_aside[0].reason)
    if until == "publish":
        _print_replaced(run)
    try:
        with open_engine(console, workers, cluster) as engine:
            rows = run_stages(run, engine, until, zone, strict)
            remember_pace(run, engine.pace)
    except OSError as error:
        raise OutputError(os_error_sentence(error, run.out)) from error
    if until != "composite" and (block := calibration_block(run)):
        say = (
            "率定的端元：用以下各行替换配置中 cover 下同名的行，以后各年即保持不变。\n"
            "Calibrated end-members; to keep them in later runs, replace the lines of the same name in the config:"
        )
        console.print(f"{say}\n{block}", soft_wrap=True)  # a line broken at the terminal's width would be no YAML
    if rows:
        console.print(result_table(rows, run.note, console.width))
    _print_notes(run)
    if run.failed:
        named = ((failed.zone.id, failed.reason) for failed in run.failed)
        zones = "; ".join(f"{zone}: {reason.removeprefix(f'zone {zone}: ')}" for zone, reason in named)
        raise PartialError(
            f"{len(run.failed)} of {len(run.failed) + len(run.zones)} zones failed and have empty rows, the others are "
            f"delivered ({zones}); mend the cause and run again"
        )
    if rows:
        console.print(f"Results: {run.results}\nOpen {_what_to_open(run)}.", soft_wrap=True)
    else:
        folder = run.work if until != "map" else run.results
        console.print(f"Stage {until} is done; its files are in {folder}.", soft_wrap=True)


def _what_to_open(run: "Run") -> str:
    name, made = run.config.name, run.config.deliverables
    files = {
        "project": f"{name}.qgz in QGIS", "sheets": "atlas.pdf", "workbook": f"{name}.xlsx in Excel",
        "report": f"{name}.docx in Word",
    }  # fmt: skip
    shown = [text for deliverable, text in files.items() if deliverable in made]
    return ", ".join([*shown, "zones.gpkg and zones/<id>/*.tif in any GIS", "summary.csv"])


def _print_replaced(run: "Run") -> None:
    from pipeline.inputs import replaced_results

    if said := replaced_results(run.results, run.zones):
        console.print(f"Note: {said}.", style="yellow", soft_wrap=True)


def _print_notes(run: "Run") -> None:
    for note in run.notes:
        console.print(f"Note: {note}.", style="yellow")
    for aside in run.set_aside:
        console.print(f"Set aside: {aside.reason}.", style="yellow")


INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def main() -> None:
    """Run the command line; an error that the user can mend is one sentence and an exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # on Windows, output to a file or program would be in the code page of the machine, which lacks ± or 片区;
        # a terminal has its own encoding, and NUL, to which a scheduled run prints, counts as a terminal
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=stream.encoding if stream.isatty() else "utf-8", errors="backslashreplace")
    gc.freeze()  # what the imports made stays: looking through it for garbage takes a tenth of a second each time
    try:
        app()
    except SinkmapError as error:
        errors.print(f"Error: {error}", style="bold red", soft_wrap=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno == errno.EINVAL and terminal.nobody_reads():
            sys.exit(1)
        sentence = os_error_sentence(error, "the output folder")
        errors.print(f"Error: {sentence}", style="bold red", soft_wrap=True)
        sys.exit(OutputError.exit_code)
    except SystemExit as stop:  # which typer makes of Ctrl-C
        if stop.code == INTERRUPTED:
            errors.print("Stopped; finished work is kept, run again to go on.")
        raise


if __name__ == "__main__":
    main()
