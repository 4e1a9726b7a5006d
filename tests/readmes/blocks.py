"""The fenced blocks of the READMEs: what a reader copies."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_OURS = {".venv", "build", "node_modules"}
_PLACEHOLDER = re.compile(r"""[\w"']*\.\.\.(?!\w)""")


@dataclass(frozen=True)
class Block:
    """A block: `number` counts those of its file from 0."""

    file: str
    number: int
    language: str
    text: str

    def filled(self, words: dict[str, str] | None = None) -> str:
        """The text with what its reader has to fill in; nothing may be left that ends with three dots."""
        text = self.text
        for told, meant in (words or {}).items():
            assert told in text, f"{self.file} does not say {told}"
            text = text.replace(told, meant)
        code = "\n".join(line.partition(" #")[0] for line in text.splitlines() if not line.startswith("#"))
        assert not _PLACEHOLDER.search(code), f"{self.file}: {_PLACEHOLDER.findall(code)}"
        return text


def readmes() -> list[str]:
    """All README.md files, by their path in the repository."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("README.md"))
    return sorted(str(path) for path in found if not _NOT_OURS.intersection(path.parts))


def documents() -> list[str]:
    """All READMEs, and the pages beside the root's."""
    return [*readmes(), "CONTRIBUTING.md", "SECURITY.md"]


def blocks_of(file: str) -> list[Block]:
    found = _FENCED.findall((ROOT / file).read_text())
    return [Block(file, number, language, text) for number, (language, text) in enumerate(found)]
