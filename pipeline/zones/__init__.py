"""Zones and forest stands (小班): reading and checking their files, their areas, and the fraction of each pixel that
they cover."""
