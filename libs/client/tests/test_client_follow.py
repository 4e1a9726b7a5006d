"""Following a job over streams that are cut, refused, or do not get through at all."""

from contextlib import aclosing

import pytest
from closet_client import ApiKey, ApiProblem, ClosetClient, JobStatus, RetryPolicy

from .fake_closet import API_KEY, FakeCloset
from .faults import bad_gateway, hangs_up, refuses, unchanged

ALL = ["1", "2", "3", "4", "5"]


async def follow(client: ClosetClient, job_id: str, **options: str) -> list[str]:
    async with aclosing(client.follow(job_id, **options)) as timeline:
        return [event.id async for event in timeline]


async def job_of(client: ClosetClient) -> str:
    return (await client.try_on("person", "garment", consent=True)).job_id


async def test_a_timeline_is_told_to_its_end(closet: FakeCloset) -> None:
    async with closet.client() as client:
        job_id = await job_of(client)
        events = [event async for event in client.follow(job_id)]
    assert [event.id for event in events] == ALL
    assert (events[-1].type, events[-1].status) == ("closet.job.completed.v1", JobStatus.COMPLETED)
    assert events[3].service == "perfect-adapter"


async def test_a_cut_stream_is_resumed_where_it_ended(closet: FakeCloset) -> None:
    closet.cut_streams_after.extend([2, 0, 1])
    async with closet.client() as client:
        job_id = await job_of(client)
        assert await follow(client, job_id) == ALL
    assert closet.resumed_from == ["", "2", "2", "3"]


async def test_a_stream_that_ends_without_the_jobs_end_is_opened_again(closet: FakeCloset) -> None:
    async with closet.client() as client:
        job_id = await job_of(client)
        done = closet.jobs[job_id]
        closet.jobs[job_id] = done[:2]
        seen = []
        async with aclosing(client.follow(job_id)) as timeline:
            async for event in timeline:
                seen.append(event.id)
                closet.jobs[job_id] = done
    assert seen == ALL


async def test_a_replica_that_dies_in_the_middle_is_left_for_another(closet: FakeCloset) -> None:
    closet.cut_streams_after.append(3)
    async with closet.client() as client:
        job_id = await job_of(client)
        assert await follow(client, job_id) == ALL
    streams = [port for route, port in closet.calls if route == "GET /gen/job/{id}/events"]
    assert len(set(streams)) == 2


async def test_a_token_that_ends_between_streams_is_replaced(closet: FakeCloset) -> None:
    closet.cut_streams_after.append(2)
    async with closet.client() as client:
        job_id = await job_of(client)
        seen = []
        async with aclosing(client.follow(job_id)) as timeline:
            async for event in timeline:
                seen.append(event.id)
                if event.id == "1":
                    closet.tokens.clear()
    assert seen == ALL


async def test_where_streams_do_not_get_through_polls_tell_the_same(closet: FakeCloset) -> None:
    closet.fail("GET /gen/job/{id}/events", *[bad_gateway] * 10)
    async with closet.client() as client:
        job_id = await job_of(client)
        closet.jobs[job_id] = closet.timeline[:2]
        assert await follow(client, job_id) == ALL
    assert closet.count("GET /gen/job/{id}/events") == 4


async def test_polls_go_on_where_the_last_stream_ended(closet: FakeCloset) -> None:
    closet.cut_streams_after.append(2)
    async with closet.client() as client:
        job_id = await job_of(client)
        seen = []
        async with aclosing(client.follow(job_id)) as timeline:
            async for event in timeline:
                seen.append(event.id)
                closet.fail("GET /gen/job/{id}/events", *[refuses(503)] * 4)
    assert seen == ALL


async def test_following_an_ended_job_from_its_last_event_tells_nothing(closet: FakeCloset) -> None:
    async with closet.client() as client:
        assert await follow(client, await job_of(client), last_event_id="5") == []


async def test_following_from_an_event_tells_the_rest(closet: FakeCloset) -> None:
    async with closet.client() as client:
        assert await follow(client, await job_of(client), last_event_id="3") == ["4", "5"]


async def test_someone_elses_job_is_a_problem(closet: FakeCloset) -> None:
    async with closet.client() as client:
        with pytest.raises(ApiProblem) as refused:
            await follow(client, f"job_{'0' * 32}")
    assert (refused.value.status, refused.value.code) == (404, "job_not_found")


async def test_wait_returns_the_job_when_it_has_ended(closet: FakeCloset) -> None:
    async with closet.client() as client:
        job_id = await job_of(client)
        closet.jobs[job_id] = closet.timeline[:2]
        closet.fail("GET /gen/job/{id}", hangs_up, bad_gateway, unchanged)
        job = await client.wait(job_id)
    assert job.status is JobStatus.COMPLETED
    assert [event.id for event in job.timeline] == ALL
    assert job.result_urls


async def test_a_gateway_that_is_away_for_long_is_waited_for(closet: FakeCloset) -> None:
    patient = RetryPolicy(attempts=2, first_wait_s=0.001, longest_wait_s=0.01)
    closet.fail("GET /gen/job/{id}/events", *[hangs_up] * 4)
    closet.fail("GET /gen/job/{id}", *[hangs_up, bad_gateway, refuses(503)] * 10)
    async with ClosetClient(closet.urls, ApiKey(API_KEY, "u-1"), retries=patient) as client:
        assert await follow(client, await job_of(client)) == ALL


async def test_a_gateway_that_stays_away_is_given_up_in_the_end(closet: FakeCloset) -> None:
    impatient = RetryPolicy(attempts=2, first_wait_s=0.001, longest_wait_s=0.01, absence_s=0)
    async with ClosetClient(closet.urls, ApiKey(API_KEY, "u-1"), retries=impatient) as client:
        job_id = await job_of(client)
        closet.fail("GET /gen/job/{id}/events", *[refuses(503)] * 4)
        closet.fail("GET /gen/job/{id}", *[refuses(503)] * 2)
        with pytest.raises(ApiProblem) as refused:
            await follow(client, job_id)
    assert refused.value.status == 503
    assert closet.count("GET /gen/job/{id}") == 2
