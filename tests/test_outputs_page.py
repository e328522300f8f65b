"""The examples of docs/outputs.md are what it says they are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_asc.outputs import (
    FIRST_RETRY_S,
    FLUSH_S,
    FLUSH_WHEN_TERMINATED_S,
    LAST_RETRY_S,
    QUEUE_MESSAGES,
    SLOW_S,
)
from edge_asc.sinks.csv_lines import stream_form
from edge_asc.sinks.on_change import variables
from tests.sample_messages import CHANGE, SCENES

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "outputs.md").read_text()
VALIDATOR = jsonschema.Draft202012Validator(json.loads((DOCS / "messages.schema.json").read_text()))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in blocks("json")]


def test_there_is_an_example_of_every_kind() -> None:
    assert [example["type"] for example in EXAMPLES] == ["estimate", "gap", "event", "health"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])
def test_an_example_is_as_the_schema_says(example: dict[str, Any]) -> None:
    VALIDATOR.validate(example)


def test_the_rows_of_csv_begin_as_they_do() -> None:
    (table,) = (block for block in blocks("") if block.startswith("type,"))
    head, *rows = table.splitlines()
    columns = head.removesuffix(",...")
    assert stream_form(SCENES).header.startswith(columns + ",")
    count = columns.count(",") + 1
    assert [len(row.removesuffix(",...").split(",")) for row in rows] == [count] * 3


def test_the_script_does_what_is_printed_below_it(tmp_path: Path) -> None:
    (script,) = (block for block in blocks("sh") if block.startswith("#!"))
    file = tmp_path / "scene-changed"
    file.write_text(script)
    file.chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **variables(CHANGE)}
    subprocess.run([file, "bar", "shopping_mall"], env=environment, check=True)
    diary = "2026-05-17T14:03:09.012+08:00 bar after shopping_mall for 22.0 s\n"
    assert (tmp_path / "scenes.txt").read_text() == diary
    assert (tmp_path / "status.txt").read_text() == "at bar\n"
    subprocess.run([file, "none", "bar"], env={**environment, "EDGE_ASC_TIME": ""}, check=True)
    assert (tmp_path / "scenes.txt").read_text() == f"{diary}unknown none after bar for 22.0 s\n"
    assert not (tmp_path / "status.txt").exists()


def test_every_variable_is_told() -> None:
    assert set(re.findall(r"`(EDGE_ASC_\w+)`", PAGE)) == set(variables(CHANGE))


def test_the_numbers_are_those_of_the_program() -> None:
    assert f"at most {QUEUE_MESSAGES:,} messages" in PAGE
    assert f"taken no message for {SLOW_S:g} s" in PAGE
    assert (FIRST_RETRY_S, LAST_RETRY_S) == (1.0, 30.0)
    assert "after 1, 2, 4, 8, 16, then every 30 s" in PAGE
    assert f"has {FLUSH_S:g} s to be delivered; after SIGTERM {FLUSH_WHEN_TERMINATED_S:g} s" in PAGE


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w.-]+)(?:#[\w-]*)?\)", PAGE):
        assert (DOCS / target).exists(), target
