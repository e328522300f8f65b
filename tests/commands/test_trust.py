"""`edge-asc keygen` and `edge-asc sign`."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from edge_asc.model_file import ModelFile
from edge_asc.signature import read_public_key


def test_keygen(edge_asc: Any, tmp_path: Path) -> None:
    key = tmp_path / "fleet"
    done = edge_asc("keygen", key)
    assert (done.exit_code, done.stdout) == (0, "")
    public = read_public_key(tmp_path / "fleet.pub")
    assert done.stderr == f"wrote {key} (private) and {key}.pub: key {public.key_id}\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    again = edge_asc("keygen", key)
    assert again.exit_code == 1
    assert f"edge-asc: error: {key} is there already" in again.stderr


def test_keygen_where_nobody_can_write(edge_asc: Any, tmp_path: Path) -> None:
    done = edge_asc("keygen", tmp_path / "none" / "fleet")
    assert done.exit_code == 1
    assert "edge-asc: error: [Errno 2] No such file or directory" in done.stderr


def test_sign_to_another_file(edge_asc: Any, model_path: Path, key: Path, tmp_path: Path) -> None:
    before, out = model_path.read_bytes(), tmp_path / "out.tflite"
    done = edge_asc("sign", model_path, "--key", key, "-o", out)
    public = read_public_key(tmp_path / "key.pub")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == f"signed {out} with key {public.key_id}\n"
    assert model_path.read_bytes() == before
    assert ModelFile.read(out, public).manifest.name == "level"


def test_sign_in_place_and_once_more(
    edge_asc: Any, model_path: Path, key: Path, tmp_path: Path
) -> None:
    public = read_public_key(tmp_path / "key.pub")
    edge_asc("sign", model_path, "--key", key)
    done = edge_asc("sign", model_path, "--key", key)
    assert done.stderr == (
        f"signed {model_path} with key {public.key_id}, which replaces the signature by key"
        f" {public.key_id}\n"
    )
    assert ModelFile.read(model_path, public).signature is not None


def test_a_damaged_model_is_not_signed(edge_asc: Any, model_path: Path, key: Path) -> None:
    damaged = model_path.read_bytes()[:-1]
    model_path.write_bytes(damaged)
    done = edge_asc("sign", model_path, "--key", key)
    assert done.exit_code == 1
    assert "truncated" in done.stderr
    assert model_path.read_bytes() == damaged


def test_a_key_that_others_can_read(edge_asc: Any, model_path: Path, key: Path) -> None:
    key.chmod(0o644)
    done = edge_asc("sign", model_path, "--key", key)
    assert done.exit_code == 1
    assert f"chmod 600 {key}" in done.stderr
    assert ModelFile.read(model_path).signature is None


def test_usage(edge_asc: Any, model_path: Path) -> None:
    assert edge_asc("sign", model_path).exit_code == 2
    assert edge_asc("keygen").exit_code == 2
