"""What a newcomer reads first is true: links, the reading path, the diagram of one job, the hooks."""

import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from closet_contracts.catalog import EVENTS, REQUESTS, answerer_of
from closet_contracts.ownership import Service, owner_of

from tests.readmes.blocks import ROOT, blocks_of, documents

README = (ROOT / "README.md").read_text()
PATH = README.partition("### In half an hour\n")[2].partition("\n\n")[0]
PAGES = sorted(
    {
        *documents(),
        *(str(page.relative_to(ROOT)) for page in (*ROOT.glob("docs/**/*.md"), *ROOT.glob("services/*/docs/*.md"))),
    }
)
MOST_LINES = 2000
"""Of code on the reading path: what somebody reads in half an hour without reading each line."""

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_ARROW = re.compile(r"^ *(\w)-?->>(\w): (\w+(?:\.\w+)?)", re.MULTILINE)
_PARTICIPANT = re.compile(r"participant (\w) as ([\w-]+)")


def anchors(text: str) -> set[str]:
    """Return a page's anchors, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    """Return the links that lead nowhere; those that leave the repository are not followed."""
    broken = []
    for link in _LINK.findall(_FENCED.sub("", text)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert broken_links(ROOT / page, (ROOT / page).read_text()) == []


def test_a_broken_link_is_found() -> None:
    text = "[a](README.md) [b](NOWHERE.md) [c](README.md#one-job) [d](README.md#two-jobs) [e](https://a.example/b)"
    assert broken_links(ROOT / "CHANGELOG.md", text) == ["NOWHERE.md", "README.md#two-jobs"]


def test_the_reading_path_names_files_that_are_there_and_short_enough() -> None:
    named = [ROOT / link for link in _LINK.findall(PATH)]
    assert {"contracts/README.md", "subscriptions.py", "consumer.py", "inbox.py", "outbox.py", "relay.py"} <= {
        "contracts/README.md" if path.name == "README.md" else path.name for path in named
    }
    assert all(path.exists() for path in named)
    code = [
        file for path in named for file in ([path] if path.is_file() else path.rglob("*.py")) if file.suffix == ".py"
    ]
    assert sum(len(file.read_text().splitlines()) for file in code) <= MOST_LINES


def test_every_decision_has_its_parts_and_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.name[:4]}: "), page.name
        assert {"## What was decided", "## Why", "## What follows"} <= set(text.splitlines()), page.name
        assert page.name < "0004" or "## What would reopen it" in text, page.name


# The diagram of one job -----------------------------------------------------------------------------------------------


def diagram() -> str:
    (drawn,) = [block.text for block in blocks_of("README.md") if block.language == "mermaid"]
    return drawn


def test_every_arrow_between_services_is_in_the_catalogue() -> None:
    services = {alias: name for alias, name in _PARTICIPANT.findall(diagram()) if name in set(Service)}
    drawn = [each for each in _ARROW.findall(diagram()) if each[0] in services and each[1] in services]
    events = {model.TYPE.removeprefix("closet.").removesuffix(".v1"): model for model in EVENTS}
    requests = {request.SUBJECT.split(".")[3]: request for request in REQUESTS}
    assert {alias for arrow in drawn for alias in arrow[:2]} == set(services) == set("GOUBP")
    for sender, receiver, name in drawn:
        if name in events:
            assert owner_of(events[name].TYPE) == services[sender]
            assert services[receiver] in EVENTS[events[name]]
        else:
            assert services[sender] in REQUESTS[requests[name]]
            assert services[receiver] == answerer_of(requests[name])


def test_six_events_lie_between_the_post_and_the_picture() -> None:
    """Of each that follows from another the sender has got that one before."""
    drawn = _ARROW.findall(diagram())
    names = [name for _, _, name in drawn]
    in_a_row = [
        "generation.requested",
        "job.accepted",
        "upload.ready",
        "job.dispatched",
        "render.succeeded",
        "job.completed",
    ]
    steps = [drawn[names.index(name)] for name in in_a_row]
    assert all(before[1] == after[0] for before, after in pairwise(steps))
    assert [names.index(name) for name in in_a_row] == sorted(names.index(name) for name in in_a_row)


# What keeps a checkout in order ---------------------------------------------------------------------------------------


def test_hooks_are_targets_of_make() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    commands = [hook["entry"].split() for hook in hooks]
    assert {target for _, *targets in commands for target in targets} == {"format", "lint"}
    for make, *targets in commands:
        assert make == "make"
        subprocess.run(["make", "-n", *targets], cwd=ROOT, check=True, capture_output=True)  # noqa: S603, S607


def test_editors_and_ruff_agree_about_lines() -> None:
    longest = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]
    assert f"[*.py]\nmax_line_length = {longest}\n" in (ROOT / ".editorconfig").read_text()


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert all(f"   {number}. " in text for number in range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text
    assert "[Apache-2.0](LICENSE)" in README


def test_the_glossary_has_each_word_once_and_says_what_it_is_not() -> None:
    text = (ROOT / "contracts/README.md").read_text().partition("## Glossary\n")[2].partition("\n## ")[0]
    rows = [row.strip("|").split(" | ") for row in text.splitlines() if row.startswith("| **")]
    words = [word for row in rows for word in re.findall(r"[\w ]+", row[0].replace("*", "")) if word.strip()]
    assert len(rows) >= 20
    assert len(words) == len(set(words))
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)
