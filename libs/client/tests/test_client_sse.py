from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from closet_client.sse import EventTooLong, ServerEvent, events
from hypothesis import given
from hypothesis import strategies as st

STREAM = (
    b": a comment keeps the line open\n\n"
    b'id: 1\nevent: job\ndata: {"a":1}\n\n'
    b"retry: 250\r\nid: 2\r\ndata: two\r\ndata: lines\r\n\r\n"
    b"event: nothing\n\n"
    b"data:gr\xc3\xbc\xc3\x9fe\n\n"
    b"id: 3\ndata: never ended"
)
EXPECTED = [
    ServerEvent("job", '{"a":1}', "1"),
    ServerEvent("message", "two\nlines", "2"),
    ServerEvent("message", "grüße", "2"),
]


async def pieces(data: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        yield data[start:end]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
async def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    assert [event async for event in events(pieces(STREAM, cuts))] == EXPECTED


async def test_an_event_without_an_id_keeps_the_last_one_of_an_earlier_stream() -> None:
    assert [event.id async for event in events(pieces(b"data: x\n\n", []), "17")] == ["17"]


async def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(EventTooLong):
        [event async for event in events(pieces(b"data: " + bytes(3 << 20), list(range(0, 3 << 20, 1 << 16))))]
