"""The QGIS project of a run, written without QGIS: its layers, its print layout, the file."""
