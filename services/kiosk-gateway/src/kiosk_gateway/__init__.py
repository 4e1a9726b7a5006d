"""The client API, and the read model behind it."""
