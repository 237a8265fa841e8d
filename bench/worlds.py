"""Do the intervals cover the truth as often as they say? Counted over simulated worlds.

    python -m bench.worlds [--worlds 200] [--draws 2000] [--seed 1]

A world is one possible truth: every coefficient that a zone depends on is drawn from the shipped library, as are
end-members, cover model, the bias of each year's index, areas, stand volumes and, pixel by pixel, what the model leaves
unexplained. This gives the true stock and sink of each zone. A satellite then reports the world's index less its bias,
an inventory its volumes less their error, and `realise` works on these with the shipped coefficients.

The code of the world is independent of `pipeline.totals.realisations`: residuals are a field of pixels, stands are
single ones, cloud hides a real part of a zone, the persistence of residuals is uncertain itself.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from time import process_time

import numpy as np
import shapely
from scipy.special import betaincinv

from pipeline.carbon import stock_difference
from pipeline.config.run_config import Uncertainty, read_coefficients
from pipeline.ecosystems import BinnedCoefficient, Coefficient, Ecosystem, coefficients, with_values
from pipeline.ecosystems.rows import Z95
from pipeline.mapping.zone_pixels import SketchBuilder
from pipeline.stock.sketch import Sketch
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.totals.realisations import Realisations, realise, shares_of
from pipeline.uncertainty.monte_carlo import drawn, interval, mean_correlation
from pipeline.uncertainty.varying import DrawSettings
from pipeline.variables import INDEX_NODATA, INDEX_STEP
from pipeline.vegetation import EndMembers
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import ZoneStands

LIBRARY = Path(__file__).parent.parent / "configs" / "coefficients"
BASELINE, CURRENT = Period((2019, 2020, 2021)), Period((2023, 2024, 2025))
YEARS = (*BASELINE.years, *CURRENT.years)
SIDE = 20
"""Pixels along a side of a zone."""
LANDSCAPE_M, SPREAD = 3000.0, 0.08
"""Practical range and standard deviation of the pattern of a zone's true index."""
GIVEN = Uncertainty()
"""The defaults of a run."""
CALIBRATED = {"grassland": (0.10, 0.72), "forest": (0.12, 0.85)}
"""End-members as they were calibrated; wetlands take the shipped ones."""


@dataclass(frozen=True)
class Place:
    """A zone of the worlds: a square of ``side_m``, its true mean index, the change of that per year, and the share
    under cloud in a period; or a number of stands."""

    id: str
    ecosystem: str
    stratum: str
    side_m: float
    index: float = 0.5
    change: float = 0.0
    hidden: float = 0.0
    stands: int = 0


PLACES = (
    Place("G01", "grassland", "typical_steppe", 4_000, 0.36, 0.010),
    Place("G02", "grassland", "typical_steppe", 12_000, 0.40, -0.006, hidden=0.25),
    Place("G03", "grassland", "desert_steppe", 12_000, 0.22),
    Place("W01", "wetland", "reed", 2_000, 0.50, 0.008),
    Place("W02", "wetland", "reed", 5_000, 0.45, hidden=0.25),
    Place("F01", "forest", "larch_middle", 6_000, 0.55, 0.004),
    Place("F02", "forest", "larch_middle", 5_000, stands=60),
    Place("F03", "forest", "larch_mature", 5_000, stands=60),
)


@dataclass(frozen=True)
class Case:
    """A zone as the product sees it, and the truth: its stock at the two periods (t C), at the current one its cover
    and the volume of its stands (m3), None without them."""

    model: ZoneModel
    sketches: dict[str, Sketch]
    true_tC: tuple[float, float]
    true_cover: float
    true_volume_m3: float | None

    @property
    def truth(self) -> dict[str, float]:
        """True figures of the current period, by quantity as in `Realisations`."""
        sink = float(stock_difference(*self.true_tC, self.model.years_between(BASELINE, CURRENT)))
        found = {"carbon_tC": self.true_tC[1], "sink_tCO2_yr": sink, "fvc_mean": self.true_cover}
        return found if self.true_volume_m3 is None else found | {"volume_m3": self.true_volume_m3}


@cache
def shipped() -> dict[str, Ecosystem]:
    """The coefficient library."""
    return read_coefficients(LIBRARY)


@cache
def pattern(side_m: float, length_m: float) -> np.ndarray:
    """Cholesky factor of the correlation exp(-3 d / length) between the pixels of a square, (p, p)."""
    line = (np.arange(SIDE) + 0.5) * side_m / SIDE
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    return np.linalg.cholesky(np.exp(-3 * np.hypot(x[:, None] - x, y[:, None] - y) / length_m))


@cache
def correlation(side_m: float) -> float:
    return mean_correlation(shapely.box(0, 0, side_m, side_m), GIVEN.correlation_length_m)


class World:
    """One possible truth, by ``seed``. Without ``errors`` it is exactly as in the library, and observed without
    error."""

    def __init__(self, seed: tuple[int, ...], errors: bool = True) -> None:
        self._landscape, self._rng = (np.random.default_rng((*seed, part)) for part in (0, 1))
        self._errors = errors
        grassland = shipped()["grassland"]
        self._persistence = float(self._true(grassland.residual_persistence))
        self._biases = {year: float(self._true(grassland.index_bias)) for year in YEARS}
        self._takes_other_cover = {
            name: errors and self._rng.random() < GIVEN.carlson_ripley_chance for name in shipped()
        }
        self._shared: dict[tuple[str, str], np.ndarray | float] = {}
        common, *own = self._rng.standard_normal(3)
        self._inventories = [self._mixed(common, part) for part in own]

    def case(self, place: Place) -> Case:
        """A zone of this world."""
        stands = self._measured_stands(place) if place.stands else None
        model = ZoneModel(
            Zone(place.id, place.id, place.ecosystem, place.stratum, place.side_m**2 / 1e4, None, None),
            shipped()[place.ecosystem],
            self._assumed_ends(place),
            stands,
            place.ecosystem not in CALIBRATED,
        )
        index = {period: self._index(place, period) for period in (BASELINE, CURRENT)}
        sketches = {period.label: self._sketch(place, period, index[period]) for period in index}
        true_stands = self._true_stands(model) if stands else None
        true_tC = self._stands_tC(model, true_stands) if stands else self._index_tC(place, model, index)
        cover = self._ends(model).cover(index[CURRENT]).mean()
        volume = true_stands.volume_m3(true_stands.dated(CURRENT.years)) if stands else None
        return Case(model, sketches, true_tC, float(cover), volume)

    # --- what is true -----------------------------------------------------------------------------------------

    def _true(self, row: Coefficient | BinnedCoefficient, normal: np.ndarray | None = None) -> np.ndarray:
        """True numbers of a row, drawn as the library describes it."""
        normal = self._rng.standard_normal() if normal is None else normal
        return drawn(row, np.asarray(normal)) if self._errors else np.full(np.shape(normal), row.central)

    def _mixed(self, lasting: np.ndarray, passing: np.ndarray) -> np.ndarray:
        """Standard normal numbers of which a part stays from date to date."""
        return np.sqrt(self._persistence) * lasting + np.sqrt(1 - self._persistence) * passing

    def _ecosystem(self, model: ZoneModel) -> Ecosystem:
        """The ecosystem with its true coefficients, those of every zone."""
        name, rows = model.ecosystem.ecosystem, coefficients(model.ecosystem)
        for path in model.rows:
            if (name, path) not in self._shared:
                self._shared[name, path] = self._true(rows[path])
        return with_values(model.ecosystem, {path: self._shared[name, path] for path in model.rows})

    def _assumed_ends(self, place: Place) -> EndMembers:
        stratum = shipped()[place.ecosystem].strata[place.stratum]
        return EndMembers(*CALIBRATED.get(place.ecosystem, (stratum.soil_index.value, stratum.vegetation_index.value)))

    def _ends(self, model: ZoneModel) -> EndMembers:
        """The true end-members: of shipped ones the rows, of calibrated ones the product's own half-width and range."""
        name = model.ecosystem.ecosystem
        if model.shipped_end_members:
            stratum = self._ecosystem(model).strata[model.zone.stratum]
            soil, vegetation = stratum.soil_index.value, stratum.vegetation_index.value
        else:
            for end in ("soil", "vegetation"):
                self._shared.setdefault((name, end), self._errors * float(self._rng.standard_normal()))
            soil, vegetation = (
                float(drawn(row, np.asarray(self._shared[name, end]))) if self._errors else row.value
                for end, row in zip(("soil", "vegetation"), model.end_member_rows, strict=True)
            )
        kind = "carlson_ripley" if self._takes_other_cover[name] else "linear"
        return replace(model.end_members, model=kind).drawn(soil, vegetation)

    def _index(self, place: Place, period: Period) -> np.ndarray:
        """True index of the pixels, (years, p): a pattern that stays, a trend, and each year's own weather."""
        fixed = np.random.default_rng(list(place.id.encode())).standard_normal(SIDE**2)
        weather = self._landscape.normal(0, 0.02, (len(period.years), 1))
        trend = place.change * (np.array(period.years)[:, None] - 2022)
        return place.index + SPREAD * (pattern(place.side_m, LANDSCAPE_M) @ fixed) + trend + weather

    def _index_tC(self, place: Place, model: ZoneModel, index: dict[Period, np.ndarray]) -> tuple[float, float]:
        """True stock of both periods: the mean over pixels and years of formula x residual, times the true area."""
        ecosystem, ends = self._ecosystem(model), self._ends(model)
        area_ha = model.zone.area_ha * (
            1 + self._errors * GIVEN.area_u95_percent / 100 / Z95 * self._rng.standard_normal()
        )
        field = pattern(place.side_m, GIVEN.correlation_length_m)
        lasting = field @ self._rng.standard_normal(SIDE**2)
        stocks = []
        for values in index.values():
            passing = self._rng.standard_normal(values.shape) @ field.T
            density = ecosystem.respond(values, ends, place.stratum)["carbon_stock"]
            residual = self._true(ecosystem.residual, self._mixed(lasting, passing))
            stocks.append(float((density * residual).mean() * area_ha))
        return tuple(stocks)

    def _true_stands(self, model: ZoneModel) -> ZoneStands:
        """The stands with their true volumes and areas."""
        measured, forest = model.stands, self._ecosystem(model)
        factors = [float(self._true(forest.stand_volume, normal)) for normal in self._inventories]
        volumes = zip(measured.volume_m3_ha.items(), factors, strict=True)
        return replace(
            measured,
            volume_m3_ha={year: volume * factor for (year, volume), factor in volumes},
            area_ha=measured.area_ha * float(self._true(forest.stand_area)),
        )

    def _stands_tC(self, model: ZoneModel, stands: ZoneStands) -> tuple[float, float]:
        """True stock of both periods, stand by stand from the true volumes."""
        forest = self._ecosystem(model)
        return tuple(
            float((stands.area_ha * stands.stock(forest, stands.dated(period.years))[1]).sum())
            for period in (BASELINE, CURRENT)
        )

    # --- what is seen -----------------------------------------------------------------------------------------

    def _sketch(self, place: Place, period: Period, index: np.ndarray) -> Sketch:
        """What the satellite reports: the index less the year's bias, nothing under the cloud."""
        bias = np.array([[self._biases[year]] for year in period.years])
        seen = np.clip(np.round((index - bias) / INDEX_STEP), -10_000, 10_000).astype("int16")
        seen = seen.reshape(-1, SIDE, SIDE)
        hidden = round(self._errors * place.hidden * SIDE)
        first = self._rng.integers(SIDE - hidden + 1)
        seen[:, :, first : first + hidden] = INDEX_NODATA
        clear = (seen != INDEX_NODATA).sum(axis=0)
        builder = SketchBuilder()
        builder.add(np.ones((SIDE, SIDE), "float32"), seen, clear, np.zeros(seen.shape, bool))
        return builder.sketch()

    def _measured_stands(self, place: Place) -> ZoneStands:
        """The stands as inventoried in 2019 and 2025, the same in every world."""
        rng = np.random.default_rng(list(place.id.encode()))
        volume = rng.uniform(15, 160, place.stands)
        return ZoneStands(
            geometry=np.empty(0, object),
            species=[str(name) for name in rng.choice(["larch", "birch", "chinese_pine"], place.stands)],
            area_ha=np.full(place.stands, place.side_m**2 / 1e4 / place.stands),
            volume_m3_ha={2019: volume, 2025: volume * rng.uniform(1.05, 1.3, place.stands)},
        )


# --- counting ---------------------------------------------------------------------------------------------

Held = dict[tuple[str, str], list[tuple[bool, bool, bool]]]
"""By group and quantity, for each world: whether the truth is in the 90 % and in the 95 % interval, above the
median."""


def count(worlds: int, draws: int, seed: int = 1) -> Held:
    """For zones, ecosystems and city, where the truth of each world lies in its intervals."""
    held: Held = defaultdict(list)
    for number in range(worlds):
        world = World((seed, number))
        settings = DrawSettings(draws, number, GIVEN.area_u95_percent, GIVEN.carlson_ripley_chance)
        parts = {}
        for place in PLACES:
            case = world.case(place)
            found = realise(case.model, case.sketches, [], BASELINE, CURRENT, settings, correlation(place.side_m))
            parts[place] = (found, case.truth)
        groups = {f"{place.id} {place.stratum}{' by stands' * bool(place.stands)}": [place] for place in PLACES}
        groups |= {name: [place for place in PLACES if place.ecosystem == name] for name in shipped()}
        for group, members in (groups | {"city": list(PLACES)}).items():
            areas = {place: place.side_m**2 / 1e4 for place in members}
            whole = Realisations.together([parts[place][0] for place in members], list(areas.values()))
            for quantity, period in whole.all:
                if period == CURRENT.label:
                    having = {place: area for place, area in areas.items() if quantity in parts[place][1]}
                    shares = shares_of((quantity, period), having)
                    truth = sum(share * parts[place][1][quantity] for place, share in shares.items())
                    held[group, quantity].append(_held(whole.all[quantity, period], truth))
    return held


def _held(draws: np.ndarray, truth: float) -> tuple[bool, bool, bool]:
    found = interval(draws)
    return found.p5 <= truth <= found.p95, found.p2_5 <= truth <= found.p97_5, truth > found.median


def binomial_interval(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a rate with ``hits`` in ``of`` trials (Clopper & Pearson 1934)."""
    low = betaincinv(hits, of - hits + 1, 0.025) if hits else 0.0
    high = betaincinv(hits + 1, of - hits, 0.975) if hits < of else 1.0
    return float(low), float(high)


def report(held: Held) -> str:
    """A table of the rates in %, each with its binomial interval; * where that does not include the expected rate."""
    lines = [f"{'':28}{'quantity':14}{'90 %':>20}{'95 %':>20}{'above median':>20}"]
    for (group, quantity), worlds in held.items():
        cells = []
        for expected, hits in zip((0.90, 0.95, 0.50), np.sum(worlds, axis=0), strict=True):
            low, high = binomial_interval(int(hits), len(worlds))
            off = " " if low <= expected <= high else "*"
            cells.append(f"{hits / len(worlds):7.1%} ({low:.0%}-{high:.0%}){off}")
        lines.append(f"{group:28}{quantity:14}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    start = process_time()
    print(report(count(asked.worlds, asked.draws, asked.seed)))
    print(f"{asked.worlds} worlds of {len(PLACES)} zones, {asked.draws} draws, {process_time() - start:.0f} s of CPU")


if __name__ == "__main__":
    main()
