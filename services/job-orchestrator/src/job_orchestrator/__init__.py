"""Owns jobs: their inputs, attempts, deadlines and their one end."""
