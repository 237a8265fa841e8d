"""How many cores a run may use."""

import os

import psutil


def available_cores() -> int:
    """Number of cores that this process may use; all of them on a system that cannot bind a process to cores."""
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1
