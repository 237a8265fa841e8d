"""Forest: stand volume where the inventory gives it, class mean x canopy cover where it does not."""

from collections.abc import Callable, Iterable
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from pipeline.ecosystems.base import (
    END_MEMBERS,
    CarbonFraction,
    ClassMean,
    Ecosystem,
    RootShoot,
    Stratum,
    key_of,
    refuse_shared_names,
)
from pipeline.ecosystems.rows import BinnedCoefficient, Coefficient, Factor, Named, of_cause
from pipeline.ecosystems.shrub import SHRUB, STOCK_ROWS, Shrub
from pipeline.frozen import Frozen

UNSTOCKED = "unstocked"
"""Key, among the species of stands, of surveyed ground without trees, whose stock is 0."""

NO_TREES = Named(names=("无林木",))

Expansion = Annotated[Coefficient, of_cause("expansion")]
ExpansionTable = Annotated[BinnedCoefficient, of_cause("expansion")]
RootShootTable = Annotated[BinnedCoefficient, of_cause("root_shoot")]


class Continuous(Frozen):
    """Parameters of the Chinese inventory: wood density D (t/m3), biomass expansion BEF (above-ground/stem), R, CF."""

    wood_density: Expansion
    biomass_expansion: Expansion
    root_shoot: RootShoot
    carbon_fraction: CarbonFraction


class Species(Named):
    """A tree species of the inventory; ``bcef`` and ``root_shoot`` name rows of the forest tables."""

    bcef: str
    root_shoot: str
    carbon_fraction: CarbonFraction
    continuous: Continuous | None = None


class Canopy(Stratum):
    """A forest type without stand volume; ``carbon_t_ha`` is its tree layer, t C/ha. It is found by its names, and by
    its species followed by one of its age groups."""

    species: str
    age_groups: tuple[str, ...]
    carbon_t_ha: ClassMean
    root_shoot: RootShoot
    carbon_fraction: CarbonFraction


class Forest(Ecosystem):
    """With stands: C = V x BCEF x (1+R) x CF (IPCC 2006 V4 eq 2.8), V in m3/ha; or, with ``expansion: continuous``,
    C = V x D x BEF x (1+R) x CF, without bins. The two differ by 20-25 % at 60 m3/ha, by a factor of 2 to 4
    below 20.

    Without: C = C_type,age x min(1, f / f_ref), a proxy: the index of a canopy shows neither age nor volume.
    """

    interval_only: ClassVar[tuple[str, ...]] = ("residual", "stand_area")

    ecosystem: Literal["forest"]
    expansion: Literal["ipcc", "continuous"]
    reference_cover: ClassMean
    stand_volume: Annotated[Coefficient, of_cause("stand_volume")]
    """True over measured volume."""
    stand_area: Annotated[Coefficient, of_cause("area")]
    """True over mapped area of the stands; used by the interval only."""
    bcef: dict[str, ExpansionTable]
    bcef_increment: dict[str, ExpansionTable]
    root_shoot: dict[str, RootShootTable]
    species: dict[str, Species]
    shrub: Shrub
    age_groups: dict[str, Named]
    strata: dict[str, Canopy]

    @model_validator(mode="after")
    def _tables_agree(self) -> Self:
        if taken := self.species.keys() & {SHRUB, UNSTOCKED}:
            raise ValueError(f"species {min(taken)}: this key is reserved; give the species another")
        refuse_shared_names(self.kinds, "species")
        refuse_shared_names(self.age_groups, "age group")
        for key, species in self.species.items():
            tables = {species.bcef} <= self.bcef.keys() & self.bcef_increment.keys()
            if not tables or species.root_shoot not in self.root_shoot:
                raise ValueError(f"species {key} names a bcef or root_shoot table that is not there")
        for key, canopy in self.strata.items():
            if canopy.species not in self.species or not set(canopy.age_groups) <= self.age_groups.keys():
                raise ValueError(f"stratum {key} names a species or an age group that is not there")
        return self

    @property
    def method(self) -> str:
        return "class mean C x min(1, cover/reference cover), proxy"

    @property
    def method_zh(self) -> str:
        return "林型平均生物量碳密度 × min(1, 覆盖度/参考覆盖度)，代理估算"

    @property
    def stand_method(self) -> str:
        """The method of the stock of stands."""
        return f"stand volume x {'BCEF' if self.expansion == 'ipcc' else 'D x BEF'} x (1+R) x CF"

    @property
    def stand_method_zh(self) -> str:
        """`stand_method` in Chinese."""
        expansion = "BCEF" if self.expansion == "ipcc" else "木材密度 × BEF"
        return f"小班蓄积 × {expansion} × (1+根茎比) × 含碳率"

    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        canopy = self.strata[stratum]
        full_t_ha = canopy.carbon_t_ha.value / ((1 + canopy.root_shoot.value) * canopy.carbon_fraction.value)
        return np.minimum(cover * (1 / self.reference_cover.value), 1) * full_t_ha

    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        canopy = self.strata[stratum]
        return agb * ((1 + canopy.root_shoot.value) * canopy.carbon_fraction.value)

    def biomass_factor(self, stratum: str) -> Factor:
        canopy = self.strata[stratum]
        per_agb, full = self.carbon_factor(stratum), canopy.carbon_t_ha.value
        return Factor(
            f"mean of min(1, f / f_ref), f_ref = {self.reference_cover.value:.7g}",
            f"C_class / ({per_agb.symbols})",
            f"{full:.7g} / ({per_agb.numbers})",
            full / per_agb.value,
        )

    def carbon_factor(self, stratum: str) -> Factor:
        root_shoot, carbon = (getattr(self.strata[stratum], row).value for row in ("root_shoot", "carbon_fraction"))
        numbers = f"(1 + {root_shoot:.7g}) × {carbon:.7g}"
        return Factor("AGB", "(1 + R) × CF", numbers, (1 + root_shoot) * carbon)

    @property
    def kinds(self) -> dict[str, Named]:
        """The kinds that a stand can be: tree species, shrub, or ground without trees."""
        return {**self.species, SHRUB: self.shrub, UNSTOCKED: NO_TREES}

    def species_key(self, name: str) -> str:
        """The key of the species called ``name``; `SHRUB` for shrubs, `UNSTOCKED` for ground without trees. Raises
        KeyError."""
        return key_of(self.kinds, name)

    def stratum_key(self, name: str | None) -> str:
        """As in the base class; also finds a species with its age group, by name or inventory code: 落叶松中龄林,
        华北落叶松 2."""
        try:
            return super().stratum_key(name)
        except KeyError:
            for cut in range(1, len(name)):
                try:
                    return self.canopy_key(name[:cut].strip().removesuffix("人工林"), name[cut:].strip())
                except KeyError:
                    continue
            raise

    def canopy_key(self, species: str, age_group: str) -> str:
        """The key of the stratum of a species in an age group, both by name. Raises KeyError."""
        pair = self.species_key(species), key_of(self.age_groups, age_group)
        for key, canopy in self.strata.items():
            if canopy.species == pair[0] and pair[1] in canopy.age_groups:
                return key
        raise KeyError(f"{species} {age_group}")

    def stand_stock(
        self,
        volume_m3_ha: np.ndarray,
        bin_volume_m3_ha: np.ndarray,
        species: list[str],
        cover: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(AGB in t DM/ha, carbon in t C/ha) of stands, arrays (s,), or (s, 1) where rows hold n draws, which then
        answer with (s, n); ``species`` are s keys.

        AGB = V x BCEF(V_bin); C = AGB x (1 + R(V_bin x BCEF)) x CF. The tables step down at their bin edges, so the bin
        is taken at ``bin_volume_m3_ha``, the same for every date of a comparison: otherwise growth across an edge would
        look like a loss. Continuous: AGB = V x D x BEF, R and CF of the species. Shrubs by their ``cover`` (1), without
        it by the reference cover.
        """

        def one(key: str, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            if key == SHRUB:
                alike = np.ones(np.shape(here) + volume_m3_ha.shape[1:])
                agb, carbon = self.shrub.stock(None if cover is None else cover[here])
                return alike * agb, alike * carbon
            if key == UNSTOCKED:
                return volume_m3_ha[here] * 0, volume_m3_ha[here] * 0
            expansion, carbon_per_agb = self._expansion(key, self.bcef, bin_volume_m3_ha[here])
            agb = volume_m3_ha[here] * self.stand_volume.value * expansion
            return agb, agb * carbon_per_agb

        return _by_species(species, one)

    def stand_gain_loss(
        self, increment_m3_ha_yr: np.ndarray, bin_volume_m3_ha: np.ndarray, species: list[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(gain, loss) in t C/ha/yr, both >= 0, of stands by their yearly volume increment, shapes as `stand_stock`.

        Gain = I_V x BCEF_I x (1+R) x CF (IPCC 2006 V4 eq 2.9, 2.10) where volume grew; loss by the stock's BCEF where
        it shrank (eq 2.12, all of the stand's biomass taken out). Another method than the stock difference, which
        already contains both: never add them. Shrubs have no volume, so no gain and no loss.
        """

        def one(key: str, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            if key in (SHRUB, UNSTOCKED):
                return bin_volume_m3_ha[here] * 0, bin_volume_m3_ha[here] * 0
            held, change = bin_volume_m3_ha[here], increment_m3_ha_yr[here] * self.stand_volume.value
            growing, carbon_per_agb = self._expansion(key, self.bcef_increment, held)
            standing, _ = self._expansion(key, self.bcef, held)
            return (
                np.maximum(change, 0) * growing * carbon_per_agb,
                np.maximum(-change, 0) * standing * carbon_per_agb,
            )

        return _by_species(species, one)

    def _expansion(
        self, key: str, tables: dict[str, BinnedCoefficient], held: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(t DM above ground per m3, t C per t DM above ground) of a species in the bins of the volume ``held``."""
        row = self.species[key]
        if self.expansion == "continuous":
            if row.continuous is None:
                raise ValueError(f"the species {key} has no `continuous` parameters; add them or take expansion: ipcc")
            own = row.continuous
            return (
                own.wood_density.value * own.biomass_expansion.value,
                (1 + own.root_shoot.value) * own.carbon_fraction.value,
            )
        # a draw of the expansion keeps the bin of the roots: another bin would cancel part of the error
        root_shoot = self.root_shoot[row.root_shoot].at(held * self.bcef[row.bcef].listed_at(held))
        return tables[row.bcef].at(held), (1 + root_shoot) * row.carbon_fraction.value

    def rows_used(self, stratum: str, species: Iterable[str] = ()) -> list[str]:
        if not (found := set(species)):
            return ["reference_cover", *(f"strata.{stratum}.{name}" for name in ("carbon_t_ha", *END_MEMBERS))]
        paths = []
        for key in found - {UNSTOCKED}:
            if key == SHRUB:
                paths += [f"{SHRUB}.{name}" for name in STOCK_ROWS]
                continue
            row = self.species[key]
            if self.expansion == "continuous":
                paths += [f"species.{key}.continuous.{name}" for name in Continuous.model_fields]
            else:
                paths += [f"bcef.{row.bcef}", f"root_shoot.{row.root_shoot}", f"species.{key}.carbon_fraction"]
        return paths


def _by_species(species: list[str], one: Callable) -> tuple[np.ndarray, np.ndarray]:
    """The pair of arrays that ``one`` gives for the places of each species, put together over all places."""
    kinds = np.asarray(species)
    places = {key: np.flatnonzero(kinds == key) for key in sorted(set(species))}
    parts = {key: one(key, here) for key, here in places.items()}
    draws = np.broadcast_shapes(*(part.shape[1:] for pair in parts.values() for part in pair))
    both = np.zeros((2, len(species), *draws))
    for key, here in places.items():
        for whole, part in zip(both, parts[key], strict=True):
            whole[here] = part
    return both[0], both[1]
