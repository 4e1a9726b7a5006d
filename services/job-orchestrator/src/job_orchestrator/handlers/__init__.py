"""Event handlers: each event becomes a fact, a transition of its job, and the events that follow."""
