"""The one order in which a transaction takes its row locks, so that no two ever wait for each other in a circle.

Tables go in the order of `ORDER`; inside `parties` the address goes before the keys, and those by name; inside any
other table rows go by their primary key. Only `FOR UPDATE SKIP LOCKED` may disregard the order inside its own table:
it waits for nobody. A claim therefore looks without locking, locks the parties that its calls are charged to, and takes
its rows last, if they are still as it saw them.
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
