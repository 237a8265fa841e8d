"""What the ecosystems share: the contract of a biomass method, and its coefficient rows by path."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import BaseModel, model_validator

from pipeline.ecosystems.rows import AnyCoefficient, Coefficient, Factor, Named, Row, of_cause
from pipeline.frozen import Frozen
from pipeline.vegetation import EndMembers

EndMember = Annotated[Coefficient, of_cause("end_members")]
RootShoot = Annotated[Coefficient, of_cause("root_shoot")]
CarbonFraction = Annotated[Coefficient, of_cause("carbon_fraction")]
ClassMean = Annotated[Coefficient, of_cause("class_mean")]

END_MEMBERS = ("soil_index", "vegetation_index")


def key_of(kinds: Mapping[str, Named], name: str) -> str:
    """The key of the kind called ``name``. Raises KeyError."""
    for key, kind in kinds.items():
        if name == key or name in kind.names:
            return key
    raise KeyError(name)


def refuse_shared_names(kinds: Mapping[str, Named], what: str) -> None:
    """Raises ValueError where two kinds have the same name."""
    names = [name for key, kind in kinds.items() for name in {key, *kind.names}]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"a name belongs to one {what} only: {', '.join(sorted(doubled))}")


class Stratum(Named):
    """A kind of land within an ecosystem.

    ``soil_index`` and ``vegetation_index`` are its end-members if none are calibrated or given.
    """

    soil_index: EndMember
    vegetation_index: EndMember


class Ecosystem(Frozen, ABC):
    """Numbers and formulas that turn index and cover into biomass and carbon, pixel by pixel."""

    min_window_years: ClassVar[int] = 3
    """Years that a period needs before two periods may be compared: standing crop follows the year's rain."""
    min_water_share: ClassVar[float] = 1.0
    """A pixel is open water if at least this share of its clear observations saw water. Mountain shadow is often
    classed as water, so land ecosystems require all of them."""
    interval_only: ClassVar[tuple[str, ...]] = ("residual",)
    """Factors whose half-width is used for the interval, and whose value no figure uses."""

    ecosystem: str
    index_bias: Annotated[Coefficient, of_cause("index")]
    """Bias of a composite's index, added to it."""
    residual: Annotated[Coefficient, of_cause("residual")]
    """What the model leaves unexplained at a pixel, as a factor on its stock; used by the interval only."""
    residual_persistence: Annotated[Coefficient, of_cause("residual")]
    """Correlation of a pixel's residual between two dates; used by the interval only."""
    default_stratum: str
    strata: dict[str, Stratum]

    @model_validator(mode="after")
    def _strata_agree(self) -> Self:
        if self.default_stratum not in self.strata:
            raise ValueError(f"default_stratum {self.default_stratum!r} is not among the strata")
        refuse_shared_names(self.strata, "stratum")
        return self

    @model_validator(mode="after")
    def _errs_around_one(self) -> Self:
        for name in self.interval_only:
            if getattr(self, name).value != 1:
                raise ValueError(f"{name} only widens the interval: keep its value at 1 and give a half-width")
        return self

    def stratum_key(self, name: str | None) -> str:
        """The key of the stratum called ``name`` (default stratum for none). Raises KeyError."""
        return key_of(self.strata, name) if name else self.default_stratum

    def respond(self, index: np.ndarray, end_members: EndMembers, stratum: str) -> dict[str, np.ndarray]:
        """Cover (1), above-ground biomass (t DM/ha) and carbon stock (t C/ha) for index values of any shape.

        Rows that hold one number a draw (n,) broadcast: an index of shape (k, 1) then answers with (k, n).
        """
        index = index + self.index_bias.value
        cover = end_members.cover(index)
        agb = self.agb(index, cover, stratum)
        return {"fvc": cover, "agb": agb, "carbon_stock": self.carbon(agb, stratum)}

    @property
    def model_index(self) -> str | None:
        """The index that the biomass model was calibrated on; None if the model uses cover alone."""
        return None

    @property
    @abstractmethod
    def method(self) -> str:
        """The method of the stock, as tables print it."""

    @property
    @abstractmethod
    def method_zh(self) -> str:
        """`method` in Chinese."""

    @property
    def excluded(self) -> str:
        """What one might expect in its carbon but is not included, in Chinese and English; "" for nothing."""
        return ""

    def clamped(self, index: np.ndarray, stratum: str) -> np.ndarray:
        """Where the index, with its bias, lies outside the range that the biomass model was calibrated in, and is held
        at its end."""
        return np.zeros(np.shape(index), bool)

    @abstractmethod
    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        """Above-ground biomass in t DM/ha from index and cover (same shape)."""

    @abstractmethod
    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        """Biomass carbon stock in t C/ha from above-ground biomass in t DM/ha."""

    @abstractmethod
    def biomass_factor(self, stratum: str) -> Factor:
        """Above-ground biomass, t DM/ha, divided by the function of the index that it is proportional to."""

    @abstractmethod
    def carbon_factor(self, stratum: str) -> Factor:
        """Carbon stock, t C/ha, divided by above-ground biomass, t DM/ha."""

    @abstractmethod
    def rows_used(self, stratum: str, species: Iterable[str]) -> list[str]:
        """Paths of the rows that the stock of a stratum, or of stands of these species, is computed with."""


Holder = TypeVar("Holder", bound=Frozen)
"""An object with coefficient rows: an ecosystem, or the shrub of the forest."""


def coefficients(holder: Frozen) -> dict[str, AnyCoefficient]:
    """All rows of an ecosystem or of shrub by dotted path, such as ``strata.typical_steppe.root_shoot``."""
    return dict(_rows(holder, ()))


def _rows(part: Any, path: tuple[str, ...]) -> Iterator[tuple[str, AnyCoefficient]]:
    if isinstance(part, Row):
        yield ".".join(path), part
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from _rows(getattr(part, name), (*path, name))
    elif isinstance(part, Mapping):
        for name, value in part.items():
            yield from _rows(value, (*path, name))


def with_values(holder: Holder, values: Mapping[str, float | np.ndarray | AnyCoefficient]) -> Holder:
    """The same with other numbers in the rows at these paths: one number, or one per draw, (n,); or with another row.

    For a row of several numbers (polynomial, table) the number is a factor on all of it. Raises KeyError for a path
    that is not there.
    """
    known = coefficients(holder)
    for path, value in values.items():
        if path not in known:
            raise KeyError(_unknown(holder, path))
        holder = _replaced(holder, path.split("."), value)
    return holder


def _replaced(part: Any, steps: list[str], value: float | np.ndarray | AnyCoefficient) -> Any:
    if not steps:
        return value if isinstance(value, Row) else part.with_value(value)
    first, *rest = steps
    if isinstance(part, Mapping):
        return {**part, first: _replaced(part[first], rest, value)}
    return part.model_copy(update={first: _replaced(getattr(part, first), rest, value)})


def find(ecosystem: Ecosystem, name: str) -> list[str]:
    """The path ``name``, otherwise all paths that end in it: ``root_shoot`` means that of every stratum. Rows of shrub,
    which also grows in other zones, are included only if they are named, or if no other path ends so. Raises KeyError
    with the nearest names where there is none."""
    paths = coefficients(ecosystem)
    ending = [path for path in paths if path.endswith(f".{name}")]
    own = [path for path in ending if not path.startswith("shrub.")]
    found = [name] if name in paths else own or ending
    if not found:
        raise KeyError(_unknown(ecosystem, name))
    return found


def _unknown(holder: Frozen, name: str) -> str:
    paths = coefficients(holder)
    names = dict.fromkeys([*paths, *(path.rsplit(".", 1)[-1] for path in paths)])
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or [*names][-3:]
    owner = holder.ecosystem if isinstance(holder, Ecosystem) else type(holder).__name__.lower()
    return f"{owner} has no coefficient {name!r}; near it are {', '.join(near)}"


def used_by(
    ecosystem: Ecosystem, stratum: str, species: Iterable[str] = (), shipped_end_members: bool = True
) -> list[str]:
    """Paths of the rows that a zone's stock depends on, sorted; with ``species`` (keys) for a stock by stands.

    Without rows that only widen the interval, and without the shipped end-members of a stratum if others are in use.
    """
    rows = set(ecosystem.rows_used(stratum, species))
    if not shipped_end_members:
        rows = {path for path in rows if coefficients(ecosystem)[path].cause != "end_members"}
    return sorted(rows)
