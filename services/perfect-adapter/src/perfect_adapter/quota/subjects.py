"""Quota subjects, keys and egress addresses: their calls in the window, pauses and back-off, shared by all replicas."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from closet_messaging.transaction import Connection

from perfect_adapter.quota.api_keys import KeyState
from perfect_adapter.quota.budget import Budget, QuotaSubject


@dataclass(frozen=True, slots=True)
class QuotaState:
    """A subject's calls and pause; of a key also its state, and the units that its account is known to suffice for."""

    subject: QuotaSubject
    state: KeyState
    max_units: int | None = None


_READ = """
    SELECT party, kind, state, affordable,
        greatest(0, extract(epoch FROM paused_until - clock_timestamp()))::float8 AS paused_s
    FROM parties WHERE party = ANY($1) ORDER BY kind, party
"""
# A call counts from when the vendor may have counted it last: when it was answered, or now if it has not been. One
# whose process died counts as long as it can have taken; one that provably never left does not count.
_AGES = """
    SELECT {party}, extract(epoch FROM clock_timestamp()
        - coalesce(ended_at, least(clock_timestamp(), at + make_interval(secs => $3))))::float8 AS age
    FROM vendor_calls WHERE {party} = ANY($1) AND sent AND at > clock_timestamp() - make_interval(secs => $2)
"""
_CALL_TAKES_AT_MOST_S = 120.0


async def read(
    conn: Connection, keys: Collection[str], egress: str, budget: Budget
) -> tuple[QuotaSubject, Mapping[str, QuotaState]]:
    """Return the egress address and the keys.

    With a budget they stay locked until the transaction's end, so that no two replicas count at once.
    """
    rows = await conn.fetch(f"{_READ} {'FOR UPDATE' if budget.is_limited else ''}", [*keys, egress])
    ages = await _ages(conn, keys, egress, budget) if budget.is_limited else {}
    found = {
        row["party"]: QuotaState(
            QuotaSubject(row["party"], ages.get(row["party"], ()), row["paused_s"]),
            KeyState(row["state"]),
            row["affordable"],
        )
        for row in rows
    }
    return found.pop(egress).subject, found


async def _ages(conn: Connection, keys: Collection[str], egress: str, budget: Budget) -> dict[str, list[float]]:
    horizon_s = budget.horizon_s + _CALL_TAKES_AT_MOST_S
    of_keys = await conn.fetch(_AGES.format(party="key"), list(keys), horizon_s, _CALL_TAKES_AT_MOST_S)
    of_egress = await conn.fetch(_AGES.format(party="egress"), [egress], horizon_s, _CALL_TAKES_AT_MOST_S)
    ages: dict[str, list[float]] = {}
    for name, age in [*of_keys, *of_egress]:
        if age < budget.horizon_s:
            ages.setdefault(name, []).append(age)
    return {name: sorted(found) for name, found in ages.items()}


async def lock(conn: Connection, names: Collection[str]) -> None:
    """Lock these, in the order of `lock_order`, before any of them is changed."""
    await conn.execute("SELECT FROM parties WHERE party = ANY($1) ORDER BY kind, party FOR UPDATE", list(names))


async def read_backed_off(conn: Connection, names: Collection[str]) -> set[str]:
    """Return those of these whose back-off level is not 0: paused since the vendor last answered them."""
    rows = await conn.fetch("SELECT party FROM parties WHERE party = ANY($1) AND strikes > 0", list(names))
    return {row["party"] for row in rows}


async def pause(conn: Connection, names: Collection[str], first_s: float, longest_s: float, jitter: float) -> None:
    """Pause these, longer each time in a row; several failures during one pause count once.

    The caller has locked them.
    """
    await conn.execute(
        """
        UPDATE parties SET
            strikes = least(strikes + 1, 20),
            paused_until = clock_timestamp() + make_interval(secs => least($2 * 2 ^ strikes, $3) * $4)
        WHERE party = ANY($1) AND paused_until <= clock_timestamp()
        """,
        sorted(names),
        first_s,
        longest_s,
        jitter,
    )


async def reset_backoff(conn: Connection, names: Collection[str]) -> None:
    """Reset the back-off level: the next pause is a short one. The caller has locked them."""
    await conn.execute("UPDATE parties SET strikes = 0 WHERE party = ANY($1) AND strikes > 0", sorted(names))
