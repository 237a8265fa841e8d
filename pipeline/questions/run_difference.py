"""Two finished runs compared zone by zone: which factor changed the stock and the sink (`attribution`)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import OutputError
from pipeline.questions.attribution import ATTRIBUTION_COLUMNS, Swap, attribute, beyond
from pipeline.questions.finished import FinishedRun, tables_of
from pipeline.questions.kept_pixels import KeptPixels, common
from pipeline.stock.sketch import Sketch
from pipeline.stock.zone_model import Period, ZoneModel, totals

SketchPair = tuple[Sketch | None, Sketch]
"""Sketches of the baseline and the current period."""


@dataclass(frozen=True)
class Side:
    """A zone in one of the two runs; ``baseline`` and ``pixels`` may be None."""

    model: ZoneModel
    baseline: Period | None
    current: Period
    sketches: SketchPair
    pixels: KeptPixels | None
    inventory: list
    """What identifies the stands: content of each of their files, layer and columns, and how they are counted."""

    @classmethod
    def of(cls, run: FinishedRun, zone: str) -> "Side":
        """The zone as the run knows it."""
        kept, stands = run.sketches(zone), run.record["config"]["stands"]
        then = kept[run.baseline.label] if run.baseline else None
        inventory = [
            [*run.checksums(table["path"]).values(), table["layer"], table["columns"]] for table in tables_of(stands)
        ]
        # the record of an older program may have no words of species, and then none were in use
        inventory += [stands.get("species", {}), stands["min_area_fraction"]] if stands else []
        sketches = (then, kept[run.current.label])
        return cls(run.model(zone), run.baseline, run.current, sketches, KeptPixels.of(run, zone), inventory)

    @property
    def periods(self) -> tuple[Period | None, Period]:
        return self.baseline, self.current

    def totals(self, model: ZoneModel | None = None, sketches: SketchPair | None = None) -> dict[str, float]:
        """Stock and sink, with another model or other sketches in its place."""
        return totals(model or self.model, *(sketches or self.sketches), self.baseline, self.current)


def compare(run_a: FinishedRun, run_b: FinishedRun) -> list[dict]:
    """Rows of the attribution, keys `ATTRIBUTION_COLUMNS`, of the zones of both runs in the order of the second. Raises
    OutputError where the two have no zone in common."""
    shared = [zone for zone in run_b.zones if zone in run_a.zones]
    if not shared:
        raise OutputError(f"{run_a.folder} and {run_b.folder} have no zone in common; name two runs of the same zones")
    return [row for zone in shared for row in _zone_rows(run_a, run_b, zone)]


def _zone_rows(run_a: FinishedRun, run_b: FinishedRun, zone: str) -> Iterator[dict]:
    recorded_a, recorded_b = (run.zones[zone]["figures"] for run in (run_a, run_b))
    a, b = (Side.of(run, zone) for run in (run_a, run_b))
    chain, notes = _chain(a, b)
    if run_a.zones[zone].get("shrub") != run_b.zones[zone].get("shrub"):
        factor = _factor_of_shrub(a, [factor for factor, _ in chain])
        notes.append(f"shrub grows on other ground in the second run; that change counts as {factor}")
    start = a.totals()
    for quantity in ("carbon_tC", "sink_tCO2_yr"):
        before, after = recorded_a.get(quantity), recorded_b.get(quantity)
        row = dict.fromkeys(ATTRIBUTION_COLUMNS) | {"zone_id": zone, "quantity": quantity}
        row |= {"before": before, "after": after, "note": "; ".join(notes) or None}
        if before is None or after is None:
            missing = [name for name, value in (("first", before), ("second", after)) if value is None]
            said = "neither run gives a" if len(missing) == 2 else f"the {missing[0]} run gives no"
            yield row | {"note": f"{said} figure"}
            continue
        swaps = [Swap(factor, figures[quantity]) for factor, figures in chain]
        parts = attribute(before, after, start[quantity], swaps)
        yield row | {"change": after - before} | parts | {"beyond_interval": beyond(recorded_a, quantity, after)}


def _factor_of_shrub(a: Side, factors: list[str]) -> str:
    """The factor of the chain whose swap includes the change of the shrub ground."""
    if a.model.shrub is None:
        return "coefficients"
    if "stands" in factors:
        return "stands"
    return "boundary" if "cover" in factors else factors[1]


def _chain(a: Side, b: Side) -> tuple[list[tuple[str, dict[str, float]]], list[str]]:
    """The figures after each swap, by factor, and notes on them."""
    moved = replace(a.model, zone=replace(a.model.zone, area_ha=b.model.zone.area_ha))
    dated = replace(moved, year_weights=b.model.year_weights)
    end = ("coefficients", b.totals())
    kinds = [side.model.ecosystem.ecosystem for side in (a, b)]
    notes = [] if kinds[0] == kinds[1] else [
        f"{kinds[0]} in the first run and {kinds[1]} in the second; that change counts as coefficients"
    ]  # fmt: skip
    if a.model.stands or b.model.stands:
        there = a.totals(_stands_moved(moved, a, b))
        if notes:  # stands hold nothing by the numbers of another ecosystem than forest
            return [("boundary", there), end], notes
        inventories = b.totals(replace(dated, stands=b.model.stands))
        chain = [("boundary", there), ("clear_pixels", there), ("cover", there), ("stands", inventories), end]
        alone = "second" if a.model.stands is None else "first" if b.model.stands is None else None
        return chain, [f"only the {alone} run uses stands"] if alone else []
    swapped, why = _swapped(a, b)
    ends = [end]
    if a.periods != b.periods:
        notes.append("the periods differ" if why else "the periods differ: their years are paired in order")
        if a.model.index == b.model.index:
            ends = [("periods", b.totals(dated)), end]
    # the pixels seen in each year date a stock, too; in other periods than they are of they date none
    seen = dated if a.periods == b.periods else moved
    if not why:
        factors = ("boundary", "clear_pixels", "cover", "clear_pixels")
        models = (moved, moved, moved, seen)
        swaps = zip(factors, models, swapped, strict=True)
        return [*((factor, a.totals(model, pair)) for factor, model, pair in swaps), *ends], notes
    chain = [("boundary", a.totals(moved))]
    if a.model.index == b.model.index and all(b.sketches[i] for i in (0, 1) if a.sketches[i]):
        chain.append(("clear_pixels_and_cover", a.totals(seen, b.sketches)))
    return [*chain, *ends], [*notes, f"of the boundary only the area is compared, and pixels are not told apart: {why}"]


def _stands_moved(model: ZoneModel, a: Side, b: Side) -> ZoneModel:
    """The model with the stands inside the second boundary: cut anew if the inventory is the same, otherwise with the
    same density as before."""
    if a.model.stands is None:
        return model
    if b.model.stands and a.inventory == b.inventory:
        return replace(model, stands=b.model.stands)
    stands, grown = a.model.stands, model.zone.area_ha / a.model.zone.area_ha
    return replace(model, stands=replace(stands, area_ha=stands.area_ha * grown))


def _swapped(a: Side, b: Side) -> tuple[list[SketchPair], str]:
    """Sketches of the first run's index in four steps: within the second's boundary; on the pixel-years clear in both;
    with the second's values on these; on all pixel-years of the second. Or the reason why the cubes do not give
    them."""
    for which, side in (("first", a), ("second", b)):
        if side.pixels is None:
            return [], f"the cube of the {which} run is gone"
    if a.pixels.cube.grid != b.pixels.cube.grid:
        return [], "the grids differ"
    if [p and len(p.years) for p in a.periods] != [p and len(p.years) for p in b.periods]:
        return [], "the periods have different numbers of years"
    try:
        found = [_swapped_period(a, b, place) for place in (0, 1)]
    except (OSError, OutputError):
        return [], f"a cube lacks years, covered fractions or the index {a.model.index}"
    if None in found:
        return [], "a cube is no longer that of its run"
    if not all(sketch.observed for period in found for sketch in period if sketch):
        return [], "no pixel-year is clear in both"
    return list(zip(*found, strict=True)), ""


def _swapped_period(a: Side, b: Side, place: int) -> list[Sketch | None] | None:
    """The sketches of one period; None where those of the unchanged runs are not what the runs kept."""
    if a.periods[place] is None:
        return [None] * 4
    index, share = a.model.index, a.model.ecosystem.min_water_share
    of_a, of_b = (side.pixels.layers(side.periods[place].years, index, share) for side in (a, b))
    layers = (of_a, common(of_a, of_b), common(of_b, of_a), of_b)
    found = [b.pixels.sketch(of) for of in layers]
    same = _same(a.pixels.sketch(of_a), a.sketches[place])
    if b.model.index == index and b.model.ecosystem.min_water_share == share:
        same = same and _same(found[-1], b.sketches[place])
    return found if same else None


def _same(one: Sketch, other: Sketch) -> bool:
    layers = ((getattr(one, name), getattr(other, name)) for name in ("land", "water", "mosaic"))
    return one.size == other.size and all(np.array_equal(*pair) for pair in layers)
