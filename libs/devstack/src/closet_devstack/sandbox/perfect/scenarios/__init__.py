"""Examples of scenarios, to be used as they are or to start from."""
