"""`closet tryon`, `jobs`, `job`, `balance`: what they print, and how they end."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from closet_client.cli import app
from typer.testing import CliRunner

from .command import Ran, closet_command
from .fake_closet import API_KEY, JPEG, TIMELINE, FakeCloset, entry
from .faults import hangs_up, refuses

WIDE = {"COLUMNS": "400"}  # so that no message is wrapped
Closet = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(closet: FakeCloset) -> Closet:
    """The command in the hands of the fake's user."""

    async def run(*arguments: str, **settings: str) -> Ran:
        ours = {"CLOSET_URL": ",".join(closet.urls), "CLOSET_API_KEY": API_KEY, "CLOSET_USER": "u-1"}
        return await closet_command(*arguments, **ours | settings)

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str, str]:
    for name in ("me", "shirt"):
        (tmp_path / f"{name}.jpg").write_bytes(JPEG)
    return str(tmp_path / "me.jpg"), str(tmp_path / "shirt.jpg")


async def test_tryon_saves_the_picture_under_its_own_suffix(
    run: Closet, closet: FakeCloset, pictures: tuple[str, str], tmp_path: Path
) -> None:
    ran = await run("tryon", *pictures, "-o", str(tmp_path / "out"), "--consent", "--category", "dress")
    assert ran.code == 0, ran.err
    assert (tmp_path / "out.jpg").read_bytes() == JPEG
    assert ran.out == f"✓ {tmp_path}/out.jpg  768x1024, 5 credits ($0.50)\n"
    assert "5 credits ($0.50) of 495" in ran.err
    assert "48 ms  perfect-adapter   render.started" in ran.err
    assert closet.consent
    assert closet.asked[-1]["category"] == "dress"
    assert len(closet.stored) == 2


async def test_tryon_keeps_the_bytes_and_says_so_where_the_suffix_tells_otherwise(
    run: Closet, pictures: tuple[str, str], tmp_path: Path
) -> None:
    ran = await run("tryon", *pictures, "-o", str(tmp_path / "out.png"), "--consent")
    assert ran.code == 0, ran.err
    assert (tmp_path / "out.png").read_bytes() == JPEG
    assert "out.png holds image/jpeg" in ran.err


async def test_tryon_prints_one_json_document(run: Closet, pictures: tuple[str, str], tmp_path: Path) -> None:
    size = ("--width", "600", "--height", "800")
    ran = await run("tryon", *pictures, "-o", str(tmp_path / "out"), "--consent", "--json", *size)
    assert ran.code == 0, ran.err
    assert (ran.json["status"], ran.json["path"]) == ("completed", str(tmp_path / "out.jpg"))
    assert [line["elapsedMs"] for line in ran.json["timeline"]] == [12, 24, 36, 48, 60]
    assert "signature" not in ran.out


async def test_what_came_after_the_end_is_shown_too(
    run: Closet, closet: FakeCloset, pictures: tuple[str, str], tmp_path: Path
) -> None:
    closet.timeline = [*TIMELINE, entry(6, "credit.captured", "completed", "billing-meter")]
    ran = await run("tryon", *pictures, "-o", str(tmp_path / "out"), "--consent")
    assert "72 ms  billing-meter     credit.captured" in ran.err


async def test_a_failed_job_is_told_and_costs_no_file(
    run: Closet, closet: FakeCloset, pictures: tuple[str, str], tmp_path: Path
) -> None:
    closet.timeline = [*TIMELINE[:4], entry(5, "job.failed", "failed")]
    closet.failure = "person_not_found", "No person was found in the photo."
    ran = await run("tryon", *pictures, "-o", str(tmp_path / "out"), "--consent", "--json")
    assert (ran.code, ran.json["status"], ran.json["errorCode"]) == (1, "failed", "person_not_found")
    assert "No person was found in the photo. (person_not_found)" in ran.err
    assert not (tmp_path / "out.jpg").exists()


async def test_whatever_stops_the_command_the_paid_job_can_be_found_again(
    run: Closet, closet: FakeCloset, pictures: tuple[str, str], tmp_path: Path
) -> None:
    closet.fail("GET /storage/{key}", refuses(403))
    ran = await run("tryon", *pictures, "-o", str(tmp_path / "out"), "--consent")
    assert ran.code == 1
    [job_id] = closet.jobs
    assert f"closet job {job_id} --wait -o PICTURE" in ran.err
    again = await run("job", job_id, "--wait", "-o", str(tmp_path / "out"))
    assert (again.code, (tmp_path / "out.jpg").read_bytes()) == (0, JPEG)


async def test_without_consent_nothing_is_sent(run: Closet, closet: FakeCloset, pictures: tuple[str, str]) -> None:
    ran = await run("tryon", *pictures)
    assert ran.code == 2
    assert "--consent" in ran.err
    assert not closet.stored


async def test_consent_on_record_is_not_asked_for_again(
    run: Closet, closet: FakeCloset, pictures: tuple[str, str], tmp_path: Path
) -> None:
    closet.consent = True
    assert (await run("tryon", *pictures, "-o", str(tmp_path / "out"))).code == 0
    assert closet.count("POST /consent") == 0


async def test_too_few_credits_are_told_before_anything_is_uploaded(
    run: Closet, closet: FakeCloset, pictures: tuple[str, str]
) -> None:
    closet.available = 4
    ran = await run("tryon", *pictures, "--consent")
    assert ran.code == 1
    assert "5 are needed, 4 are left" in ran.err
    assert not closet.stored


async def test_one_failed_upload_is_told_in_a_sentence(
    run: Closet, closet: FakeCloset, pictures: tuple[str, str]
) -> None:
    closet.fail("POST /gen/upload-url", refuses(413, "upload_too_large"))
    ran = await run("tryon", *pictures, "--consent")
    assert ran.code == 1
    assert "A sentence about upload_too_large. (upload_too_large) [trace " in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{me}", "{text}"], "is not a picture that can be used"),
        (["{me}", "{folder}/nothing.png"], "does not exist"),
        (["{me}", "{me}", "-o", "{folder}"], "is a folder"),
        (["{me}", "{me}", "-o", "{folder}/no/result.png"], "does not exist"),
        (["{me}", "{me}", "-o", "/proc/self/result.png"], "cannot be written"),
        (["{me}", "{me}", "--width", "600"], "come together"),
        (["{me}", "{me}", "--category", "hat"], "hat"),
    ],
)
def test_wrong_use_is_code_2_before_anyone_is_asked(
    pictures: tuple[str, str], tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "text").write_text("no picture")
    names = {"me": pictures[0], "text": str(tmp_path / "text"), "folder": str(tmp_path)}
    ran = CliRunner().invoke(app, ["tryon", *(each.format(**names) for each in arguments), "--consent"], env=WIDE)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert told in ran.stderr


@pytest.mark.parametrize(
    ("unset", "told"), [("CLOSET_URL", "CLOSET_URL"), ("CLOSET_API_KEY", "CLOSET_TOKEN"), ("CLOSET_USER", "--user")]
)
def test_a_missing_setting_is_named(unset: str, told: str) -> None:
    settings = {"CLOSET_URL": "http://127.0.0.1:1", "CLOSET_API_KEY": API_KEY, "CLOSET_USER": "u-1", "CLOSET_TOKEN": ""}
    ran = CliRunner().invoke(app, ["balance"], env={**WIDE, **settings, unset: ""})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert told in ran.stderr


async def test_a_token_will_do_instead_of_a_key(run: Closet, closet: FakeCloset) -> None:
    closet.tokens.add("mine")
    ran = await run("balance", CLOSET_API_KEY="", CLOSET_USER="", CLOSET_TOKEN="mine")
    assert (ran.code, ran.out) == (0, "495 credits free, 5 held, 500 in all\n")


async def test_a_gateway_that_is_away_is_code_1(run: Closet, closet: FakeCloset) -> None:
    closet.fail("GET /billing/balance", *[hangs_up] * 50)
    ran = await run("balance", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "No answer from the gateway" in ran.err


async def test_jobs_are_listed_and_paged(run: Closet, closet: FakeCloset) -> None:
    async with closet.client() as client:
        ids = [(await client.try_on("p", "g")).job_id for _ in range(3)]
    first = await run("jobs", "--limit", "2")
    assert [line.split()[:2] for line in first.out.splitlines()[1:]] == [[job_id, "completed"] for job_id in ids[:2]]
    assert "closet jobs --cursor 2" in first.err
    rest = await run("jobs", "--limit", "2", "--cursor", "2", "--json")
    assert [job["id"] for job in rest.json["jobs"]] == ids[2:]


async def test_a_job_is_followed_to_its_end_and_its_picture_saved(
    run: Closet, closet: FakeCloset, tmp_path: Path
) -> None:
    async with closet.client() as client:
        job_id = (await client.try_on("p", "g")).job_id
    ran = await run("job", job_id, "--wait", "-o", str(tmp_path / "late"))
    assert ran.code == 0, ran.err
    assert f"{job_id}  completed" in ran.out
    assert "job.dispatched" in ran.err
    assert (tmp_path / "late.jpg").read_bytes() == JPEG


async def test_waiting_for_a_job_that_fails_is_code_1_and_looking_at_it_is_0(run: Closet, closet: FakeCloset) -> None:
    closet.timeline = [*TIMELINE[:3], entry(4, "job.failed", "failed")]
    closet.failure = "input_missing", "A picture never arrived."
    async with closet.client() as client:
        job_id = (await client.try_on("p", "g")).job_id
    looked, waited = await run("job", job_id), await run("job", job_id, "--wait")
    assert (looked.code, waited.code) == (0, 1)
    assert "A picture never arrived. (input_missing)" in looked.out


async def test_someone_elses_job_is_code_1(run: Closet) -> None:
    ran = await run("job", f"job_{'0' * 32}")
    assert (ran.code, ran.out) == (1, "")
    assert "(job_not_found)" in ran.err
