"""What requests and events do: one module per concern."""
