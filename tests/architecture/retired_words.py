"""Words that this project once used for things that have a name in the field, as regular expressions.

The field's words are in the glossary of `contracts/README.md`.
"""

RETIRED = (
    "allotments?",  # allocation
    "bells?|doorbell|bellrope",  # notification
    "bring_home",  # store results
    "bury|buried",  # dead-letter
    "clerk",  # worker
    "desk",  # batch processor
    "doubts?|doubted",  # ambiguous
    "judging",  # eligibility
    "keep_house",  # purge
    "lanes?",  # leased worker
    "leftovers",  # recovery
    "look_after",  # poll interval
    "mailbox",  # webhook verifier
    "rivals",  # competing orders
    "strays?",  # unmatched task
    "thirsty",  # below the threshold
    "verdicts?",  # acknowledgement
    "waiting room",  # queue
)
