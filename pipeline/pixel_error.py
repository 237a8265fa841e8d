"""Standard error of a pixel's stock and sink, of the sources that the intervals of the totals have. Pure.

To first order: each source moves the stock by its own table per index level. What all pixels share (coefficients,
end-members) moves both dates of a comparison alike, so the error of a difference is not that of its two stocks. What
is left out, products of errors, makes these errors 5 to 10 % too small in steppe.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from pipeline.carbon import CO2_PER_C
from pipeline.sketch import INDEX
from pipeline.uncertainty import Z95, drawn
from pipeline.variables import INDEX_STEP
from pipeline.varying import CAUSES, Settings, Varying
from pipeline.zone_model import Period, ZoneModel

STAND_DRAWS = 400

EVEN_DRAWS = ndtri((np.arange(2000) + 0.5) / 2000)
"""Standard normal numbers in equal steps of probability: their mean is that of the distribution, without chance."""

ONE_SIGMA = np.array([-1.0, 1.0])


@dataclass(frozen=True)
class IndexErrors:
    """Error tables of a zone by index level. ``shared`` (c, 20001), t C/ha, are what one standard deviation of a source
    does to the stock at every date alike; the last is the part of a pixel's residual that stays. ``own`` (20001,) is
    the variance of what each year errs by itself, (t C/ha)^2. In a zone with shrub the former are given for each of the
    `PARTS` of a mosaic, (c, 3, 20001), the latter for each pair of them, (3, 3, 20001)."""

    shared: np.ndarray
    own: np.ndarray


@dataclass(frozen=True)
class StandErrors:
    """Draws of the stock of each stand by period label, t C/ha (s, n), and the centre year of each period's stock."""

    density: dict[str, np.ndarray]
    date: dict[str, float]

    def of(self, first: str, last: str | None = None) -> np.ndarray:
        """Standard error of the stock of a period, t C/ha, or of the sink between two, t CO2/ha/yr, (s,)."""
        if last is None:
            return self.density[first].std(axis=1)
        change = self.density[last] - self.density[first]
        return change.std(axis=1) * CO2_PER_C / (self.date[last] - self.date[first])


def index_errors(model: ZoneModel) -> IndexErrors:
    """The error tables of a zone whose stock follows the index."""
    stock = model.responses["carbon_stock"].astype(float)
    rows = model.coefficients
    residual = stock * rows["residual"].half_width / Z95
    # the variance of stock and change is linear in it, so of its own error only the mean counts
    stays = drawn(rows["residual_persistence"], EVEN_DRAWS).mean()
    by_index = np.gradient(stock, INDEX_STEP, axis=-1) / Z95
    at_all_dates, by_year = _of_sensors(model)
    own = _square(by_index) * (rows["index_bias"].half_width ** 2 + by_year**2)
    adjusted = [by_index * at_all_dates] if at_all_dates else []
    tables = _merged(stock, [*_of_coefficients(model), *_of_end_members(model), *adjusted])
    return IndexErrors(
        np.array([*tables, residual * stays**0.5], "float32"), np.float32(own + _square(residual) * (1 - stays))
    )


def _of_sensors(model: ZoneModel) -> tuple[float, float]:
    """Half-widths of the index by the adjustment of sensors: of their mean over the years, which all dates share, and
    of what a year departs from it; that is one error for a whole period and is not averaged over its years."""
    by_sensor: dict[str, list[float]] = {}
    for error in model.sensor_errors:
        by_sensor.setdefault(error.sensor, []).append(error.u95)
    means, departures = (sum(how(u95s) ** 2 for u95s in by_sensor.values()) ** 0.5 for how in (np.mean, np.std))
    return float(means), float(departures) * model.ecosystem.min_window_years**0.5


def _square(table: np.ndarray) -> np.ndarray:
    """The square; of `PARTS` (3, 20001) their products (3, 3, 20001), since the parts of a pixel err together."""
    return table**2 if table.ndim == 1 else table[:, None] * table


def _of_coefficients(model: ZoneModel) -> list[np.ndarray]:
    paths = [path for path in model.rows if model.coefficients[path].cause not in ("index", "end_members")]
    moved = (
        model.with_values({path: drawn(model.coefficients[path], ONE_SIGMA)}).respond(
            INDEX[:, None], model.end_members
        )["carbon_stock"]
        for path in paths
    )
    return _half_differences(moved)


def _of_end_members(model: ZoneModel) -> list[np.ndarray]:
    ends = model.end_members
    soil, vegetation = (drawn(row, ONE_SIGMA) for row in model.end_member_rows)
    pairs = ((soil, np.full(2, ends.vegetation)), (np.full(2, ends.soil), vegetation))
    return _half_differences(model.respond(INDEX[:, None], ends.drawn(*pair))["carbon_stock"] for pair in pairs)


def _half_differences(moved: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Half of what lies between the stocks at one standard deviation above and below, where there are two."""
    return [np.diff(pair, axis=-1)[..., 0] / 2 for pair in moved if pair.shape[-1] == 2]


def _merged(stock: np.ndarray, tables: list[np.ndarray]) -> list[np.ndarray]:
    """The tables, with those that are but a share of the stock put together into one: it spares passes over pixels."""
    holds = stock > 0
    shares, others = [], []
    for table in tables:
        share = table[holds] / stock[holds]
        if share.size and np.ptp(share) < 1e-3 * np.abs(share).max(initial=0):
            shares.append(share.mean())
        elif table.any():
            others.append(table)
    return [stock * np.sqrt(np.sum(np.square(shares))), *others] if shares else others


def stand_errors(model: ZoneModel, settings: Settings, periods: Collection[Period]) -> StandErrors:
    """The errors of each stand of a zone."""
    varying = Varying(model, replace(settings, count=STAND_DRAWS), frozenset(CAUSES) - {"area"})
    return StandErrors(
        {period.label: varying.stand_density(model.stands, period) for period in periods},
        {period.label: model.stands.dated(period.years) for period in periods},
    )
