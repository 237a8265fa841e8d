"""Shrub: carbon by cover, on ground that is shrub according to an inventory or a land-cover map."""

from typing import NamedTuple

import numpy as np

from pipeline.ecosystems.base import CarbonFraction, ClassMean
from pipeline.ecosystems.rows import Named

SHRUB = "shrub"
"""Key of shrub stands among the species, and of the shrub's rows in the forest coefficient file."""

STOCK_ROWS = ("carbon_t_ha", "reference_cover")
"""Rows that the carbon stock depends on; the others only convert it to biomass."""


class ShrubStock(NamedTuple):
    """Above-ground biomass (t DM/ha) and carbon stock (t C/ha), of one shape."""

    agb: np.ndarray
    carbon_stock: np.ndarray


class Shrub(Named):
    """Shrub (Caragana): C = C_ref x f / f_ref, f its cover.

    Planted C. korshinskii: 2.157 t C/ha above ground, 0.721 in roots (魏江生 2016). The biomass follows from the
    ``above_ground_share`` of the carbon and its ``carbon_fraction`` above ground (of roots .42).
    """

    carbon_t_ha: ClassMean
    reference_cover: ClassMean
    above_ground_share: ClassMean
    carbon_fraction: CarbonFraction

    def stock(self, cover: np.ndarray | float | None) -> ShrubStock:
        """The stock of shrub with this cover (1), in any shape that broadcasts with rows of n draws; without a cover,
        the stock at the reference cover."""
        share = 1 if cover is None else cover / self.reference_cover.value
        carbon = share * self.carbon_t_ha.value
        return ShrubStock(carbon * (self.above_ground_share.value / self.carbon_fraction.value), carbon)
