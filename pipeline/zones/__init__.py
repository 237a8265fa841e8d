"""Zones and forest stands (小班): their files read and doctored, their areas, and what they cover of each pixel."""
