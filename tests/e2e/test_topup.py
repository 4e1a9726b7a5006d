"""Credits bought on Stripe's page arrive on the ledger: billing-meter as it is started for development."""

from closet_contracts.ownership import Service
from closet_devstack.sandbox.stripe.remote import Remote
from closet_devstack.shop import read_ledger
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import Tenant
from closet_devstack.testing import eventually


async def test_a_paid_checkout_becomes_credits_once() -> None:
    tenant = Tenant("acme", "no key is needed")
    async with Stack(StackOptions(durable=False, stripe=True)) as stack:
        assert stack.stripe
        await stack.start_service(Service.BILLING_METER)
        await stack.command(
            Service.BILLING_METER, "grant", "--tenant", tenant.tenant_id, "--credits", "1", "--receipt", "r-1"
        )
        await stack.command(Service.BILLING_METER, "checkout", "--tenant", tenant.tenant_id, "--credits", "500")
        stripe = Remote(stack.stripe.url)

        async def opened() -> str | None:
            pages = await stripe.objects("checkout.session")
            return str(pages[0]["id"]) if pages else None

        page = await eventually(opened)
        await stripe.pay(page)

        async def arrived() -> bool:
            return (await read_ledger(stack, tenant)).available == 501

        await eventually(arrived)
        booked = [(line.kind, line.amount) for line in (await read_ledger(stack, tenant)).lines]
        assert sorted(booked) == [("grant", 1), ("topup", 500)]
