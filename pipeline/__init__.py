"""sinkmap: the carbon sink of a city's forest, grassland and wetland zones, from satellite scenes.

Start reading in ``flow.py``.
"""

import logging
import os
import sys
import warnings

# A PROJ or GDAL data folder inherited from another installation (QGIS, OSGeo4W) breaks the wheels' own libraries; it
# must go before rasterio, pyogrio or pyproj is imported. What conda sets lies within its environment and stays.
STRAY_DATA: dict[str, str] = {}
_own = os.path.normcase(os.path.join(sys.prefix, ""))  # c:\ and C:\ are one
for _name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
    if _name in os.environ and not os.path.normcase(os.path.abspath(os.environ[_name])).startswith(_own):
        STRAY_DATA[_name] = os.environ.pop(_name)

# rasterio silences this for its own rasters in memory, but not safely: with threads the silence of one may end within
# the work of another, which then prints it
warnings.filterwarnings(
    "ignore",
    "Dataset has no geotransform|The given matrix is equal to Affine.identity",
    module=r"rasterio\.(features|warp)$",
)
# boundaries of GIS programs often carry measures (M), which no area has
warnings.filterwarnings("ignore", r"Measured \(M\) geometry types", module=r"pyogrio\.")
# a sentence of sinkmap reports a file that does not open; without a handler GDAL's lines would be printed, too
logging.getLogger("odc").addHandler(logging.NullHandler())

__version__ = "0.1.0"
