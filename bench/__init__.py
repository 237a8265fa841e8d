"""Speed and memory of sinkmap, measured; see run.py."""
