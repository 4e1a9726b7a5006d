"""The operator's commands on a real bus."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from html import unescape

import pytest
from closet_contracts.ownership import Service
from closet_contracts.rpc import (
    Difference,
    LedgerLine,
    LedgerPage,
    ReadLedger,
    ReadStatement,
    Reconcile,
    Reconciliation,
    Statement,
    StatementLine,
)
from closet_devstack.commands import Ran, run_command
from closet_devstack.parts import Nats
from closet_messaging import dead_letters, rpc
from closet_messaging.connection import BusConnection, operator_connection
from closet_messaging.dead_letters import DeadLetter
from closet_messaging.rpc import RpcFailed

Closet = Callable[..., Awaitable[Ran]]
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def run(nats_server: Nats) -> Closet:
    """The command in the hands of the operator."""

    async def run(*arguments: str) -> Ran:
        return await run_command("closet_operator", *arguments, CLOSET_NATS_URL=nats_server.url())

    return run


@pytest.fixture
async def operator(nats_server: Nats) -> AsyncIterator[BusConnection]:
    async with operator_connection(nats_server.url()) as connection:
        yield connection


def letter(number: int, service: Service = Service.BILLING_METER, payload: bytes = b'{"data":{}}') -> DeadLetter:
    return DeadLetter(
        service=service,
        subject="closet.job.failed.v1",
        stream="CLOSET_JOB",
        stream_seq=number,
        event_id=f"event-{number}",
        event_type="closet.job.failed.v1",
        handler="release_credits",
        deliveries=6,
        error="UniqueViolationError: duplicate key value violates unique constraint of a table with a long name",
        failed_at=AT,
        payload=payload,
        headers={"Nats-Msg-Id": f"event-{number}"},
    )


async def numbers(operator: BusConnection) -> list[int]:
    return [stored.sequence async for stored in dead_letters.list_dead_letters(operator.jetstream())]


async def test_dead_letters_are_listed_whole_in_a_pipe(run: Closet, operator: BusConnection) -> None:
    await dead_letters.send(operator.jetstream(), letter(1))
    await dead_letters.send(operator.jetstream(), letter(2, Service.JOB_ORCHESTRATOR))
    every, one = await run("dlq", "ls"), await run("dlq", "ls", "--service", "job-orchestrator", "--json")
    assert every.code == 0, every.err
    lines = every.out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["1", "billing-meter", "closet.job.failed.v1", "6"],
        ["2", "job-orchestrator", "closet.job.failed.v1", "6"],
    ]
    assert all(line.rstrip().endswith("of a table with a long name") for line in lines[1:])
    assert [each["number"] for each in one.json["dead_letters"]] == [2]


async def test_a_dead_letter_is_shown_with_its_event_also_where_that_is_no_json(
    run: Closet, operator: BusConnection
) -> None:
    await dead_letters.send(operator.jetstream(), letter(1))
    await dead_letters.send(operator.jetstream(), letter(2, payload=b"[not \xff json"))
    shown, text, poison = (
        await run("dlq", "show", "1", "--json"),
        await run("dlq", "show", "1"),
        await run("dlq", "show", "2"),
    )
    assert (shown.json["event"], shown.json["handler"]) == ({"data": {}}, "release_credits")
    assert '"data": {}' in text.out
    assert (poison.code, "[not \N{REPLACEMENT CHARACTER} json" in poison.out) == (0, True)


async def test_a_replay_sends_it_back_to_its_service_and_a_discard_to_nobody(
    run: Closet, operator: BusConnection
) -> None:
    for number in (1, 2, 3):
        await dead_letters.send(operator.jetstream(), letter(number))
    replayed, discarded = await run("dlq", "replay", "1", "3"), await run("dlq", "discard", "2", "--yes")
    assert (replayed.code, discarded.code) == (0, 0)
    assert await numbers(operator) == []
    stream = operator.jetstream()
    sent = [await stream.get_msg("CLOSET_REPLAY", seq=seq) for seq in (1, 2)]
    assert {message.subject for message in sent} == {"closet.replay.billing-meter.closet.job.failed.v1"}
    assert (await stream.stream_info("CLOSET_REPLAY")).state.messages == 2


async def test_discarding_unasked_is_wrong_use(run: Closet, operator: BusConnection) -> None:
    await dead_letters.send(operator.jetstream(), letter(1))
    ran = await run("dlq", "discard", "1")
    assert (ran.code, "--yes" in ran.err) == (2, True)
    assert await numbers(operator) == [1]


@pytest.mark.parametrize("command", [["show", "7"], ["replay", "7"], ["discard", "7", "--yes"]])
async def test_a_letter_that_is_not_there_is_code_1(run: Closet, command: list[str]) -> None:
    ran = await run("dlq", *command)
    assert (ran.code, ran.err) == (1, "✗ no dead letter has the number 7\n")


async def test_a_ledger_is_read_from_billing(run: Closet, operator: BusConnection) -> None:
    async def read(request: ReadLedger) -> LedgerPage:
        if request.account_id != "tenant:demo":
            raise RpcFailed("account_not_found", "There is no such account.")
        line = LedgerLine(at=AT, transaction_id="t1", kind="capture", cause="job_1", amount=-5, balance_after=495)
        return LedgerPage(account_id=request.account_id, balance=495, held=0, available=495, lines=(line,))

    async with rpc.serve(operator, Service.BILLING_METER, {ReadLedger: read}):
        text, json, wrong = (
            await run("ledger", "tenant:demo"),
            await run("ledger", "tenant:demo", "--json"),
            await run("ledger", "tenant:other"),
        )
    assert text.code == 0, text.err
    assert text.out.startswith("tenant:demo  495 credits available, 0 held, balance 495\n")
    assert text.out.splitlines()[2].split()[2:6] == ["capture", "job_1", "-5", "495"]
    assert json.json["lines"][0]["amount"] == -5
    assert (wrong.code, wrong.err) == (1, "✗ There is no such account. (account_not_found)\n")


async def test_a_ledger_that_nobody_answers_for_is_code_1(run: Closet) -> None:
    ran = await run("ledger", "tenant:demo")
    assert (ran.code, ran.out) == (1, "")
    assert "Traceback" not in ran.err


async def test_differences_of_a_day_are_listed_and_are_code_1(run: Closet, operator: BusConnection) -> None:
    async def compare(request: Reconcile) -> Reconciliation:
        found = Difference(kind="capture_differs", id="job_1", tenant_id="demo", expected=5, found=4)
        differences = (found,) if request.day.day == 2 else ()
        return Reconciliation(day=request.day, at=AT, compared={"captured": 7}, differences=differences)

    async with rpc.serve(operator, Service.BILLING_METER, {Reconcile: compare}):
        wrong, json, sound = (
            await run("reconcile", "--day", "2026-01-02"),
            await run("reconcile", "--day", "2026-01-02", "--json"),
            await run("reconcile", "--day", "2026-01-03"),
        )
    assert (wrong.code, json.code, sound.code) == (1, 1, 0)
    assert wrong.out.splitlines()[1].split() == ["capture_differs", "demo", "5", "4", "job_1"]
    assert json.json["differences"][0]["id"] == "job_1"
    assert "7 captured; 0 differences" in sound.err


@pytest.fixture
async def statements(operator: BusConnection) -> AsyncIterator[None]:
    """Two pages of one line each."""

    async def read(request: ReadStatement) -> Statement:
        nth = int(request.after or 0) + 1
        line = StatementLine(
            at=AT,
            transaction_id=str(nth),
            kind="capture",
            cause="job_1",
            amount=-5,
            balance_after=100 - 5 * nth,
            job_id="job_1",
            renders=("job_1.0.1",),
            trace_id="4bf9",
            reason="=cmd|<b>",
            usd_cents=-50,
        )
        return Statement(
            account_id=request.account_id,
            since=request.since,
            until=request.until,
            opening=100,
            closing=90,
            lines=(line,),
            next_after="1" if nth == 1 else None,
            usd_cents_per_credit=10,
        )

    async with rpc.serve(operator, Service.BILLING_METER, {ReadStatement: read}):
        yield


@pytest.mark.usefixtures("statements")
async def test_a_statement_is_written_whole_in_three_forms(run: Closet) -> None:
    asked = ("statement", "tenant:demo", "--since", "2026-01-01", "--until", "2026-02-01")
    json, csv, html = await run(*asked), await run(*asked, "-f", "csv"), await run(*asked, "-f", "html")
    assert [line["balanceAfter"] for line in json.json["lines"]] == [95, 90]
    rows = csv.out.splitlines()
    assert rows[1] == "2026-01-01T00:00:00+00:00,,opening,,,100"
    assert rows[2].endswith(",1,capture,job_1,-5,95,job_1,job_1.0.1,4bf9,,'=cmd|<b>,-0.50")
    assert rows[4] == "2026-02-01T00:00:00+00:00,,closing,,,90"
    assert "&lt;b&gt;" in html.out
    assert "<b>" not in html.out
    assert printed(html.out) == [
        ["Summary", "Count", "Credits", "USD"],
        ["Opening balance", "", "100", "10.00"],
        ["capture", "2", "-10", "-1.00"],
        ["All changes", "2", "-10", "-1.00"],
        ["Closing balance", "", "90", "9.00"],
        ["Time (UTC)", "No.", "Change", "Credits", "USD", "Balance"],
        [f"{AT:%Y-%m-%d %H:%M:%S}", "1", "capture: =cmd|<b>", "-5", "-0.50", "95"],
        ["", "", "job job_1 render job_1.0.1 trace 4bf9"],
        [f"{AT:%Y-%m-%d %H:%M:%S}", "2", "capture: =cmd|<b>", "-5", "-0.50", "90"],
        ["", "", "job job_1 render job_1.0.1 trace 4bf9"],
        ["", "", "Sum of all changes, and closing balance", "-10", "-1.00", "90"],
    ]
    assert "anywhere" not in html.out, "no word is broken"


def printed(page: str) -> list[list[str]]:
    """The rows of all tables, as they are read."""
    rows = re.findall(r"<tr.*?>(.*?)</tr>", page, re.DOTALL)
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub("<.*?>", "", cell)) for cell in row] for row in cells]


async def test_who_is_not_let_in_is_told_without_the_password(nats_server: Nats) -> None:
    address = nats_server.url().rpartition("@")[2]
    ran = await run_command("closet_operator", "dlq", "ls", CLOSET_NATS_URL=f"nats://operator:wrong@{address}")
    assert (ran.code, ran.out) == (1, "")
    assert "the bus does not answer" in ran.err
    assert "wrong" not in ran.err


async def test_a_bus_that_is_not_named_or_not_there_is_told(unused_tcp_port: int) -> None:
    unset = await run_command("closet_operator", "dlq", "ls", COLUMNS="400")
    away = await run_command(
        "closet_operator", "ledger", "tenant:demo", CLOSET_NATS_URL=f"nats://127.0.0.1:{unused_tcp_port}"
    )
    assert (unset.code, "CLOSET_NATS_URL" in unset.err) == (2, True)
    assert (away.code, away.out) == (1, "")
    assert "the bus does not answer" in away.err
