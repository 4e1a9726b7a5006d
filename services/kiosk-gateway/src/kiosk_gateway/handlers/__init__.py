"""The use cases: what requests and events do, one module per concern."""
