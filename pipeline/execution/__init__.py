"""How units of work run through Dask, and how their results are written whole, marked and traced."""
