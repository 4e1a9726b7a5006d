"""When renders are retried and polled again."""

from perfect_adapter.renders.states import elapsed_ms, next_poll_s, retry_s


def test_polls_become_rarer_but_never_stop() -> None:
    delays = [next_poll_s(30, polls, 0) for polls in range(40)]
    assert delays[0] == 30
    assert delays == sorted(delays)
    assert delays[-1] == 120


def test_the_vendor_may_ask_for_patience() -> None:
    assert next_poll_s(5, 0, 40) == 40
    assert next_poll_s(30, 0, 2) == 30


def test_a_long_first_poll_stays_long() -> None:
    assert next_poll_s(600, 5, 0) == 600


def test_retries_come_later_each_time_but_not_too_late() -> None:
    delays = [retry_s(tries) for tries in range(1, 60)]
    assert delays[:3] == [0.5, 1, 2]
    assert delays[-1] == 30


def test_clocks_that_disagree_make_no_negative_time() -> None:
    assert elapsed_ms(10.0, 11.5) == 1500
    assert elapsed_ms(11.5, 10.0) == 0
