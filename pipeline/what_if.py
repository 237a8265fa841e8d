"""What totals would be with other coefficients, from the sketches of a finished run: no raster is read."""

from dataclasses import dataclass

from pipeline.ecosystems import Ecosystem, find, with_values
from pipeline.errors import ConfigError
from pipeline.finished import FinishedRun
from pipeline.uncertainty import Interval, interval
from pipeline.zone_model import ZoneModel, totals


@dataclass(frozen=True)
class Answer:
    """A total before and after: estimates and 95 % intervals, None where the run draws none."""

    zone: str
    quantity: str
    before: float
    after: float
    interval_before: Interval | None
    interval_after: Interval | None


def changed_ecosystems(run: FinishedRun, changes: list[str]) -> dict[str, Ecosystem]:
    """The ecosystems with the changes, each ``ecosystem.coefficient=number``; a name without its stratum means that
    of every stratum, and of a polynomial or table the number is a factor. Raises ConfigError."""
    changed: dict[str, Ecosystem] = {}
    for change in changes:
        name, _, text = change.partition("=")
        ecosystem, _, coefficient = name.strip().partition(".")
        try:
            value = float(text)
        except ValueError:
            raise ConfigError(f"--set {change}: write it like grassland.root_shoot=4.0") from None
        if ecosystem not in run.ecosystems:
            raise ConfigError(f"--set {change}: the ecosystems are {', '.join(run.ecosystems)}")
        method = changed.get(ecosystem, run.ecosystems[ecosystem])
        try:
            changed[ecosystem] = with_values(method, dict.fromkeys(find(method, coefficient), value))
        except KeyError as error:
            raise ConfigError(f"--set {change}: {error.args[0]}") from None
    return changed


def what_if(run: FinishedRun, changes: list[str], zones: list[str] | None = None) -> list[Answer]:
    """Totals of the zones, or of those whose ecosystem changes, before and after. Raises ConfigError."""
    changed = changed_ecosystems(run, changes)
    if unknown := set(zones or ()) - run.zones.keys():
        raise ConfigError(f"there is no zone {min(unknown)}; the zones are {', '.join(run.zones)}")
    answers = []
    for zone in zones or run.zones:
        before, after = run.model(zone), run.model(zone, changed)
        # shrub goes by the forest's rows in whatever zone it grows
        if before.zone.ecosystem in changed or before.shrub != after.shrub:
            answers += _compare(run, before, after)
    if not answers:
        raise ConfigError(f"the changes concern {', '.join(changed)}, which none of the zones asked for is")
    return answers


def _compare(run: FinishedRun, before: ZoneModel, after: ZoneModel) -> list[Answer]:
    zone, sketches = before.zone.id, run.sketches(before.zone.id)
    figures, draws = [], []
    for model in (before, after):
        then = sketches[run.baseline.label] if run.baseline else None
        figures.append(totals(model, then, sketches[run.current.label], run.baseline, run.current))
        draws.append(run.realise(model, sketches).all if run.settings.count else {})
    return [
        Answer(
            zone, name, *(found[name] for found in figures),
            *(interval(drawn[name, run.current.label]) if drawn else None for drawn in draws),
        )
        for name in figures[0]
    ]  # fmt: skip
