"""Bring a database that was restored from a backup up to what the streams hold."""
