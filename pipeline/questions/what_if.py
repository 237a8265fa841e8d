"""What totals would be with other coefficients, from the sketches of a finished run: no raster is read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ecosystems import AnyCoefficient, BinnedCoefficient, coefficients, find
from pipeline.errors import ConfigError
from pipeline.questions.finished import FinishedRun
from pipeline.stock.zone_model import SHRUB_PATH, ZoneModel, totals
from pipeline.uncertainty.monte_carlo import Interval, interval


@dataclass(frozen=True)
class Answer:
    """A total of a zone, an ecosystem or the city before and after: estimates, and draws where the run makes any."""

    zone: str
    quantity: str
    before: float
    after: float
    draws_before: np.ndarray | None
    draws_after: np.ndarray | None

    @property
    def interval_before(self) -> Interval | None:
        return None if self.draws_before is None else interval(self.draws_before)

    @property
    def interval_after(self) -> Interval | None:
        return None if self.draws_after is None else interval(self.draws_after)


def numbers_set(run: FinishedRun, changes: list[str]) -> dict[str, dict[str, float]]:
    """By ecosystem and path of a row, the number that the changes set, each ``ecosystem.coefficient=number`` or, by a
    factor, ``=x1.1``; of a polynomial or table, which only takes a factor, that factor. A name without a stratum means
    that row of every stratum. Raises ConfigError, also for a number that the row cannot have."""
    found: dict[str, dict[str, float]] = {}
    for change in changes:
        name, _, text = change.partition("=")
        ecosystem, _, coefficient = name.strip().partition(".")
        by_factor = text.strip().startswith(("x", "×"))
        try:
            number = float(text.strip().lstrip("x×"))
        except ValueError:
            raise ConfigError(f"--set {change}: write it like grassland.root_shoot=4.0, or =x1.1") from None
        if ecosystem not in run.ecosystems:
            raise ConfigError(f"--set {change}: the ecosystems are {', '.join(run.ecosystems)}")
        rows = coefficients(run.ecosystems[ecosystem])
        try:
            paths = find(run.ecosystems[ecosystem], coefficient)
        except KeyError as error:
            raise ConfigError(f"--set {change}: {error.args[0]}") from None
        if twice := found.get(ecosystem, {}).keys() & set(paths):
            raise ConfigError(f"--set {change}: {ecosystem}.{min(twice)} is set already; give it once")
        values = {path: _changed(change, path, rows[path], number, by_factor) for path in paths}
        found.setdefault(ecosystem, {}).update(values)
    return found


def _changed(change: str, path: str, row: AnyCoefficient, number: float, by_factor: bool) -> float:
    """The number of a row after the change, or its factor. Raises ConfigError for a number outside the valid range, and
    for a row of numbers without a factor above 0."""
    if row.is_row:
        if not (by_factor and 0 < number < np.inf):
            raise ConfigError(f"--set {change}: {path} is a row of numbers and takes a factor above 0, such as =x1.1")
        return number
    value, (low, high) = row.value * number if by_factor else number, row.valid
    if not low <= value <= high:
        raise ConfigError(f"--set {change}: {path} lies between {low:g} and {high:g} {row.unit}")
    return value


def what_if(run: FinishedRun, changes: list[str], zones: list[str] | None = None) -> list[Answer]:
    """Totals before and after, of those zones whose stock depends on what changes, then of their ecosystems and the
    city, where all zones of these were asked for. Raises ConfigError where there are none."""
    numbers, zones = numbers_set(run, changes), list(dict.fromkeys(zones or ()))
    if strange := set(zones) - run.zones.keys():
        raise ConfigError(f"there is no zone {min(strange)}; the zones are {', '.join(run.zones)}")
    answers, others, without_total = [], {}, []
    for zone in zones or run.zones:
        entry = run.zones[zone]
        if not (entry["ecosystem"] in numbers or entry.get("shrub")):
            continue
        model = run.model(zone)
        if values := _of_zone(model, numbers):
            if values.keys().isdisjoint(_rows(model)):
                others[zone] = [model.full_path(path) for path in _rows(model)]
            elif found := _compare(run, model, _with_values(model, values)):
                answers += found
            else:
                without_total.append(zone)
    if not answers and without_total:
        raise ConfigError(
            f"{', '.join(without_total)}: there is no total that could change; the status in the table says why"
        )
    if not answers and others:
        rows = dict.fromkeys(path for rows in others.values() for path in rows)
        raise ConfigError(f"no figure of {', '.join(others)} rests on what --set changes, but on {', '.join(rows)}")
    if not answers:
        raise ConfigError(f"the changes concern {', '.join(numbers)}, but none of the zones asked for does")
    return answers + list(_of_groups(run, answers, set(zones or run.zones)))


def _of_groups(run: FinishedRun, answers: list[Answer], asked: set[str]) -> Iterator[Answer]:
    """Sums over the zones of an ecosystem and of the city, where there are several zones, all were ``asked`` for, one
    changes and none lacks the total. They are added draw by draw, since errors that they share are in the same draw."""
    known = {(answer.zone, answer.quantity): answer for answer in answers}
    groups: dict[str, list[str]] = {}
    for zone in run.all_zones:
        for group in (zone["ecosystem"], "city"):
            groups.setdefault(group, []).append(zone["id"])
    changing = {answer.zone for answer in answers}
    for group in (*run.ecosystems, "city"):
        members = groups.get(group, [])
        if len(members) < 2 or not asked.issuperset(members) or changing.isdisjoint(members):
            continue
        for zone in sorted(set(members) - {zone for zone, _ in known}):
            model = run.model(zone)
            known |= {(zone, same.quantity): same for same in _compare(run, model, model)}
        for quantity in dict.fromkeys(answer.quantity for answer in answers):
            parts = [known[zone, quantity] for zone in members if (zone, quantity) in known]
            if len(parts) == len(members):
                drawn = parts[0].draws_before is not None
                yield Answer(
                    group, quantity, sum(a.before for a in parts), sum(a.after for a in parts),
                    sum(a.draws_before for a in parts) if drawn else None,
                    sum(a.draws_after for a in parts) if drawn else None,
                )  # fmt: skip


def _of_zone(model: ZoneModel, numbers: dict[str, dict[str, float]]) -> dict[str, float]:
    """Those of the numbers that the zone can depend on: shrub uses the rows of forest, whatever zone it grows in."""
    of_forest = {f"forest.{path}": value for path, value in numbers.get("forest", {}).items()} if model.shrub else {}
    shrubs = {path: value for path, value in of_forest.items() if path.startswith(SHRUB_PATH)}
    return numbers.get(model.ecosystem.ecosystem, {}) | shrubs


def _rows(model: ZoneModel) -> list[str]:
    """Paths of the coefficients that the totals of a zone depend on."""
    return [*model.rows, "stand_volume" if model.stands else "index_bias"]


def _with_values(model: ZoneModel, values: dict[str, float]) -> ZoneModel:
    """`ZoneModel.with_values`, where shipped end-members follow their rows. Raises ConfigError if they cannot be soil
    and vegetation."""
    # a table that lists other numbers takes stands to other roots, which a factor on it as an error does not
    rows = {path: model.coefficients[path] for path in values}
    tables = {path: row.times(values[path]) for path, row in rows.items() if isinstance(row, BinnedCoefficient)}
    after = model.with_values(values | tables)
    if not model.shipped_end_members:
        return after
    stratum = after.ecosystem.strata[model.zone.stratum]
    ends = {"soil": stratum.soil_index.value, "vegetation": stratum.vegetation_index.value}
    try:
        return replace(after, end_members=replace(model.end_members, **ends))
    except ValueError as error:
        raise ConfigError(f"--set: in zone {model.zone.id} {error}") from None


def _compare(run: FinishedRun, before: ZoneModel, after: ZoneModel) -> list[Answer]:
    """Compares only totals that the run gives: a withheld total is not brought back by another coefficient."""
    zone, sketches = before.zone.id, run.sketches(before.zone.id)
    figures, draws = [], []
    for model in (before,) if after is before else (before, after):
        then = sketches[run.baseline.label] if run.baseline else None
        figures.append(totals(model, then, sketches[run.current.label], run.baseline, run.current))
        draws.append(run.realise(model, sketches).all if run.settings.count else {})
    return [
        Answer(
            zone, name, figures[0][name], figures[-1][name],
            *(each[name, run.current.label] if each else None for each in (draws[0], draws[-1])),
        )
        for name in figures[0]
        if name in run.zones[zone]["figures"]
    ]  # fmt: skip
