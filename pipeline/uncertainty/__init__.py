"""Monte Carlo: the draws, a model evaluated on them, and the standard error of a pixel."""
