"""Commands that ask a finished run: no scene is read; boundaries and stands are only compared with their checksums."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.commands.explanation import explanation, group_explanation
from pipeline.commands.terminal import SAMPLE, ConfigPath, OutPath, absolute, console, settings_of
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config.run_config import RunConfig
    from pipeline.questions.finished import FinishedRun

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def what_if(
    changes: Annotated[
        list[str], typer.Option("--set", help="ecosystem.coefficient=number, or =x1.1; may be repeated.")
    ],
    config: ConfigPath = SAMPLE,
    zone: Annotated[list[str] | None, typer.Option("--zone", help="Only these zones; else all that change.")] = None,
    year: Annotated[int | None, typer.Option("--year", help="Ask the run that `zones --year` made.")] = None,
    out: OutPath = Path("out"),
) -> None:
    """Say what the totals would be with other coefficients, from the sketches of the last run; read no raster."""
    from pipeline.questions.finished import FinishedRun
    from pipeline.questions.what_if import what_if as answers

    settings = settings_of(config, year)
    run = FinishedRun.read(settings.results(absolute(out)))
    _say_changed(run, changed_since(run, settings))
    found = answers(run, changes, zone)
    told = {answer.zone for answer in found}
    note = run.note_of(zone for zone in run.zones if zone in told or "city" in told)
    table = Table("片区 zone", "指标 quantity", title=f"{note}\n{'; '.join(changes)}")
    for title in ("前 before", "95%", "后 after", "95%", "变化 change"):
        table.add_column(title, justify="right")
    first_sum = next((answer for answer in found if answer.zone not in run.zones), None)
    for answer in found:
        if answer is first_sum:
            table.add_section()
        ends = [f"{i.p2_5:,.0f} – {i.p97_5:,.0f}" if i else "" for i in (answer.interval_before, answer.interval_after)]
        # of its size, since a loss that grows is a smaller sink
        share = f"{(answer.after - answer.before) / abs(answer.before):+.1%}" if answer.before else ""
        table.add_row(
            answer.zone, answer.quantity, f"{answer.before:,.0f}", ends[0], f"{answer.after:,.0f}", ends[1], share
        )
    console.print(table)


def explain(
    zone: Annotated[str, typer.Option("--zone", help="Zone id, or forest, grassland, wetland, city.")],
    metric: Annotated[
        str,
        typer.Option("--metric", help="Such as carbon_tC, sink_tCO2_yr, fvc_mean, volume_m3; any other lists all."),
    ],
    config: ConfigPath = SAMPLE,
    year: Annotated[int | None, typer.Option("--year", help="A year; by default the current period.")] = None,
    out: OutPath = Path("out"),
    as_json: AsJson = False,
) -> None:
    """Say where a figure comes from: formula, coefficients, scenes, ground seen, boundary, interval."""
    from pipeline.questions.explain import explain as explained
    from pipeline.questions.explain_group import explain_group
    from pipeline.questions.finished import FinishedRun
    from pipeline.zones.zone import GROUP_NAMES

    settings, alone = settings_of(config), []
    if year is not None and not (settings.results(absolute(out)) / "run.json").is_file():
        # which may have been mapped alone: it is that run's current period
        settings, alone, year = settings.for_year(year), ["--year", str(year)], None
    run = FinishedRun.read(settings.results(absolute(out)))
    if zone in GROUP_NAMES:
        if year is not None:
            raise ConfigError(f"zones taken together are explained for the current period; leave out --year {year}")
        answer = explain_group(run, zone, metric)
    else:
        answer = explained(run, zone, metric, year)
    answer |= {
        "command": shell_line(["sinkmap", "zones", str(config), "--out", str(out), *alone, "--force"]),
        "changed_since": changed_since(run, settings),
    }
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
        return
    _say_changed(run, answer["changed_since"])
    for line in (group_explanation if zone in GROUP_NAMES else explanation)(answer):
        console.print(line, soft_wrap=True)


def shell_line(words: list[str]) -> str:
    """A command as it is to be typed into the shell of this system."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def changed_since(run: "FinishedRun", settings: "RunConfig") -> list[str]:
    """Which of config, coefficients, boundaries and stands have changed since the finished run. A missing file does not
    count as changed."""
    from pipeline.config.run_config import placeless, read_coefficients
    from pipeline.execution.provenance import checksum
    from pipeline.questions.finished import tables_of
    from pipeline.zones.file_parts import parts_of

    # what is exported may be asked for by an option
    dumped = (run.record["config"], settings.model_dump(mode="json"))
    before, now = (placeless(config) | {"exports": ()} for config in dumped)
    numbers = {
        name: method.model_dump(mode="json") for name, method in read_coefficients(settings.coefficients).items()
    }
    changed = ["config"] * (before != now) + ["coefficients"] * (run.record["coefficients"] != numbers)
    for what, name in (("boundaries", "zones"), ("stands", "stands")):
        for of_run, table in zip(*(tables_of(config[name]) for config in dumped), strict=False):
            there = {part.name: checksum(str(part))[1] for part in parts_of(Path(table["path"]))}
            if there and there != run.checksums(of_run["path"]) and what not in changed:
                changed.append(what)
    return changed


def _say_changed(run: "FinishedRun", what: list[str]) -> None:
    if what:
        console.print(
            f"Figures of the run finished {run.record['finished']}; {' and '.join(what)} changed since: run `sinkmap "
            "zones` for new ones.", style="yellow", soft_wrap=True,
        )  # fmt: skip


def diff(
    run_a: Annotated[Path, typer.Argument(help="Result folder of the first run, OUT/<name>.")],
    run_b: Annotated[Path, typer.Argument(help="Result folder of the second run.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write the table to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Split each zone's change between two runs: boundary, clear pixels, cover, stands, periods, coefficients, code."""
    from pipeline.outputs.csv_file import write_csv
    from pipeline.questions.attribution import ATTRIBUTION_COLUMNS
    from pipeline.questions.finished import FinishedRun
    from pipeline.questions.run_difference import compare

    first, second = (FinishedRun.read(absolute(folder)) for folder in (run_a, run_b))
    rows = compare(first, second)
    if csv:
        write_csv(csv, ATTRIBUTION_COLUMNS, rows)
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for quantity in ("carbon_tC", "sink_tCO2_yr"):
        console.print(_difference_table(quantity, [row for row in rows if row["quantity"] == quantity], second))
    for note in dict.fromkeys(row["note"] for row in rows if row["note"]):
        zones = dict.fromkeys(row["zone_id"] for row in rows if row["note"] == note)
        console.print(f"{', '.join(zones)}: {note}.", style="yellow", soft_wrap=True)
    for run, other in ((first, second), (second, first)):
        if alone := run.zones.keys() - other.zones.keys():
            console.print(f"Only in {run.folder}: {', '.join(sorted(alone))}.", soft_wrap=True)
    moved = dict.fromkeys(f"{row['zone_id']} ({row['quantity']})" for row in rows if row["beyond_interval"])
    told = any(row["beyond_interval"] is not None for row in rows)
    found = ", ".join(moved) or ("none" if told else "not known, it has no intervals")
    console.print(f"Beyond the first run's 95 % interval: {found}.", soft_wrap=True)


ROUNDING = 1e-11
"""A change below this share of a figure is the rounding of sums."""


def _difference_table(quantity: str, rows: list[dict], run: "FinishedRun") -> Table:
    """The attribution of one quantity; columns that no zone needs are left out."""
    from pipeline.questions.attribution import ATTRIBUTION_COLUMNS, FACTORS

    shown = ["before", "after", "change", *(f for f in FACTORS if any(row[f] is not None for row in rows))]
    table = Table("片区 zone", title=f"{run.record['note']}\n{quantity}")
    for name in shown:
        table.add_column(f"{ATTRIBUTION_COLUMNS[name][1]} {name.replace('_', ' ')}", justify="right", overflow="fold")
    for row in rows:
        least = ROUNDING * max(abs(row[name] or 0) for name in ("before", "after"))
        table.add_row(row["zone_id"], *(_change(row[name], name not in ("before", "after"), least) for name in shown))
    return table


def _change(value: float | None, signed: bool, least: float) -> str:
    """A figure, or a change with its sign, in t: without decimals from 1000 on, so that it fits a line; empty where
    unknown, and a plain 0 where it is no more than ``least``, the rounding of sums."""
    if value is None or abs(value) <= least:
        return "" if value is None else "0"
    return f"{value:{'+' * signed},.{0 if abs(value) >= 1000 else 2}f}"
