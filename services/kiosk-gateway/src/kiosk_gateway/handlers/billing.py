"""Quotes, the tenant's balance, and its statement."""

from datetime import datetime

from closet_chassis.postgres import Pool
from closet_contracts.credit import Chargeable
from closet_contracts.rpc import Quote, QuotePrice, ReadStatement, Statement
from closet_messaging.bus import Bus
from closet_messaging.rpc import RpcFailed

from kiosk_gateway.domain.access import Caller, account_of
from kiosk_gateway.domain.refusals import INVALID_CURSOR, UNPRICEABLE
from kiosk_gateway.handlers.problems import ask
from kiosk_gateway.store import billing as store


class Billing:
    """Answers from billing-meter, and from its balances as projected here."""

    def __init__(self, bus: Bus, pool: Pool) -> None:
        self._bus = bus
        self._pool = pool

    async def quote(self, caller: Caller, item: Chargeable) -> Quote:
        """Return a quote from billing-meter, stored so that a job can name it.

        Raises:
            Problem: there is no price for it, or billing-meter does not answer.
        """
        request = QuotePrice(tenant_id=caller.tenant, user_id=caller.user, item=item)
        quote = await ask(self._bus, request, UNPRICEABLE)
        async with self._pool.acquire() as conn:
            await store.save_quote(conn, request, quote)
        return quote

    async def balance(self, account: str) -> store.AccountBalance | None:
        """Return the account's balance, None if nothing was ever booked on it."""
        async with self._pool.acquire() as conn:
            return await store.read_balance(conn, account)

    async def statement(
        self, caller: Caller, since: datetime, until: datetime, *, after: str | None, limit: int
    ) -> Statement:
        """Return a page of the tenant's statement; an empty one if nothing was ever booked for the tenant.

        Raises:
            Problem: `after` is not a cursor, or billing-meter does not answer.
        """
        account = account_of(caller.tenant)
        request = ReadStatement(account_id=account, since=since, until=until, after=after, limit=limit)
        try:
            return await ask(self._bus, request, INVALID_CURSOR)
        except RpcFailed as error:
            if error.code != "unknown_account":
                raise
            return Statement(account_id=account, since=since, until=until, opening=0, closing=0, lines=())
