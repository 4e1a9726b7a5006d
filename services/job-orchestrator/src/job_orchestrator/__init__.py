"""Owns jobs: their inputs, attempts and deadlines, and how they end."""
