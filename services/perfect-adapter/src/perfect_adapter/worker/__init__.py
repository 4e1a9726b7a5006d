"""The lanes: submitting renders, collecting their results, and the sweep for what either left behind."""
