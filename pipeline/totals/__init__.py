"""Totals of zones, ecosystems and the city, with their intervals, and whether they can be true and be compared."""
