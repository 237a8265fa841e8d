"""Forest: stand volume where the inventory gives it, class mean x canopy cover where it does not."""

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from pipeline.ecosystems.base import (
    BinnedCoefficient,
    Coefficient,
    Ecosystem,
    Named,
    Stratum,
    key_of,
    refuse_shared_names,
)


class Species(Named):
    """A tree species of the inventory; ``bcef`` and ``root_shoot`` name rows of the forest tables."""

    bcef: str
    root_shoot: str
    carbon_fraction: Coefficient


class Canopy(Stratum):
    """A forest type and age group without stand volume; ``carbon_t_ha`` is its tree layer, t C/ha."""

    carbon_t_ha: Coefficient
    root_shoot: Coefficient
    carbon_fraction: Coefficient


class Forest(Ecosystem):
    """With stands: C = V x BCEF x (1+R) x CF (IPCC 2006 V4 eq 2.8), V in m3/ha.

    Without: C = C_type,age x min(1, f / f_ref), a proxy: a canopy's index sees neither age nor volume.
    """

    method: ClassVar[str] = "class mean C x min(1, cover/reference cover), proxy"
    stand_method: ClassVar[str] = "stand volume x BCEF x (1+R) x CF"

    ecosystem: Literal["forest"]
    reference_cover: Coefficient
    bcef: dict[str, BinnedCoefficient]
    root_shoot: dict[str, BinnedCoefficient]
    species: dict[str, Species]
    strata: dict[str, Canopy]

    @model_validator(mode="after")
    def _species_agree(self) -> Self:
        refuse_shared_names(self.species, "species")
        for key, species in self.species.items():
            if species.bcef not in self.bcef or species.root_shoot not in self.root_shoot:
                raise ValueError(f"species {key} names a bcef or root_shoot table that is not there")
        return self

    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        canopy = self.strata[stratum]
        full_t_ha = canopy.carbon_t_ha.value / ((1 + canopy.root_shoot.value) * canopy.carbon_fraction.value)
        return np.minimum(cover * (1 / self.reference_cover.value), 1) * full_t_ha

    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        canopy = self.strata[stratum]
        return agb * ((1 + canopy.root_shoot.value) * canopy.carbon_fraction.value)

    def species_key(self, name: str) -> str:
        """The key of the species called ``name``. Raises KeyError."""
        return key_of(self.species, name)

    def stand_stock(
        self, volume_m3_ha: np.ndarray, bin_volume_m3_ha: np.ndarray, species: list[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(AGB in t DM/ha, carbon in t C/ha) of stands, arrays (n,); ``species`` are n keys.

        AGB = V x BCEF(V_bin); C = AGB x (1 + R(V_bin x BCEF)) x CF. The tables step down at their bin
        edges, so the bin is taken at ``bin_volume_m3_ha``, the same for every date of a comparison:
        otherwise growth across an edge would read as a loss.
        """
        agb = np.zeros(len(species))
        carbon = np.zeros(len(species))
        kinds = np.asarray(species)
        for key in sorted(set(species)):
            row, here = self.species[key], kinds == key
            bcef = self.bcef[row.bcef].at(bin_volume_m3_ha[here])
            root_shoot = self.root_shoot[row.root_shoot].at(bin_volume_m3_ha[here] * bcef)
            agb[here] = volume_m3_ha[here] * bcef
            carbon[here] = agb[here] * (1 + root_shoot) * row.carbon_fraction.value
        return agb, carbon
