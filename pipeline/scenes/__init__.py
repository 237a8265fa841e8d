"""Scenes: found, checked and described as their products declare them, and read onto the run's grid."""

MAX_MEGAPIXELS = 2000
"""Scenes of all sensors are smaller than this."""
