from typing import get_args

from closet_contracts.catalog import EVENTS
from closet_contracts.credit import CreditBalanceChanged, CreditPricesPublished
from closet_contracts.ownership import Service
from closet_contracts.render import RenderCapacityChanged
from hypothesis import given
from hypothesis import strategies as st
from kiosk_gateway.domain.jobs import _CHANGES, TERMINAL_STATUSES, JobFact, Status
from kiosk_gateway.handlers.idempotency import without_duplicate_keys
from kiosk_gateway.http.work import usd
from kiosk_gateway.store.idempotency import Key


def test_every_fact_about_a_job_that_is_read_changes_it_somehow() -> None:
    read = {model for model, readers in EVENTS.items() if Service.KIOSK_GATEWAY in readers}
    assert (
        set(get_args(JobFact))
        == set(_CHANGES)
        == read
        - {
            CreditBalanceChanged,
            CreditPricesPublished,
            RenderCapacityChanged,
        }
    )


def test_a_job_has_four_ends() -> None:
    assert {Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.EXPIRED} == TERMINAL_STATUSES


@given(st.integers(min_value=0, max_value=10**9))
def test_money_is_written_without_floats(cents: int) -> None:
    dollars, _, rest = usd(cents).partition(".")
    assert len(rest) == 2
    assert int(dollars) * 100 + int(rest) == cents


@given(st.lists(st.sampled_from([None, "a", "b", "c"])))
def test_rounds_keep_the_requests_of_one_key_apart_and_in_order(names: list[str | None]) -> None:
    items = [(number, Key("t", "u", name, b"") if name else None) for number, name in enumerate(names)]
    groups = list(without_duplicate_keys(items, lambda item: item[1]))
    assert sorted(item[0] for group in groups for item in group) == list(range(len(items)))
    for group in groups:
        keys = [key.name for _, key in group if key]
        assert len(keys) == len(set(keys))
    for name in "abc":
        order = [number for group in groups for number, key in group if key and key.key == name]
        assert order == sorted(order)
