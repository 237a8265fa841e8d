"""Stage 1: the clear observations of a tile and year become one composite, kept in the cube."""
