"""The scenarios, one file for each group; importing them registers them."""
from . import harness_itself, lights, faults, vivid, stops, raspi, card  # noqa: F401
