"""Field plots: read from a table, paired with the index of their pixel and year in the cube."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from pipeline.blocks import CELL_PX, rectangles
from pipeline.compositing.cube import Cube, Tile
from pipeline.errors import PlotError
from pipeline.questions.fit import ENOUGH_SITES, Fit, blocks_of, fit_sites
from pipeline.scenes.season import Season
from pipeline.variables import INDEX_NODATA, INDEX_STEP


@dataclass(frozen=True)
class PlotColumns:
    """Column names of the plot table, and the CRS of its coordinates; ``agb`` is dry biomass above ground, g/m2."""

    x: str = "lon"
    y: str = "lat"
    date: str = "date"
    agb: str = "agb_g_m2"
    crs: str = "EPSG:4326"


def read_plots(path: Path, columns: PlotColumns, grid_crs: str) -> pd.DataFrame:
    """The plots with ``east`` and ``north`` in the CRS of the grid, ``date``, ``agb_g_m2`` and an empty ``problem``.

    UTF-8 or GB18030; empty rows are skipped. Raises PlotError for a missing file or column, an unknown CRS, and a cell
    that is no position, date or number, with its line.
    """
    table = _read_csv(path)
    for name in (columns.x, columns.y, columns.date, columns.agb):
        if name not in table.columns:
            has = ", ".join(filter(None, table.columns))
            raise PlotError(f"{path}: has no column {name!r}; it has {has}, name it by an option")
        if [*table.columns].count(name) > 1:
            raise PlotError(f"{path}: has several columns {name!r}; keep that name for one of them")
    lines = table.index
    table = table.reset_index(drop=True)
    numbers = {name: _numbers(table[name]) for name in (columns.x, columns.y, columns.agb)}
    days = table[columns.date].str.replace("[/.年月]", "-", regex=True).str.rstrip("日")
    dates = pd.to_datetime(days, errors="coerce", format="%Y-%m-%d")
    for name, values in {**numbers, columns.date: dates}.items():
        if values.isna().any():
            row = int(np.flatnonzero(values.isna())[0])
            what = "date such as 2024-08-01" if name == columns.date else "number"
            raise PlotError(f"{path}:{lines[row]}: {name} is {table[name].iloc[row]!r}, not a {what}; correct it")
    try:
        move = Transformer.from_crs(CRS.from_user_input(columns.crs), grid_crs, always_xy=True)
    except CRSError:
        raise PlotError(f"{path}: {columns.crs} is not a CRS; write it like EPSG:4490") from None
    east, north = move.transform(numbers[columns.x].to_numpy(float), numbers[columns.y].to_numpy(float))
    lost = np.flatnonzero(~(np.isfinite(east) & np.isfinite(north)))
    if lost.size:
        line = lines[lost[0]]
        raise PlotError(f"{path}:{line}: the position is not valid in {columns.crs}; correct it, or name its CRS")
    return pd.DataFrame({"east": east, "north": north, "date": dates, "agb_g_m2": numbers[columns.agb], "problem": ""})


def _numbers(cells: pd.Series) -> pd.Series:
    """The cells as numbers, NaN where they are none: 1e400 is infinite to a float."""
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def _read_csv(path: Path) -> pd.DataFrame:
    """The cells as text without blanks around them, by the line of the file on which their row begins."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            with path.open(encoding=encoding, newline="") as file:
                return _table(path, file)
        except UnicodeDecodeError:
            continue
        except FileNotFoundError:
            raise PlotError(f"{path}: there is no such file; give the CSV of the plots") from None
        except PermissionError:
            raise PlotError(f"{path}: is open in another program, or may not be read; close it and run again") from None
        except (OSError, csv.Error) as error:
            raise PlotError(f"{path}: cannot be read as a CSV file ({error}); export it again") from error
    raise PlotError(f"{path}: is neither UTF-8 nor GB18030 text; export it again as a CSV file")


def _table(path: Path, file: TextIO) -> pd.DataFrame:
    rows, line = {}, 1
    for row in (reader := csv.reader(file, strict=True)):
        if any(cells := [cell.strip() for cell in row]):
            rows[line] = cells
        line = reader.line_num + 1
    if not rows:
        raise PlotError(f"{path}: is empty; give the CSV of the plots")
    header = rows.pop(min(rows))
    for line, cells in rows.items():
        if any(cells[len(header) :]):
            raise PlotError(f"{path}:{line}: has more cells than the header; correct it")
        rows[line] = (cells + [""] * len(header))[: len(header)]
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=header, dtype=str)


def pair_plots(
    plots: pd.DataFrame, cube: Cube, tiles: list[Tile], years: list[int], season: Season, index: str,
) -> pd.DataFrame:  # fmt: skip
    """The plots with ``row``, ``column`` of their pixel and its ``index`` in their year, NaN where there is none; then
    ``problem`` says why."""
    paired = plots.copy()
    columns, rows = cube.grid.wld2pix(plots["east"].to_numpy(), plots["north"].to_numpy())
    paired["row"], paired["column"] = np.floor(rows).astype(int), np.floor(columns).astype(int)
    paired["index"] = np.nan
    mapped = _in_tiles(paired, tiles)
    in_season = np.array([season.holds(day) for day in paired["date"]], bool)
    with_scenes = paired["date"].dt.year.isin(years).to_numpy()
    _note(paired, ~mapped, "outside the mapped area")
    _note(paired, ~with_scenes, "a year without scenes")
    _note(paired, ~in_season, "outside the season")
    _note(paired, (paired["agb_g_m2"] <= 0).to_numpy(), "no biomass above 0, for a fit in logarithms")
    for year in sorted(set(paired["date"].dt.year[mapped & with_scenes])):
        here = np.flatnonzero(mapped & (paired["date"].dt.year == year).to_numpy())
        pixels = zip(paired["row"][here], paired["column"][here], strict=True)
        stored = np.array([cube.read(year, index, (slice(r, r + 1), slice(c, c + 1))).item() for r, c in pixels])
        paired.loc[here, "index"] = np.where(stored == INDEX_NODATA, np.nan, stored * INDEX_STEP)
    _note(paired, paired["index"].isna().to_numpy(), "no clear observation in the season")
    return paired


def _in_tiles(paired: pd.DataFrame, tiles: list[Tile]) -> np.ndarray:
    inside = np.zeros(len(paired), bool)
    for tile in tiles:
        for rows, columns in rectangles(tile.cells, tile.shape, CELL_PX):
            row, column = (paired[name] - part.start for name, part in zip(("row", "column"), tile.window, strict=True))
            inside |= row.between(rows.start, rows.stop - 1) & column.between(columns.start, columns.stop - 1)
    return inside


def _note(paired: pd.DataFrame, where: np.ndarray, problem: str) -> None:
    """Set the problem of those plots that have none yet."""
    paired.loc[where & (paired["problem"] == "").to_numpy(), "problem"] = problem


def sites_of(paired: pd.DataFrame) -> pd.DataFrame:
    """Usable plots; those in the same pixel and year are averaged to one site: they are compared with the same index
    value, so they are not independent."""
    usable = paired[paired["problem"] == ""].assign(year=lambda plots: plots["date"].dt.year)
    sites = usable.groupby(["year", "row", "column"], sort=True)[["east", "north", "index", "agb_g_m2"]].mean()
    return sites.reset_index()


def fit_plots(path: Path, paired: pd.DataFrame, form: str, block_m: float, force: bool) -> Fit:
    """The model of the sites of the plots in ``path``. Raises PlotError where they give none, and, unless ``force``,
    for fewer than 30 sites."""
    sites = sites_of(paired)
    if len(sites) < ENOUGH_SITES and not force:
        raise PlotError(
            f"{path}: {len(sites)} sites can be used, a local model needs {ENOUGH_SITES}; add plots, or take --force "
            f"for a model marked unverified{_problems_sentence(paired)}"
        )
    blocks = blocks_of(sites["east"], sites["north"], block_m)
    try:
        return fit_sites(form, sites["index"].to_numpy(), sites["agb_g_m2"].to_numpy(), blocks)
    except ValueError as error:
        raise PlotError(
            f"{path}: {form} model: {error}; check the plots, or set --block-km{_problems_sentence(paired)}"
        ) from error


def problems(paired: pd.DataFrame) -> dict[str, int]:
    """How many plots cannot be used, by reason."""
    return paired["problem"][paired["problem"] != ""].value_counts(sort=False).to_dict()


def report(fit: Fit, paired: pd.DataFrame, u95_before: float) -> list[str]:
    """Which plots were left out, the model, and its errors at the sites themselves and at places that it has not
    seen."""
    left_out = [f"Left out: {count} plots, {problem}." for problem, count in problems(paired).items()]
    skills = [
        f"{name:14}R2 {skill.r2:6.3f}, RMSE {skill.rmse:6.1f} g/m2, bias {skill.bias:+6.1f} g/m2"
        for name, skill in fit.skills.items()
    ]
    narrower = f"95 % half-width of an area's mean: {fit.zone_u95_percent:.0f} %, until now {u95_before:.0f} %."
    return [*left_out, f"{fit.summary}.", *skills, narrower]


def unit_doubt(fit: Fit, usual_t_ha: tuple[float, float]) -> str:
    """A question if the median of the sites is unusual, t DM/ha; "" otherwise."""
    median, (low, high) = float(np.median(fit.y)), (100 * end for end in usual_t_ha)
    if low <= median <= high:
        return ""
    return f"The median of the sites is {median:.3g} g/m2, usual are {low:.0f} to {high:.0f}: is the column in g/m2?"


def _problems_sentence(paired: pd.DataFrame) -> str:
    found = [f"{count} {problem}" for problem, count in problems(paired).items()]
    return f" (left out: {', '.join(found)})" if found else ""
