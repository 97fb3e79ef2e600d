"""The scenarios, one file for each group; importing them registers them."""
from . import harness_itself, lights, faults, vivid, doctor, stops, raspi, card  # noqa: F401
