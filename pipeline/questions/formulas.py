"""The figures of a zone as formulas with their numbers in them, for the person who has to sign one. Pure.

Each step is arithmetic that can be redone by hand; numbers are printed with 7 digits. Means over a zone are exact:
every quantity is a function of the index behind the composite (`sketch`), and a formula is applied to a mean only if it
is linear.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.carbon import stock_difference
from pipeline.ecosystems.shrub import SHRUB, Shrub
from pipeline.stock.sketch import FIRST_PART, INDEX, Sketch
from pipeline.stock.zone_model import Period, ZoneModel, stock

Dated = tuple[Period, Sketch]
"""A period with the zone's sketch of it."""


@dataclass(frozen=True)
class Step:
    """``figure`` = ``formula`` = ``numbers`` = ``value`` ``unit``."""

    figure: str
    formula: str
    numbers: str
    value: float
    unit: str


def number(value: float) -> str:
    """A number as a formula prints it."""
    return f"{value:.7g}"


def steps(metric: str, model: ZoneModel, now: Dated, then: Dated | None = None) -> list[Step]:
    """The steps to a figure (a column of the result table), the last is the figure itself; a sink compares with
    ``then``."""
    area, unit_area = model.zone.area_ha, ("× A", f"× {number(model.zone.area_ha)}")
    match metric:
        case "area_ha":
            return [Step("A", "area of the boundary on the CGCS2000 ellipsoid", number(area), area, "ha")]
        case "index_mean" | "ndvi_mean":
            return [_index(model, now[1])]
        case "fvc_mean":
            return [_cover(model, now[1])]
        case "agb_tDM_ha":
            return _biomass(model, now)
        case "volume_m3":
            return _volume(model, now[0])
        case "carbon_tC_ha" | "carbon_tC":
            return _carbon(model, now, whole=metric == "carbon_tC")
    before, after = (_carbon(model, at, whole=False) for at in (then, now))
    years = model.years_between(then[0], now[0])
    sink = float(stock_difference(before[-1].value, after[-1].value, years))
    difference = f"({after[-1].value:.10g} - {before[-1].value:.10g}) / {number(years)} × 44 / 12"
    figure = Step("sink per ha", "(C/A now - C/A then) / years × 44 / 12", difference, sink, "t CO2/ha/yr")
    if metric == "sink_tCO2_yr":
        formula, numbers = (f"{text} {by}" for text, by in zip((figure.formula, difference), unit_area, strict=True))
        figure = Step("sink", formula, numbers, sink * area, "t CO2/yr")
    return [
        *(_dated(step, then[0]) for step in before),
        *(_dated(step, now[0]) for step in after),
        figure,
    ]


def _dated(step: Step, period: Period) -> Step:
    return Step(f"{step.figure} {period.label}", step.formula, step.numbers, step.value, step.unit)


def _index(model: ZoneModel, sketch: Sketch) -> Step:
    total = float(((sketch.land + sketch.water) * INDEX).sum())
    name = model.index.upper()
    formula = f"sum of {name} over the observed pixels / observed pixels"
    return Step(f"mean {name}", formula, f"{number(total)} / {number(sketch.observed)}", sketch.mean_index, "1")


def _cover(model: ZoneModel, sketch: Sketch) -> Step:
    """The mean over pixels fully covered, between the end-members, and bare; open water counts as bare."""
    ends = model.end_members
    index = INDEX + model.ecosystem.index_bias.value
    full = sketch.land[index >= ends.vegetation].sum() / sketch.observed
    part = np.where((index > ends.soil) & (index < ends.vegetation), sketch.land, 0)
    share = part.sum() / sketch.observed
    value = sketch.mean(model.responses["fvc"])
    if ends.model == "linear":
        name = model.index.upper()
        mean = (part * index).sum() / part.sum() if share else ends.soil
        formula = (
            f"share at full cover + share between × (mean {name} between - {name}_soil) / ({name}_veg - {name}_soil)"
        )
        soil, vegetation = number(ends.soil), number(ends.vegetation)
        numbers = f"{number(full)} + {number(share)} × ({number(mean)} - {soil}) / ({vegetation} - {soil})"
    else:
        mean = (part * model.responses["fvc"]).sum() / part.sum() if share else 0.0
        formula = f"share at full cover + share between × mean cover between ({ends.model} model)"
        numbers = f"{number(full)} + {number(share)} × {number(mean)}"
    return Step("mean cover f", formula, numbers, value, "1")


def _biomass(model: ZoneModel, now: Dated) -> list[Step]:
    if model.stands:
        parts = _stands(model, now[0], carbon=False)
        return [*parts, _summed("AGB", parts, model, now, whole=False)]
    cover = [_cover(model, now[1])] if model.ecosystem.model_index is None else []
    found = stock(model, now[1], now[0])["agb"]
    if _shrubless(model, now[1]):
        return [*cover, _by_index("AGB", model, found)]
    parts = [_outside_shrub(model, now[1]), _shrub_of_zone(model, now[1], carbon=False)]
    return [*cover, *parts, Step("AGB", *_added(parts), found, "t DM/ha")]


def _by_index(figure: str, model: ZoneModel, found: float, outside: str = "") -> Step:
    """Biomass by the zone's own ecosystem; ``outside`` says which other ground counts as 0 in its mean."""
    factor = model.ecosystem.biomass_factor(model.zone.stratum)
    formula, numbers = (
        f"({factor.of}{outside}) × {factor.symbols}",
        f"{number(found / factor.value)} × {factor.numbers}",
    )
    return Step(figure, formula, numbers, found, "t DM/ha")


def _carbon(model: ZoneModel, now: Dated, whole: bool) -> list[Step]:
    """The steps to the stock of the ``whole`` zone (t C) or per ha."""
    if model.stands:
        parts = _stands(model, now[0], carbon=True)
        return [*parts, _summed("C", parts, model, now, whole)]
    area, density = model.zone.area_ha, stock(model, now[1], now[0])["carbon_stock"]
    if _shrubless(model, now[1]):
        before = _biomass(model, now)
        formula, numbers = _with_roots(model, before[-1])
    else:
        biomass = _outside_shrub(model, now[1])
        outside = now[1].mean(model.responses["carbon_stock"] * FIRST_PART)
        own = Step("C/A outside shrub", *_with_roots(model, biomass), outside, "t C/ha")
        parts = [own, _shrub_of_zone(model, now[1], carbon=True)]
        before, (formula, numbers) = [biomass, *parts], _added(parts)
        if whole:
            formula, numbers = f"({formula})", f"({numbers})"
    if not whole:
        return [*before, Step("C/A", formula, numbers, density, "t C/ha")]
    return [*before, Step("C", f"{formula} × A", f"{numbers} × {number(area)}", density * area, "t C")]


def _with_roots(model: ZoneModel, biomass: Step) -> tuple[str, str]:
    """Formula and numbers of the carbon of a biomass by the zone's own ecosystem."""
    factor = model.ecosystem.carbon_factor(model.zone.stratum)
    return f"{biomass.figure} × {factor.symbols}", f"{number(biomass.value)} × {factor.numbers}"


def _shrubless(model: ZoneModel, sketch: Sketch) -> bool:
    return model.shrub is None or sketch.mosaic is None


def _outside_shrub(model: ZoneModel, sketch: Sketch) -> Step:
    """The part of the ground outside shrub in the zone's mean biomass."""
    return _by_index("AGB outside shrub", model, sketch.mean(model.responses["agb"] * FIRST_PART), ", 0 on shrub")


def _shrub_of_zone(model: ZoneModel, sketch: Sketch, carbon: bool) -> Step:
    """The part of shrub in the zone's mean biomass (t DM/ha) or ``carbon`` (t C/ha): from its share of the observed
    ground and its mean cover, surveyed or from the index."""
    cover = (sketch.mosaic[1] * model.responses["fvc"] + sketch.mosaic[2]).sum() / sketch.shrub.sum()
    value = sketch.shrub_fraction * float(model.shrub.stock(cover)[carbon])
    symbols, numbers = _shrub(model.shrub, cover / model.shrub.reference_cover.value, carbon)
    formula, numbers = f"share of shrub × {symbols}", f"{number(sketch.shrub_fraction)} × {numbers}"
    figure, unit = ("C/A of shrub", "t C/ha") if carbon else ("AGB of shrub", "t DM/ha")
    return Step(figure, formula, numbers, value, unit)


def _added(parts: list[Step]) -> tuple[str, str]:
    """Formula and numbers of a sum."""
    return " + ".join(part.figure for part in parts), " + ".join(number(part.value) for part in parts)


def _summed(figure: str, parts: list[Step], model: ZoneModel, now: Dated, whole: bool) -> Step:
    """The sum over kinds of stands, for the whole zone or per ha; ground outside the stands of an inventoried zone is
    no forest."""
    quantity, unit = ("agb", "t DM") if figure == "AGB" else ("carbon_stock", "t C")
    value, added = stock(model, now[1], now[0])[quantity], " + ".join(number(part.value) for part in parts)
    area = model.zone.area_ha
    if whole:
        return Step(figure, "sum of the stands", added, value * area, unit)
    name = figure if figure == "AGB" else "C/A"
    return Step(name, "sum of the stands / A", f"({added}) / {number(area)}", value, f"{unit}/ha")


def _volume(model: ZoneModel, period: Period) -> list[Step]:
    """The live volume of each species, then of all stands."""
    stands, kinds = model.stands, np.array(model.stands.species)
    volume = stands.volume_at(stands.dated(period.years)) * model.ecosystem.stand_volume.value
    parts = []
    for name in np.unique(kinds[volume > 0]):
        area, held = (float(of[kinds == name].sum()) for of in (stands.area_ha, stands.area_ha * volume))
        numbers = f"{number(area)} × {number(held / area)}"
        parts.append(Step(f"V of {name}", "A × mean volume per ha", numbers, held, "m3"))
    added = " + ".join(number(part.value) for part in parts) or "0"
    return [*parts, Step("V", "sum of the stands", added, model.volume_m3(period), "m3")]


def _stands(model: ZoneModel, period: Period, carbon: bool) -> list[Step]:
    """A step for each species in each bin of the tables: its biomass (t DM) or ``carbon`` (t C)."""
    forest, stands, date = model.ecosystem, model.stands, model.stands.dated(period.years)
    agb, stock_tC = stands.stock(forest, date)
    volume = stands.volume_at(date) * forest.stand_volume.value
    expansion, per_agb = (
        np.divide(above, below, out=np.zeros(below.size), where=below > 0)
        for above, below in ((agb, volume), (stock_tC, agb))
    )
    kinds: dict[tuple, list[int]] = {}
    for place, key in enumerate(zip(stands.species, expansion.round(9), per_agb.round(9), strict=True)):
        kinds.setdefault(key if key[0] != SHRUB else (SHRUB,), []).append(place)
    found = []
    for key, places in sorted(kinds.items()):
        area = stands.area_ha[places]
        total = float((area * (stock_tC if carbon else agb)[places]).sum())
        if key[0] == SHRUB:
            density = (area * stock_tC[places]).sum() / area.sum()
            symbols, numbers = _shrub(forest.shrub, density / forest.shrub.carbon_t_ha.value, carbon)
        else:
            symbols, numbers = _trees(forest, key, (area * volume[places]).sum() / area.sum(), carbon)
        name, unit = ("C", "t C") if carbon else ("AGB", "t DM")
        found.append(Step(f"{name} of {key[0]}", f"A × {symbols}", f"{number(area.sum())} × {numbers}", total, unit))
    return found


def _trees(forest, key: tuple, volume: float, carbon: bool) -> tuple[str, str]:
    species, expansion, per_agb = key
    if volume == 0:
        return "V", "0"
    row = forest.species[species]
    fraction = (row.continuous if forest.expansion == "continuous" else row).carbon_fraction.value
    symbols = f"V × {'BCEF' if forest.expansion == 'ipcc' else '(D × BEF)'}"
    numbers = f"{number(volume)} × {number(expansion)}"
    if not carbon:
        return symbols, numbers
    return f"{symbols} × (1 + R) × CF", f"{numbers} × (1 + {number(per_agb / fraction - 1)}) × {number(fraction)}"


def _shrub(row: Shrub, share: float, carbon: bool) -> tuple[str, str]:
    """Symbols and numbers of the stock of shrub whose cover is a ``share`` of the reference cover."""
    symbols, numbers = "C_ref × f / f_ref", f"{number(row.carbon_t_ha.value)} × {number(share)}"
    if carbon:
        return symbols, numbers
    above, fraction = number(row.above_ground_share.value), number(row.carbon_fraction.value)
    return f"{symbols} × above-ground share / CF", f"{numbers} × {above} / {fraction}"
