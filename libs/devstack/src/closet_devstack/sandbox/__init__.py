"""Stand-ins for third parties, each a process of its own."""
