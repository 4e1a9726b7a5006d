"""A request that is repeated with its Idempotency-Key changes nothing and gets the first one's answer.

Only successful requests are stored: a refused one may be repeated once its cause is gone. One unique row decides, so
this holds across replicas: a repetition that arrives while the first request is in progress waits for it.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from closet_chassis.problems import Problem
from closet_messaging.transaction import Begin, Connection, Tx

from kiosk_gateway.domain.refusals import IDEMPOTENCY_KEY_REUSED
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.store.idempotency import Answer, Key, StoredAnswer, find_answers, store_answers


class Proposal(Protocol):
    """A request's key, and the answer that it gets unless it was answered before."""

    @property
    def key(self) -> Key | None:
        """The request's key."""

    @property
    def answer(self) -> Answer | Problem:
        """The answer to store; a problem is not stored."""


T = TypeVar("T")
P = TypeVar("P", bound=Proposal)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[P]):
    """The answer to a request; `is_new` if the request is to be carried out now."""

    proposal: P
    answer: Answer | Problem
    is_new: bool


async def resolve(conn: Connection, proposals: Sequence[P]) -> list[Resolved[P]]:
    """Store the proposed answers, and replace those of repeated requests by the stored ones. No key may occur twice."""
    new = [(each.key, each.answer) for each in proposals if each.key and not isinstance(each.answer, Problem)]
    stored = await store_answers(conn, new)
    earlier = await find_answers(conn, [each.key for each in proposals if each.key and each.key.name not in stored])
    return [
        Resolved(each, _repeated(each.key, earlier[each.key.name]), is_new=False)
        if each.key and each.key.name in earlier
        else Resolved(each, each.answer, is_new=not isinstance(each.answer, Problem))
        for each in proposals
    ]


async def once(begin: Begin, key: Key | None, act: Callable[[Tx], Awaitable[Answer]]) -> Answer:
    """Run `act` in a transaction, or return the answer of the first request with this key.

    Raises:
        Problem: `act` refused, or the key was used for a different request.
    """
    while True:
        try:
            async with begin() as tx:
                return await _once(tx, key, act)
        except _ConcurrentRequest:
            continue


async def _once(tx: Tx, key: Key | None, act: Callable[[Tx], Awaitable[Answer]]) -> Answer:
    if key is None:
        return await act(tx)
    if earlier := await find_answers(tx.conn, [key]):
        answer = _repeated(key, earlier[key.name])
        if isinstance(answer, Problem):
            raise answer
        return answer
    answer = await act(tx)
    if not await store_answers(tx.conn, [(key, answer)]):
        raise _ConcurrentRequest
    return answer


def without_duplicate_keys(items: Sequence[T], key_of: Callable[[T], Key | None]) -> Iterator[list[T]]:
    """Split items into groups in which no key occurs twice, in order; nearly always one group."""
    rest = list(items)
    while rest:
        seen: set[tuple[str, str, str]] = set()
        group: list[T] = []
        later: list[T] = []
        for item in rest:
            key = key_of(item)
            (later if key and key.name in seen else group).append(item)
            if key:
                seen.add(key.name)
        yield group
        rest = later


def _repeated(key: Key, earlier: StoredAnswer) -> Answer | Problem:
    return earlier.answer if earlier.fingerprint == key.fingerprint else problem(IDEMPOTENCY_KEY_REUSED)


class _ConcurrentRequest(Exception):
    """Another replica has stored an answer to the same request meanwhile: undo this one, return that answer."""
