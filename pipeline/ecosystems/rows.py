"""Rows of the coefficient library: a number or a table with its error, unit, valid range, source and status."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from pipeline.frozen import Frozen

Status = Literal["verified", "unverified", "local"]

Distribution = Literal["normal", "lognormal", "split_lognormal", "truncated_normal", "beta", "triangular", "fixed"]

Cause = Literal[
    "index", "end_members", "cover_model", "biomass_model", "dry_matter", "root_shoot", "carbon_fraction", "expansion",
    "stand_volume", "class_mean", "residual", "area",
]  # fmt: skip
"""Causes of the error of a total, as the shares of its variance list them."""

Z95 = 1.959963984540054
"""Half-width of the 95 % interval of a normal number, in standard deviations."""

SKEWED_FROM_PERCENT = 30
"""A positive quantity less certain than this is taken as lognormal (IPCC 2006 V1 ch. 3)."""


def of_cause(cause: Cause) -> BeforeValidator:
    """Annotation of a field whose rows belong to this cause, unless they name another one."""
    return BeforeValidator(lambda row: {"cause": cause, **row} if isinstance(row, dict) else row)


class Row(Frozen):
    """What every row has.

    ``valid`` is the range of the listed number, and of its draws where they are truncated. ``factor`` multiplies the
    result of a row of several numbers (polynomial, table), so that it is drawn or changed as a whole; 1 in the files.
    """

    unit: str
    u95_percent: float | None = None
    u95_abs: float | None = None
    distribution: Distribution
    valid: tuple[float, float]
    source: str
    status: Status
    cause: Cause
    factor: float = 1.0

    @model_validator(mode="before")
    @classmethod
    def _usual_distribution(cls, content: Any) -> Any:
        """Without ``distribution``: what lies in 0-1 is a fraction and truncated at its valid range, a positive
        number of more than 30 % is lognormal, a table with ``ranges`` split lognormal, any other normal."""
        if not isinstance(content, dict) or "distribution" in content:
            return content
        if content.get("ranges"):
            return {"distribution": "split_lognormal", **content}
        try:
            low, high = content["valid"]
            percent = content.get("u95_percent") or 0
            many = "value" not in content or isinstance(content["value"], list | tuple)
            if not many and low >= 0 and high <= 1:
                usual = "truncated_normal"
            else:
                usual = "lognormal" if percent > SKEWED_FROM_PERCENT and (many or low >= 0) else "normal"
        except (KeyError, TypeError, ValueError):
            usual = "normal"  # what is missing or wrong is said when the fields are checked
        return {"distribution": usual, **content}

    @model_validator(mode="after")
    def _half_width(self) -> Self:
        given = [width for width in (self.u95_percent, self.u95_abs) if width is not None]
        if len(given) != (self.distribution not in ("fixed", "split_lognormal")):
            raise ValueError("give the 95 % half-width as either u95_percent or u95_abs, and none for a fixed number")
        if given and not given[0] > 0:
            raise ValueError("a 95 % half-width is above 0; a number without error has `distribution: fixed`")
        if self.factor != 1:
            raise ValueError("the factor of a row in a file is 1; change the numbers instead")
        return self

    def _refuse_outside(self, values: tuple[float, ...]) -> None:
        low, high = self.valid
        if not all(low <= value <= high for value in values):
            raise ValueError(f"a value is outside its valid range {low:g} to {high:g}")


class Coefficient(Row):
    """A number with its 95 % half-width, relative (``u95_percent``, % of the value) or absolute (``u95_abs``, in
    ``unit``). A polynomial holds its coefficients in ascending powers; its half-width and its ``valid`` range are
    those of the factor on all of it.
    """

    value: float | tuple[float, ...]

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.distribution == "split_lognormal":
            raise ValueError("split_lognormal is for tables with ranges only")
        if self.is_row and self.u95_percent is None and self.distribution != "fixed":
            raise ValueError("the half-width of a polynomial is relative: give u95_percent")
        self._refuse_outside((self.central,))
        low, high = self.valid
        room = (self.central - low) * (high - self.central)  # what the variance of a number in this range stays below
        if self.distribution == "beta" and not (self.half_width / Z95) ** 2 < room:
            raise ValueError("the half-width of a beta number is too wide for this value in its valid range")
        if self.distribution == "lognormal" and not (self.central > 0 and self.valid[0] >= 0):
            raise ValueError("a lognormal number and its valid range must be positive")
        return self

    @property
    def is_row(self) -> bool:
        """Whether the row is drawn and changed by one factor on all its numbers."""
        return isinstance(self.value, tuple)

    @property
    def central(self) -> float:
        """The centre of the draws: the value, or the factor 1 for a polynomial."""
        return 1.0 if self.is_row else self.value

    @property
    def half_width(self) -> float:
        """95 % half-width around `central`, in its unit; 0 of a fixed number."""
        if self.u95_percent is None:
            return self.u95_abs or 0.0
        return abs(self.central) * self.u95_percent / 100

    def with_value(self, value: float | np.ndarray) -> Self:
        """The row with another number, or one number a draw (n,); of a polynomial, the factor on all of it."""
        return self.model_copy(update={"factor" if self.is_row else "value": value})


class BinnedCoefficient(Row):
    """A step function of ``of``: values[i] holds for edges[i-1] < x <= edges[i], without gaps.

    The first bin is open below, the last above; ``valid`` holds for each value. Its error is the half-width of a factor
    on all of it, or ``ranges``, a 95 % range of each value with that value as the median (``split_lognormal``): all
    values are wrong in the same direction, each within its own range.
    """

    values: tuple[float, ...]
    edges: tuple[float, ...]
    of: str
    ranges: tuple[tuple[float, float], ...] | None = None

    central: ClassVar[float] = 1.0
    is_row: ClassVar[bool] = True

    @model_validator(mode="after")
    def _gap_free(self) -> Self:
        if len(self.values) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges make {len(self.edges) + 1} bins, not {len(self.values)}")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("the edges must ascend")
        self._refuse_outside(self.values)
        if self.u95_abs is not None:
            raise ValueError("the error of a table is relative: give u95_percent, or ranges")
        if self.distribution in ("truncated_normal", "beta"):
            raise ValueError(
                "a table is drawn by one factor, which its valid range does not limit: use normal or lognormal"
            )
        if (self.distribution == "split_lognormal") != (self.ranges is not None):
            raise ValueError("split_lognormal needs ranges in place of u95_percent, and ranges need split_lognormal")
        if self.ranges is not None:
            inside = [0 < low < value < high for value, (low, high) in zip(self.values, self.ranges, strict=False)]
            if len(self.ranges) != len(self.values) or not all(inside):
                raise ValueError("give each value a range of two positive numbers, one below and one above it")
        return self

    @property
    def half_width(self) -> float:
        """95 % half-width of the factor; with ``ranges`` the mean half of them, relative."""
        if self.ranges is None:
            return (self.u95_percent or 0.0) / 100
        return float(np.mean([(high - low) / 2 / v for v, (low, high) in zip(self.values, self.ranges, strict=True)]))

    def at(self, x: np.ndarray) -> np.ndarray:
        """The value of the bin that x lies in, any shape that broadcasts with the factor; x (s, 1) where that is one
        for each bin and draw, the answer then is (s, n)."""
        if np.ndim(self.factor) < 2:
            return self.listed_at(x) * self.factor
        return self.listed_at(x) * self.factor[self._bin_of(x)[:, 0]]

    def listed_at(self, x: np.ndarray) -> np.ndarray:
        """The value of the bin that x lies in as the table lists it, without the factor."""
        return np.asarray(self.values)[self._bin_of(x)]

    def _bin_of(self, x: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.edges, x, side="left")

    def with_value(self, value: float | np.ndarray) -> Self:
        """The table times a factor, or one factor a draw (n,), or one for each bin and draw (b, n)."""
        return self.model_copy(update={"factor": value})

    def times(self, number: float) -> Self:
        """The table that lists all its values, and ranges, times a number."""
        ranges = self.ranges and tuple((low * number, high * number) for low, high in self.ranges)
        return self.model_copy(update={"values": tuple(v * number for v in self.values), "ranges": ranges})


AnyCoefficient = Coefficient | BinnedCoefficient
"""A row of the library: a number or polynomial, or a table."""


class Named(Frozen):
    """A kind of land or tree, found by its ``names`` in the zone or stand table; the first name is printed."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]


class Factor(NamedTuple):
    """A proportion as a report prints it: ``symbols`` as letters, ``numbers`` as arithmetic that can be redone, and its
    ``value``. ``of`` says what it is multiplied with."""

    of: str
    symbols: str
    numbers: str
    value: float
