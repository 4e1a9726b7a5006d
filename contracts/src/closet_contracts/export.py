"""Writes what is exported from the catalogue: schemas, AsyncAPI, the tables in the README.

`python -m closet_contracts.export [FOLDER]` writes into the `contracts/` folder; a test holds the committed files
against the code, so a change of a model without its documents does not pass.
"""

import json
import sys
from pathlib import Path

import yaml

from closet_contracts.asyncapi import asyncapi
from closet_contracts.catalog import EVENTS
from closet_contracts.schemas import message_schema
from closet_contracts.tables import event_table, request_table


def documents(readme: str) -> dict[str, str]:
    """Path below `contracts/` -> text, for every exported file; `readme` is the README to fill the tables into."""
    files = {f"schemas/{model.TYPE}.json": _json(message_schema(model)) for model in EVENTS}
    files["asyncapi.yaml"] = yaml.safe_dump(asyncapi(), sort_keys=False, width=120)
    files["README.md"] = _filled(_filled(readme, "events", event_table()), "requests", request_table())
    return files


def write(folder: Path) -> None:
    """Write every exported file below `folder`."""
    (folder / "schemas").mkdir(exist_ok=True)
    for path, text in documents((folder / "README.md").read_text()).items():
        (folder / path).write_text(text)


def _json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"


def _filled(text: str, name: str, table: str) -> str:
    """`text` with what stands between the marks of `name` replaced.

    Raises:
        ValueError: the marks are not there.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no marks for {name} in the README")
    return f"{before}{start}{table}\n{closed}{after}"


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "contracts"))
