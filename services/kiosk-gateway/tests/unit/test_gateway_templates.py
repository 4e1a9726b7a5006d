"""Templates that the vendor does not offer are refused; where that is not known, they pass."""

from typing import Any, cast

import pytest
from closet_chassis.problems import Problem
from closet_contracts.rpc import ListTemplates, Template, TemplatePage
from closet_messaging.bus import Bus
from closet_messaging.rpc import RpcFailed, RpcUnavailable
from kiosk_gateway.handlers.templates import MAX_AGE_S, MIN_AGE_S, Templates


class Adapter:
    """Lists one template a page; counts how often it is asked for a first page."""

    def __init__(self, *templates: str) -> None:
        self.templates = list(templates)
        self.failure: Exception | None = None
        self.asked = 0

    async def ask(self, request: ListTemplates) -> TemplatePage:
        self.asked += request.cursor is None
        if self.failure:
            raise self.failure
        number = int(request.cursor or 0)
        shown = tuple(Template(template_id=each, title=each) for each in self.templates[number : number + 1])
        more = str(number + 1) if number + 1 < len(self.templates) else None
        return TemplatePage(templates=shown, next_cursor=more)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def make(*templates: str) -> tuple[Templates, Adapter, Clock]:
    adapter, clock = Adapter(*templates), Clock()
    return Templates(cast("Bus", cast("Any", adapter)), clock), adapter, clock


async def refused(templates: Templates, *named: str) -> bool:
    try:
        await templates.check(named)
    except Problem as problem:
        return (problem.status, problem.code) == (422, "unknown_template")
    return False


async def test_who_names_known_ones_asks_once() -> None:
    templates, adapter, clock = make("a", "b", "c")
    for _ in range(3):
        assert not await refused(templates, "a", "c")
        assert not await refused(templates)
    assert adapter.asked == 1
    clock.now += MAX_AGE_S
    assert not await refused(templates, "a")
    assert adapter.asked == 2


async def test_unknown_ones_are_refused_and_asked_for_seldom() -> None:
    templates, adapter, clock = make("a")
    for _ in range(5):
        assert await refused(templates, "a", "new")
    assert adapter.asked == 1
    adapter.templates.append("new")
    clock.now += MIN_AGE_S
    assert not await refused(templates, "a", "new")


@pytest.mark.parametrize("failure", [RpcUnavailable("away"), RpcFailed("templates_unavailable", "not yet")])
async def test_where_there_is_no_list_all_pass(failure: Exception) -> None:
    templates, adapter, clock = make("a")
    adapter.failure = failure
    assert not await refused(templates, "b")
    adapter.failure = None
    clock.now += MIN_AGE_S
    assert await refused(templates, "b")
