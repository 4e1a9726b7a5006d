"""The life of one job, pure: what decides about it, what can happen to it, and what follows."""
