"""Monte Carlo: what is drawn, what a model makes of it, and the standard error of a pixel."""
