"""One more check for schemathesis, in the place of `positive_data_acceptance`.

That one takes every refusal of a valid request for a fault. A schema cannot foretell credits, cursors given out before,
keys that were used, or rules between fields; such refusals have codes or sentences of their own.
"""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response

_BY_THE_SCHEMA = {"malformed_json", "body_too_large"}
_RULE = "Value error, "  # how a rule of ours that no schema can tell begins


@schemathesis.check
def valid_request_is_understood(_ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What the schema allows is refused for no reason that a schema can tell."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    problem = response.json()
    code, errors = problem["code"], problem.get("errors", [])
    assert code not in _BY_THE_SCHEMA, problem
    assert code != "invalid_request" or all(each["message"].startswith(_RULE) for each in errors), problem
