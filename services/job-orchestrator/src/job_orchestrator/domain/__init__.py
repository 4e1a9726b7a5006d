"""The state machine of one job, pure: its state, the facts that change it, and the effects of a change."""
