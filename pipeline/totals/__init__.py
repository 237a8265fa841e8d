"""Totals of zones, ecosystems and the city, with their intervals, and whether they are plausible and comparable."""
