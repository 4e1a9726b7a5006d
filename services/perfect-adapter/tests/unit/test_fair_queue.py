"""The fair queue: fair between tenants, urgent first, nobody starves; against a model that knows only the rules."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from perfect_adapter.queue.fair_queue import FairQueue, QueuedRender, QueuePolicy

POLICY = QueuePolicy(aged_s=1000.0)
LIVE, INTERACTIVE, BATCH = 0, 1, 2


def queue(tenant: str, count: int, rank: int = INTERACTIVE, units: int = 2, age_s: float = 10.0) -> list[QueuedRender]:
    return [
        QueuedRender(render_id=f"{tenant}-{rank}-{n}", tenant=tenant, rank=rank, units=units, age_s=age_s - n / 1000)
        for n in range(count)
    ]


def fair_queue(*queues: list[QueuedRender], turns: dict[str, int] | None = None, slots: int = 0) -> FairQueue:
    return FairQueue(waiting=[one for each in queues for one in each], turns=turns or {}, in_flight={}, slots=slots)


def drain(one: FairQueue, policy: QueuePolicy = POLICY, at_once: int = 1) -> list[QueuedRender]:
    """Everything, in the order in which it is submitted."""
    order: list[QueuedRender] = []
    while one.waiting:
        chosen = one.choose(at_once, policy)
        order += chosen
        one.waiting = [each for each in one.waiting if each not in chosen]
    return order


def test_a_flood_costs_the_others_nothing_but_their_turn() -> None:
    order = drain(fair_queue(queue("flood", 1000), *(queue(f"t{n}", 10) for n in range(9))))
    last = max(place for place, one in enumerate(order) if one.tenant != "flood")
    assert last < 10 * 10 + 10, "ten tenants in turn: the nine are through after ten rounds"


def test_a_tenants_own_are_submitted_in_their_order() -> None:
    order = [one.render_id for one in drain(fair_queue(queue("a", 20), queue("b", 20))) if one.tenant == "a"]
    assert order == [f"a-1-{n}" for n in range(20)]


def test_weights_and_units_decide_the_shares() -> None:
    expensive = queue("expensive", 100, units=12)
    order = drain(fair_queue(expensive, queue("cheap", 600), queue("heavy", 600)), QueuePolicy(1000, {"heavy": 3}))
    units = Counter[str]()
    for one in order[:400]:
        units[one.tenant] += one.units
    assert abs(units["expensive"] / units["cheap"] - 1) < 0.15
    assert abs(units["heavy"] / units["cheap"] - 3) < 0.3


def test_a_kiosk_overtakes_a_full_queue_within_two_slots() -> None:
    for slots in range(2):
        full = fair_queue(
            queue("a", 200, age_s=5000), queue("b", 200, BATCH, age_s=9000), queue("k", 1, LIVE), slots=slots
        )
        assert "k" in {one.tenant for one in full.choose(2, POLICY)}


def test_nothing_starves_behind_an_endless_stream_of_urgent_work() -> None:
    busy = fair_queue(queue("kiosk", 500, LIVE), queue("old", 5, BATCH, age_s=2000))
    assert Counter(one.tenant for one in busy.choose(10, POLICY)) == {"kiosk": 5, "old": 5}


def test_a_tenant_at_its_cap_is_passed_over() -> None:
    capped = fair_queue(queue("a", 5), queue("b", 5))
    capped.in_flight = {"a": 2}
    chosen = capped.choose(10, QueuePolicy(1000, cap=3))
    assert Counter(one.tenant for one in chosen) == {"a": 1, "b": 3}


def test_an_empty_queue_gives_nothing() -> None:
    assert fair_queue().choose(3, POLICY) == []


tasks = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from([0, 1, 2]), st.integers(1, 12), st.floats(0, 3000)), max_size=60
)


@given(tasks, st.integers(1, 7), st.dictionaries(st.sampled_from("abcd"), st.integers(1, 4)))
def test_everything_is_chosen_once_and_no_class_is_passed_over(
    asked: list[tuple[str, int, int, float]], at_once: int, weights: dict[str, int]
) -> None:
    waiting = [
        QueuedRender(render_id=f"{n}", tenant=tenant, rank=rank, units=units, age_s=age)
        for n, (tenant, rank, units, age) in enumerate(asked)
    ]
    policy = QueuePolicy(1000.0, weights)
    one = fair_queue(waiting)
    left = list(waiting)
    for slot, chosen in enumerate(drain(one, policy, at_once)):
        assert chosen in left
        highest = min(each.rank for each in left)
        aged = [each for each in left if each.age_s >= policy.aged_s]
        assert chosen.rank == highest or (slot % 2 and chosen in aged)
        same = [each for each in left if (each.tenant, each.rank) == (chosen.tenant, chosen.rank)]
        assert chosen.age_s == max(each.age_s for each in same)
        left.remove(chosen)
    assert left == []


@given(st.lists(st.integers(1, 12), min_size=2, max_size=5), st.integers(30, 120))
def test_shares_in_units_stay_close(units: list[int], slots: int) -> None:
    """Between tenants with work, what each has used differs by no more than a task."""
    one = fair_queue(*(queue(f"t{n}", slots, units=each) for n, each in enumerate(units)))
    used = Counter({f"t{n}": 0 for n in range(len(units))})
    for chosen in one.choose(slots, POLICY):
        used[chosen.tenant] += chosen.units
    assert max(used.values()) - min(used.values()) <= max(units)
