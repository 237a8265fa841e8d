"""Simulated ground, sky and inventory behind the sample data of sinkmap; `generate.py` beside this folder runs it.

Read in this order: noise, zones, landscape, stands, sky, scenes, stac, truth.
"""
