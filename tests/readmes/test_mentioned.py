"""Commands that are mentioned in passing, in READMEs, decisions and comments of the deployment's files, are there."""

import re
from itertools import chain

from tests.readmes.blocks import ROOT, blocks_of, documents, readmes
from tests.readmes.conftest import Terminal

PLACES = [*documents(), "docker-compose.yml", "deploy/Dockerfile", "deploy/compose/nats.conf"]
_MENTIONED = re.compile(r"`(?:\w+=\S+ )*(python (?:-m [\w.]+|[\w/]+\.py)(?: [a-z][a-z-]*)?|closet(?: [a-z][a-z-]*)+)")
_VERBS = re.compile(r"^\| ((?:`[a-z-]+`(?:, )?)+) \|", re.MULTILINE)


async def test_every_mentioned_command_has_help(terminal: Terminal) -> None:
    texts = [(ROOT / file).read_text() for file in chain(PLACES, sorted(map(str, ROOT.glob("docs/decisions/*.md"))))]
    run_whole = "".join(block.text for file in readmes() for block in blocks_of(file))
    mentioned = {command for text in texts for command in _MENTIONED.findall(text)}
    commands = sorted(command for command in mentioned if command not in run_whole)
    assert {"python -m perfect_adapter calls", "python tests/bench/run.py"} <= set(commands)
    await terminal.run("\n".join(f"{command} --help > /dev/null" for command in commands), cwd=ROOT)


async def test_an_operators_verbs_are_those_of_the_readme(terminal: Terminal) -> None:
    text = (ROOT / "services/billing-meter/README.md").read_text()
    section = text.partition("## What an operator does")[2].partition("\n## ")[0]
    told = {verb for row in _VERBS.findall(section) for verb in re.findall(r"[a-z-]+", row)}
    listed = (await terminal.run("python -m billing_meter --help")).partition("{")[2].partition("}")[0]
    assert told == set(re.sub(r"\s", "", listed).split(","))
