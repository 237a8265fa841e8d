"""Biomass models fitted to field plots, with leave-one-out and spatially blocked cross-validation. Pure.

Arrays over sites (n,): ``x`` vegetation index, ``y`` dry above-ground biomass in g/m2, > 0.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from pipeline.ecosystems.biomass import FORMS
from pipeline.ecosystems.rows import Z95

ENOUGH_SITES = 30
"""Least number of sites for a local model (science: at least 30 plots)."""

ENOUGH_BLOCKS = 3


@dataclass(frozen=True)
class Model:
    """y = f(x) of a ``form`` of `FORMS`, with the residual standard deviation of ln y for its smearing factor."""

    form: str
    a: float
    b: float
    log_residual: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Dry biomass, g/m2."""
        return FORMS[self.form](x, self.a, self.b, self.log_residual)


@dataclass(frozen=True)
class Skill:
    """Errors of predictions, g/m2: root mean square, and bias (predicted - observed); ``r2`` = 1 - SSE/SST."""

    r2: float
    rmse: float
    bias: float


@dataclass(frozen=True)
class Fit:
    """A model with what is known of its error. ``left_out`` and ``blocked`` (n,) are the predictions of each site by
    the fit without it, and without its block."""

    model: Model
    x: np.ndarray
    y: np.ndarray
    blocks: np.ndarray
    left_out: np.ndarray
    blocked: np.ndarray

    @property
    def index_range(self) -> tuple[float, float]:
        """The calibrated range; the model is never applied beyond it."""
        return float(self.x.min()), float(self.x.max())

    @property
    def summary(self) -> str:
        """The model and its skill in one line."""
        model, seen, unseen = self.model, self.skills["fit"], self.skills["blocked"]
        low, high = self.index_range
        formula = f"y = {model.a:.4g} x^{model.b:.4g}" if model.form == "power" else (
            f"ln y = {model.a:.4g} + {model.b:.4g} x"
        )  # fmt: skip
        return (
            f"{formula}, n {self.x.size}, R2 {seen.r2:.2f}, RMSE {seen.rmse:.1f} g/m2, blocked {unseen.rmse:.1f} g/m2, "
            f"index {low:.3f} to {high:.3f}"
        )

    @property
    def skills(self) -> dict[str, Skill]:
        """Skill of the fit itself, leaving one out, and leaving a block out."""
        predictions = {"fit": self.model.predict(self.x), "leave-one-out": self.left_out, "blocked": self.blocked}
        return {name: skill(self.y, predicted) for name, predicted in predictions.items()}

    @property
    def _relative_errors(self) -> np.ndarray:
        """Observed biomass over that predicted without the site's block, less 1: the error that a factor on the biomass
        has to cover."""
        return self.y / self.blocked - 1

    @property
    def site_u95_percent(self) -> float:
        """95 % half-width at one site that the fit has not seen, % of the prediction."""
        return float(100 * Z95 * np.sqrt(np.mean(self._relative_errors**2)))

    @property
    def zone_u95_percent(self) -> float:
        """95 % half-width of the mean of an area that the fit has not seen, % of the prediction.

        A block stands for the area: t x root mean square of the blocks' mean errors, t that of Student for as many
        blocks. The scatter of sites within the blocks is included: if it were subtracted, next to nothing would be left
        with few blocks.
        """
        means = np.bincount(self.blocks, self._relative_errors) / np.bincount(self.blocks)
        return float(100 * stdtrit(means.size - 1, 0.975) * np.sqrt(np.mean(means**2)))


def fit_model(form: str, x: np.ndarray, y: np.ndarray) -> Model:
    """Least squares in logarithms: ln y = a + b x (exponential), ln y = ln a + b ln x (power); s^2 = SSE/(n - 2).

    Raises ValueError for fewer than 3 sites, an index without spread, y <= 0, and for a power x <= 0.
    """
    if x.size < 3:
        raise ValueError(f"{x.size} sites are too few for a line")
    if not (y > 0).all() or (form == "power" and not (x > 0).all()):
        raise ValueError("a fit in logarithms takes numbers above 0 only")
    t, z = (np.log(x) if form == "power" else x), np.log(y)
    spread = ((t - t.mean()) ** 2).sum()
    if not spread > 1e-12:
        raise ValueError("the index is the same at all sites")
    b = float(((t - t.mean()) * (z - z.mean())).sum() / spread)
    a = float(z.mean() - b * t.mean())
    residual = float(np.sqrt(((z - a - b * t) ** 2).sum() / (x.size - 2)))
    return Model(form, float(np.exp(a)) if form == "power" else a, b, residual)


def skill(observed: np.ndarray, predicted: np.ndarray) -> Skill:
    """How far predictions lie from what was observed, both (n,) in g/m2."""
    error = predicted - observed
    total = ((observed - observed.mean()) ** 2).sum()
    return Skill(
        float(1 - (error**2).sum() / total) if total else np.nan, float(np.sqrt((error**2).mean())), float(error.mean())
    )


def cross_predicted(form: str, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each site (n,) predicted by the fit to the sites of all other groups. Raises ValueError as `fit_model`."""
    predicted = np.empty(x.size)
    for group in np.unique(groups):
        held_out = groups == group
        predicted[held_out] = fit_model(form, x[~held_out], y[~held_out]).predict(x[held_out])
    return predicted


def blocks_of(east: np.ndarray, north: np.ndarray, size_m: float) -> np.ndarray:
    """Number (n,) of the square block of ``size_m`` that each site lies in, coordinates in metres.

    Sites near one another share soil, rain and observer: a model is judged at places that it has not seen.
    """
    places = np.stack([np.floor(np.asarray(axis) / size_m) for axis in (east, north)], axis=1)
    return np.unique(places, axis=0, return_inverse=True)[1].ravel()


def fit_sites(form: str, x: np.ndarray, y: np.ndarray, blocks: np.ndarray) -> Fit:
    """The model with both cross-validations. Raises ValueError as `fit_model`, for fewer than 3 blocks, and where the
    biomass falls with the index."""
    model = fit_model(form, x, y)
    if not model.b > 0:
        raise ValueError(f"the biomass falls with the index (b = {model.b:.3g})")
    if (count := np.unique(blocks).size) < ENOUGH_BLOCKS:
        raise ValueError(f"the sites lie in {count} blocks, {ENOUGH_BLOCKS} are needed; take smaller ones")
    left_out = cross_predicted(form, x, y, np.arange(x.size))
    return Fit(model, x, y, blocks, left_out, cross_predicted(form, x, y, blocks))
