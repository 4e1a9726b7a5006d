"""The order in which every transaction takes its row locks, so that no two deadlock. Pure.

Tables go in the order of `ORDER`; inside `parties` the address goes before the keys, and those by name; inside any
other table rows go by their primary key. Only `FOR UPDATE SKIP LOCKED` may disregard the order inside its own table:
it never waits. A claim therefore reads without locking, locks the quota subjects that its calls are charged to, and
takes its rows last, if they are unchanged.
"""

ORDER = (
    "room",
    "parties",
    "vendor_calls",
    "vendor_clock",
    "circuits",
    "shares",
    "template_lists",
    "templates",
    "webhooks",
    "strays",
    "renders",
    "deletions",
    "repeated_orders",
    "ended_jobs",
)
