"""sinkmap: the carbon sink of a city's forest, grassland and wetland zones, from satellite scenes.

Start reading in ``flow.py``.
"""

import os
import sys

# A PROJ or GDAL data folder inherited from another installation (QGIS, OSGeo4W) breaks the wheels' own libraries; it
# must go before rasterio, pyogrio or pyproj is imported. What conda sets lies within its environment and stays.
for _name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
    if not os.path.abspath(os.environ.get(_name, "")).startswith(os.path.join(sys.prefix, "")):
        os.environ.pop(_name, None)

__version__ = "0.1.0"
