"""What the ecosystems share: a coefficient with its source, and the contract of a biomass method."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from pipeline.vegetation import EndMembers, linear_cover

Status = Literal["verified", "unverified", "local"]


class Frozen(BaseModel):
    """A checked, unchangeable value read from YAML; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Coefficient(Frozen):
    """A number with its unit, 95 % half-width, source and status.

    ``value`` is a number or, for a polynomial, its coefficients in ascending powers. The half-width is
    relative (``u95_percent``, % of the value) or absolute (``u95_abs``, in ``unit``).
    """

    value: float | tuple[float, ...]
    unit: str
    u95_percent: float | None = None
    u95_abs: float | None = None
    source: str
    status: Status

    @model_validator(mode="after")
    def _one_half_width(self) -> Self:
        if (self.u95_percent is None) == (self.u95_abs is None):
            raise ValueError("give the 95 % half-width as either u95_percent or u95_abs")
        return self


class BinnedCoefficient(Frozen):
    """A step function of ``of``: values[i] holds for edges[i-1] < x <= edges[i], without gaps.

    The first bin is open below, the last above.
    """

    values: tuple[float, ...]
    edges: tuple[float, ...]
    of: str
    unit: str
    u95_percent: float
    source: str
    status: Status

    @model_validator(mode="after")
    def _gap_free(self) -> Self:
        if len(self.values) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges make {len(self.edges) + 1} bins, not {len(self.values)}")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("the edges must ascend")
        return self

    def at(self, x: np.ndarray) -> np.ndarray:
        """The value of the bin that x lies in, any shape."""
        return np.asarray(self.values)[np.searchsorted(self.edges, x, side="left")]


class Named(Frozen):
    """A kind of land or tree, found by its ``names`` in the zone or stand table."""

    names: tuple[str, ...]


def key_of(kinds: Mapping[str, Named], name: str) -> str:
    """The key of the kind called ``name``. Raises KeyError."""
    for key, kind in kinds.items():
        if name == key or name in kind.names:
            return key
    raise KeyError(name)


def refuse_shared_names(kinds: Mapping[str, Named], what: str) -> None:
    """Raises ValueError where a name stands for two kinds."""
    names = [name for key, kind in kinds.items() for name in {key, *kind.names}]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"a name belongs to one {what} only: {', '.join(sorted(doubled))}")


class Stratum(Named):
    """A kind of land within an ecosystem.

    ``soil_index`` and ``vegetation_index`` are its end-members where none are calibrated.
    """

    soil_index: Coefficient
    vegetation_index: Coefficient


class Ecosystem(Frozen, ABC):
    """Numbers and formulas that turn index and cover into biomass and carbon, pixel by pixel."""

    method: ClassVar[str]
    min_window_years: ClassVar[int] = 3
    """Years that a period needs before two periods may be compared: standing crop follows the year's rain."""
    min_water_share: ClassVar[float] = 1.0
    """A pixel is open water if this share of its clear observations, at least, saw water. Mountain
    shadow is often classed as water, so a land ecosystem wants all of them."""

    ecosystem: str
    default_stratum: str
    strata: dict[str, Stratum]

    @model_validator(mode="after")
    def _strata_agree(self) -> Self:
        if self.default_stratum not in self.strata:
            raise ValueError(f"default_stratum {self.default_stratum!r} is not among the strata")
        refuse_shared_names(self.strata, "stratum")
        return self

    def stratum_key(self, name: str | None) -> str:
        """The key of the stratum called ``name`` (default stratum for none). Raises KeyError."""
        return key_of(self.strata, name) if name else self.default_stratum

    def respond(self, index: np.ndarray, end_members: EndMembers, stratum: str) -> dict[str, np.ndarray]:
        """Cover (1), above-ground biomass (t DM/ha) and carbon stock (t C/ha) for index values of any shape."""
        cover = linear_cover(index, end_members)
        agb = self.agb(index, cover, stratum)
        return {"fvc": cover, "agb": agb, "carbon_stock": self.carbon(agb, stratum)}

    @abstractmethod
    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        """Above-ground biomass in t DM/ha from index and cover (same shape)."""

    @abstractmethod
    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        """Biomass carbon stock in t C/ha from above-ground biomass in t DM/ha."""
