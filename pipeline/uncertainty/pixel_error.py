"""Standard error of a pixel's stock and sink, and the change of a pixel that can be told from none. Pure.

To first order: each source of error has a table that says, per index level, by how much it moves the stock. A source
that all pixels share (coefficients, end-members) moves both dates of a comparison alike, so the error of a difference
follows from the difference of its tables, not from the errors of the two stocks. Products of errors and the choice of
the cover model are left out: these errors are 5 to 10 % too small in steppe, and up to a fifth in wetland.

A factor on the stocks of both dates makes a change larger or smaller, but never turns a gain into a loss: it is part of
the standard error, but not of the change that can be told from none.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from pipeline.carbon import CO2_PER_C
from pipeline.ecosystems.rows import Z95
from pipeline.stock.sketch import INDEX
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.uncertainty.monte_carlo import drawn
from pipeline.uncertainty.varying import CAUSES, DrawSettings, Varying
from pipeline.variables import INDEX_STEP

STAND_DRAWS = 400

EVEN_DRAWS = ndtri((np.arange(2000) + 0.5) / 2000)
"""Standard normal numbers in equal steps of probability: their mean is that of the distribution, without chance."""

ONE_SIGMA = np.array([-1.0, 1.0])


@dataclass(frozen=True)
class IndexErrors:
    """Error tables of a zone by index level.

    ``factor`` (20001,), t C/ha: one standard deviation of the stock from everything that multiplies it alike at every
    date: the coefficients and the persistent part of a pixel's residual. ``shared`` (c, 20001), t C/ha: the same by
    each other source that is common to all dates. ``own`` (20001,), (t C/ha)^2: the variance of the errors that are new
    in each year. ``by_index`` (20001,): one standard deviation of the stock for an index with a 95 % half-width of 1.
    ``sensors``: of each adjusted sensor the half-width of the index by year; its error is the same in all years. With
    shrub there are tables for each of the `PARTS`, (3, 20001) and (c, 3, 20001), and ``own`` for each pair of them, (3,
    3, 20001).
    """

    factor: np.ndarray
    shared: np.ndarray
    own: np.ndarray
    by_index: np.ndarray
    sensors: tuple[dict[int, float], ...] = ()


@dataclass(frozen=True)
class StandErrors:
    """Draws of the stock of each stand by period label, t C/ha (s, n), and the centre year of each period's stock."""

    density: dict[str, np.ndarray]
    date: dict[str, float]

    def of(self, first: str, last: str | None = None) -> np.ndarray:
        """Standard error of the stock of a period, t C/ha, or of the sink between two, t CO2/ha/yr, (s,)."""
        if last is None:
            return self.density[first].std(axis=1)
        return self._sinks(first, last).std(axis=1)

    def detectable(self, first: str, last: str) -> np.ndarray:
        """The least sink, t CO2/ha/yr (s,), whose 95 % interval would not include zero: 1.96 standard errors. The
        standard error is that of a normal distribution with the mean of the draws and their share on either side of
        zero."""
        draws = self._sinks(first, last)
        mean, spread, count = draws.mean(axis=1), draws.std(axis=1), draws.shape[1]
        same = np.clip((draws * np.sign(mean)[:, None] > 0).mean(axis=1), 0.5, 1 - 0.5 / count)
        z = ndtri(same)
        return Z95 * np.where(z > 0, np.abs(mean) / np.where(z > 0, z, 1), spread)

    def _sinks(self, first: str, last: str) -> np.ndarray:
        years = self.date[last] - self.date[first]
        return (self.density[last] - self.density[first]) * (CO2_PER_C / years)


def index_errors(model: ZoneModel) -> IndexErrors:
    """The error tables of a zone whose stock follows the index."""
    stock = model.responses["carbon_stock"].astype(float)
    rows = model.coefficients
    residual = stock * rows["residual"].half_width / Z95
    # the variance of stock and change is linear in it, so only the mean of its own draws counts
    stays = drawn(rows["residual_persistence"], EVEN_DRAWS).mean()
    by_index = np.gradient(stock, INDEX_STEP, axis=-1) / Z95
    own = _square(by_index) * rows["index_bias"].half_width ** 2
    share, others = _common(stock, [*_of_coefficients(model), *_of_end_members(model)])
    factor = np.sqrt((stock * share) ** 2 + residual**2 * stays)
    none = np.empty((0, *stock.shape))
    return IndexErrors(
        np.float32(factor),
        np.array(others or none, "float32"),
        np.float32(own + _square(residual) * (1 - stays)),
        np.float32(by_index),
        _by_sensor(model),
    )


def _by_sensor(model: ZoneModel) -> tuple[dict[int, float], ...]:
    """Half-widths of the index by year of each adjusted sensor."""
    found: dict[str, dict[int, float]] = {}
    for error in model.sensor_errors:
        found.setdefault(error.sensor, {})[error.year] = error.u95
    return tuple(found.values())


def _square(table: np.ndarray) -> np.ndarray:
    """The square; of `PARTS` (3, 20001) their products (3, 3, 20001), since the errors of the parts of a pixel are
    correlated."""
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
    pairs = ((soil, ends.vegetation), (ends.soil, vegetation))
    return _half_differences(model.respond(INDEX[:, None], ends.drawn(*pair))["carbon_stock"] for pair in pairs)


def _half_differences(moved: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Half the difference between the stocks at one standard deviation above and below; a source that does not affect
    the stock has one value in place of two, and is left out."""
    return [np.diff(pair, axis=-1)[..., 0] / 2 for pair in moved if pair.shape[-1] == 2]


def _common(stock: np.ndarray, tables: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    """Tables that are the same share of the stock at every index level are added up in quadrature to one share; returns
    that share, and the other tables."""
    holds = stock > 0
    shares, others = [], []
    for table in tables:
        share = table[holds] / stock[holds]
        if share.size and np.ptp(share) < 1e-3 * np.abs(share).max(initial=0):
            shares.append(share.mean())
        elif table.any():
            others.append(table)
    return float(np.sqrt(np.sum(np.square(shares)))), others


def stand_errors(model: ZoneModel, settings: DrawSettings, periods: Collection[Period]) -> StandErrors:
    """The errors of each stand of a zone."""
    varying = Varying(model, replace(settings, count=STAND_DRAWS), frozenset(CAUSES) - {"area"})
    return StandErrors(
        {period.label: varying.stand_density(model.stands, period) for period in periods},
        {period.label: model.stands.dated(period.years) for period in periods},
    )
