"""How units of work run, through Dask, and how what they leave is written whole, marked and traced."""
