"""Speaks to the vendor, and to nobody else."""
