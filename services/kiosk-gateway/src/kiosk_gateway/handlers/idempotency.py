"""A request that is repeated with its key does nothing and gets the first one's answer.

Only what was done is remembered: a refusal leaves nothing behind, so the same request may be made again once what it
lacked is there. All is decided by one unique row, so it holds across replicas: a repetition that comes while the
first is being done waits for it.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from closet_chassis.problems import Problem
from closet_messaging.transaction import Begin, Connection, Tx

from kiosk_gateway.domain.refusals import IDEMPOTENCY_KEY_REUSED
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.store.idempotency import Answer, Key, Remembered, recall, remember

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settled:
    """What a request is answered; `fresh` if it is to be done now."""

    answer: Answer | Problem
    fresh: bool


async def settle(conn: Connection, offers: Sequence[tuple[Key | None, Answer | Problem]]) -> list[Settled]:
    """Settle what would be answered to each request, against what was answered before. No key comes twice."""
    done = [(key, answer) for key, answer in offers if key and not isinstance(answer, Problem)]
    ours = await remember(conn, done)
    earlier = await recall(conn, [key for key, _ in offers if key and key.name not in ours])
    return [
        Settled(_again(key, earlier[key.name]), fresh=False)
        if key and key.name in earlier
        else Settled(answer, fresh=not isinstance(answer, Problem))
        for key, answer in offers
    ]


async def once(begin: Begin, key: Key | None, act: Callable[[Tx], Awaitable[Answer]]) -> Answer:
    """Do `act` in a transaction, or answer what it answered the first time.

    Raises:
        Problem: `act` refused, or the key was used for something else.
    """
    while True:
        try:
            async with begin() as tx:
                return await _once(tx, key, act)
        except _Overtaken:
            continue


async def _once(tx: Tx, key: Key | None, act: Callable[[Tx], Awaitable[Answer]]) -> Answer:
    if key is None:
        return await act(tx)
    if earlier := await recall(tx.conn, [key]):
        answer = _again(key, earlier[key.name])
        if isinstance(answer, Problem):
            raise answer
        return answer
    answer = await act(tx)
    if not await remember(tx.conn, [(key, answer)]):
        raise _Overtaken
    return answer


def rounds(items: Sequence[T], key_of: Callable[[T], Key | None]) -> Iterator[list[T]]:
    """The items in as few groups as keep those of one key apart; nearly always one."""
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


def _again(key: Key, earlier: Remembered) -> Answer | Problem:
    return earlier.answer if earlier.fingerprint == key.fingerprint else refuse(IDEMPOTENCY_KEY_REUSED)


class _Overtaken(Exception):
    """Another replica has done the same request meanwhile: undo ours, answer theirs."""
