"""The rank of each priority class: the lower, the more urgent. Pure."""

from closet_contracts.generation import Priority

PRIORITY_RANKS = {Priority.KIOSK_LIVE: 0, Priority.INTERACTIVE: 1, Priority.BATCH: 2}
MOST_URGENT = 0
