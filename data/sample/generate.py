"""Make the sample data of sinkmap: 22 schematic zones, forest stands, simulated scenes and the truth behind them.

    python data/sample/generate.py [folder]

Everything is SIMULATED; SOURCE.md beside this file says how. One seed, no clock: a second run gives the same data.
"""

import sys
from pathlib import Path

from simulate.landscape import Landscape
from simulate.scenes import ACQUISITIONS, write_scene
from simulate.stac import COLLECTION, write_catalog
from simulate.stands import draw_stands
from simulate.truth import true_values, write_truth
from simulate.zones import write_gbk_shapefile, write_geopackage


def generate(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    land = Landscape.drawn()
    write_geopackage(land.zones, folder / "zones.gpkg", "zones")
    write_gbk_shapefile(land.zones, folder / "zones_gbk.shp")

    stands = draw_stands(land)
    write_geopackage(stands, folder / "stands.gpkg", "stands")

    classes = {}
    for acquisition in ACQUISITIONS:
        classes |= write_scene(acquisition, land, folder / "scenes" / COLLECTION)
    write_catalog(classes, folder / "scenes")

    write_truth(true_values(land, stands), folder / "truth.csv")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
