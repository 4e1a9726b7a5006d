"""The adapter to the vendor: the only service that calls its API."""
