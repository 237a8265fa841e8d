"""How many cores a run may use."""

import os

import psutil


def available_cores() -> int:
    """Cores that this process may use; where the system binds no process to cores, all."""
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1
