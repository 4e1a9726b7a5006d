"""The catalogue as Markdown tables for the README."""

from closet_contracts.catalog import EVENTS, REQUESTS, answerer_of
from closet_contracts.model import summary
from closet_contracts.ownership import OWNERS, noun_of, owner_of


def event_table() -> str:
    """Every event: what it says, its owner, its consumers, an example."""
    rows = ["| event | says | owner | consumers | example |", "|---|---|---|---|---|"]
    for model in sorted(EVENTS, key=lambda model: list(OWNERS).index(noun_of(model.TYPE))):
        name = f"`{model.TYPE.removeprefix('closet.')}`"
        readers = ", ".join(sorted(EVENTS[model]))
        rows.append(
            f"| {name} | {summary(model)} | {owner_of(model.TYPE)} | {readers} | [json](examples/{model.TYPE}.json) |"
        )
    return "\n".join(rows)


def request_table() -> str:
    """Every request: what it asks, who answers, who may ask."""
    rows = ["| request | asks | answered by | asked by |", "|---|---|---|---|"]
    for request, askers in REQUESTS.items():
        name = f"`{request.SUBJECT.removeprefix('closet.')}`"
        rows.append(f"| {name} | {summary(request)} | {answerer_of(request)} | {', '.join(sorted(askers))} |")
    return "\n".join(rows)
