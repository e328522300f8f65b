"""Secrets: where they may come from, and that nobody is shown them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(f"[listen]\nweb_token = '{TOKEN}'\nsource = 'none.wav'\n")
    path.chmod(0o600)
    return path


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(edge_asc: Any) -> None:
    done = edge_asc("listen", "--web-token", TOKEN)
    assert done.exit_code == 2
    assert "put web_token into the configuration file, or EDGE_ASC_LISTEN_WEB_TOKEN into" in (
        " ".join(done.stderr.split())
    )
    assert TOKEN not in done.output


def test_config_show_hides_it(edge_asc: Any, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_ASC_LISTEN_MQTT_PASSWORD", TOKEN)
    for form in ("text", "json"):
        done = edge_asc("config", "show", "--config", config, "--format", form)
        assert done.exit_code == 0, done.stderr
        assert TOKEN not in done.output
        assert done.stdout.count("***") == 2


def test_a_wrong_one_is_not_shown_in_the_error(edge_asc: Any, config: Path) -> None:
    config.write_text("[listen]\nweb_token = 12345678\n")
    done = edge_asc("listen", "--config", config)
    assert done.exit_code == 2
    assert "web_token in [listen]: must be text, got ***" in done.stderr
    assert "12345678" not in done.output


def test_help_does_not_offer_it(edge_asc: Any) -> None:
    text = edge_asc("listen", "--help").stdout
    assert "--web-token" not in text
    assert "--mqtt-password" not in text


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_file_that_everybody_may_read_is_told_of(
    edge_asc: Any, config: Path, mode: int, told: bool
) -> None:
    config.chmod(mode)
    done = edge_asc("listen", "--config", config)
    warning = f"{config} holds web_token, and everybody may read it: chmod o-r it"
    assert (warning in done.stderr) == told
    assert TOKEN not in done.output
