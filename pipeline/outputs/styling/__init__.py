"""How results look in desktop GIS: styles of rasters and polygons as QML and SLD."""
