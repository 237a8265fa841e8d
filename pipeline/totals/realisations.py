"""Realisations of a zone's totals: its stock, computed anew with every draw of everything uncertain. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipeline.carbon import stock_difference
from pipeline.ecosystems.rows import Z95
from pipeline.stock.sketch import Sketch, representative
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.uncertainty.monte_carlo import drawn
from pipeline.uncertainty.varying import CAUSES, DrawSettings, Varying

POINTS = 32
"""Number of groups of index levels that represent a zone in the draws."""

SHARE_DRAWS = 2000
"""Number of draws used to separate the causes; they are the first of all draws."""


MEANS = ("fvc_mean",)
"""Quantities of which several zones have a mean, weighted by area, and no sum."""

Quantity = tuple[str, str]
"""Name and period label, such as ("carbon_tC", "2023-2025")."""


@dataclass(frozen=True)
class Realisations:
    """Draws (n,) of each quantity, and of some of them draws in which one cause alone varies."""

    all: Mapping[Quantity, np.ndarray]
    by_cause: Mapping[Quantity, Mapping[str, np.ndarray]]

    def only(self, quantities: Collection[Quantity]) -> "Realisations":
        """The realisations of some quantities."""
        return Realisations(
            {quantity: draws for quantity, draws in self.all.items() if quantity in quantities},
            {quantity: draws for quantity, draws in self.by_cause.items() if quantity in quantities},
        )

    @classmethod
    def together(cls, parts: list["Realisations"], areas_ha: list[float]) -> "Realisations":
        """Several zones as one, draw by draw, so that shared errors stay shared. Totals are summed; means are weighted
        by ``areas_ha`` over the zones that have them."""
        found, by_cause = {}, {}
        for quantity in dict.fromkeys(quantity for part in parts for quantity in part.all):
            weights = shares_of(quantity, {n: areas_ha[n] for n, part in enumerate(parts) if quantity in part.all})
            found[quantity] = sum(weight * parts[n].all[quantity] for n, weight in weights.items())
            causes = {n: parts[n].by_cause[quantity] for n in weights if quantity in parts[n].by_cause}
            by_cause[quantity] = {
                cause: sum(weights[n] * alone[cause] for n, alone in causes.items() if cause in alone)
                for cause in dict.fromkeys(cause for alone in causes.values() for cause in alone)
            }
        return cls(found, {quantity: alone for quantity, alone in by_cause.items() if alone})


def shares_of(quantity: Quantity, areas_ha: Mapping) -> dict:
    """Weight of each zone of ``areas_ha`` in the figure of all of them: 1 for a total, its share of the area for a
    mean."""
    whole = sum(areas_ha.values()) if quantity[0] in MEANS else None
    return {zone: area / whole if whole else 1.0 for zone, area in areas_ha.items()}


def realise(
    model: ZoneModel, sketches: Mapping[str, Sketch], years: list[int], baseline: Period | None, current: Period,
    settings: DrawSettings, correlation: float, tell_causes: bool = True,
) -> Realisations:  # fmt: skip
    """All realisations of a zone: carbon_tC and fvc_mean of each year and of the periods, with stands the current
    volume_m3, and, with a baseline, the sink_tCO2_yr. With ``tell_causes`` the causes are separated for the current
    figures. ``correlation`` is the mean correlation of the residuals at two points of the zone
    (`monte_carlo.mean_correlation`)."""
    everything = _Zone(model, sketches, settings, frozenset(CAUSES), correlation)
    periods = {p.label: p for p in [*(Period((year,)) for year in years), *([baseline] if baseline else []), current]}
    found: dict[Quantity, np.ndarray] = {}
    for label, period in periods.items():
        if model.stands or sketches[label].observed:
            found["carbon_tC", label] = everything.carbon_tC(period)
            found["fvc_mean", label] = everything.cover(period)
    stock, cover, volume, sink = (
        (name, current.label) for name in ("carbon_tC", "fvc_mean", "volume_m3", "sink_tCO2_yr")
    )
    if model.stands:
        found[volume] = everything.volume_m3(current)
    compares = stock in found and baseline is not None and ("carbon_tC", baseline.label) in found
    compares = compares and model.incomparable(baseline, current) is None
    if compares:
        found[sink] = everything.sink_tCO2_yr(baseline, current)
    if stock not in found or not tell_causes:
        return Realisations(found, {})
    few = replace(settings, count=min(SHARE_DRAWS, settings.count))
    of_stock, of_cover = everything.causes(), everything.causes_of_cover()
    alone = {c: _Zone(model, sketches, few, frozenset([c]), correlation) for c in {*of_stock, *of_cover}}
    by_cause = {stock: {cause: alone[cause].carbon_tC(current) for cause in of_stock}}
    if sketches[current.label].observed:
        by_cause[cover] = {cause: alone[cause].cover(current) for cause in of_cover}
    if model.stands:
        by_cause[volume] = {cause: alone[cause].volume_m3(current) for cause in ("stand_volume", "area")}
    if compares:
        by_cause[sink] = {cause: alone[cause].sink_tCO2_yr(baseline, current) for cause in of_stock}
    return Realisations(found, by_cause)


class _Zone:
    """Totals of a zone in which only the sources of the causes in ``active`` vary."""

    def __init__(
        self, model: ZoneModel, sketches: Mapping[str, Sketch], settings: DrawSettings, active: frozenset,
        correlation: float,
    ) -> None:  # fmt: skip
        self._model, self._sketches, self._correlation = model, sketches, correlation
        self._varying = Varying(model, settings, active)
        self._normal = self._varying.normal
        self._stocks: dict[str, np.ndarray] = {}
        self._responses: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def causes(self) -> list[str]:
        """The causes that can matter to the stock of this zone."""
        of_rows = {self._model.coefficients[path].cause for path in self._model.rows}
        own = {"stand_volume"} if self._model.stands else {"residual", *self.causes_of_cover()}
        return [cause for cause in CAUSES if cause in of_rows | own | {"area"}]

    def causes_of_cover(self) -> list[str]:
        """The causes that can matter to its cover, which is taken from the index, also with stands."""
        by_index = {"index", "end_members", "cover_model", "observation"}
        by_index |= {"harmonisation"} if self._model.sensor_errors else set()
        return [cause for cause in CAUSES if cause in by_index]

    def carbon_tC(self, period: Period) -> np.ndarray:
        """Carbon stock of the zone at a period, t C, (n,)."""
        if period.label not in self._stocks:
            self._stocks[period.label] = self._stands_tC(period) if self._model.stands else self._index_tC(period)
        return self._stocks[period.label]

    def _index_tC(self, period: Period) -> np.ndarray:
        density = self._response(period)[0] * self._residual(period) * self._unobserved(period)
        percent = self._varying.settings.area_u95_percent
        area = 1 + percent / 100 / Z95 * self._normal("area", self._model.zone.id)
        return density * self._model.zone.area_ha * area

    def _stands_tC(self, period: Period) -> np.ndarray:
        stands = self._model.stands.grouped(self._model.ecosystem)
        return _weighted(stands.area_ha, self._varying.stand_density(stands, period)) * self._stand_area()

    def _stand_area(self) -> np.ndarray:
        """True over mapped area of the stands, (n,)."""
        return drawn(self._model.coefficients["stand_area"], self._normal("area", self._model.zone.id))

    def volume_m3(self, period: Period) -> np.ndarray:
        """Live volume of the stands, m3, (n,)."""
        stands = self._model.stands
        date = stands.dated(period.years)
        return stands.volume_m3(date) * self._varying.volume_factor(date) * self._stand_area()

    def cover(self, period: Period) -> np.ndarray:
        """Mean fractional vegetation cover, (n,)."""
        return np.clip(self._response(period)[1] * self._unobserved(period, "fvc"), 0, 1)

    def sink_tCO2_yr(self, baseline: Period, current: Period) -> np.ndarray:
        """Stock difference of two periods as a sink, t CO2/yr, (n,)."""
        years = self._model.years_between(baseline, current)
        return stock_difference(self.carbon_tC(baseline), self.carbon_tC(current), years)

    def _response(self, period: Period) -> tuple[np.ndarray, np.ndarray]:
        """Zone mean of carbon stock (t C/ha) and of cover, (n,) each."""
        if period.label not in self._responses:
            sketch = self._sketches[period.label]
            stock, *_, cover = self._means(sketch.land, period)
            if self._model.shrub and sketch.mosaic is not None:
                stock = sum(self._means(weights, period)[part] for part, weights in enumerate(sketch.mosaic))
            self._responses[period.label] = stock, cover
        return self._responses[period.label]

    def _means(self, weights: np.ndarray, period: Period) -> list[np.ndarray]:
        """The part of ground with these weights per index level (20001,) in the zone means of the quantities of
        `Varying.response`, (n,) each."""
        index, groups = representative(weights, POINTS)
        groups /= self._sketches[period.label].observed
        return [_weighted(groups, part) for part in self._varying.response(index, period.years)]

    def _residual(self, period: Period) -> np.ndarray | float:
        """1 + the zone mean of the pixels' residuals. Part of it persists (soil, slope, species), part is new each
        year."""
        rows, zone = self._model.coefficients, self._model.zone
        stays = self._varying.persistence
        spread = rows["residual"].half_width / Z95 * self._correlation**0.5
        lasting = self._normal("residual", zone.id)
        parts = zip(self._model.weights(period.years), period.years, strict=True)
        passing = sum(part * self._normal("residual", zone.id, year) for part, year in parts)
        return 1 + spread * (np.sqrt(stays) * lasting + np.sqrt(1 - stays) * passing)

    def _unobserved(self, period: Period, quantity: str = "carbon_stock") -> np.ndarray | float:
        """1 + the relative deviation of unseen ground from the mean that it is assumed to have: its share of the zone
        times the relative standard deviation between pixels."""
        sketch = self._sketches[period.label]
        missing = 1 - sketch.observed_fraction
        if missing < 1e-6:
            return 1.0
        response = self._model.responses[quantity]
        mean = sketch.mean(response)
        spread = sketch.spread(response) / mean if mean > 0 else 0.0
        return 1 + missing * spread * self._normal("observation", self._model.zone.id, period.label)


def _weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum of weights (k,) x values (k, n), (n,); always in the same order, unlike a matrix product."""
    return np.einsum("k,kn->n", weights, values)
