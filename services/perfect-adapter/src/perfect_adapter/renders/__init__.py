"""Renders: submitted once, polled or announced by a webhook, collected, and ended by one event."""
