"""Signed model files: what was signed is trusted; anything else is refused, and said why."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_asc.archive import read_parts, write_parts
from edge_asc.errors import KeyFileError, ModelFileError, SignatureError
from edge_asc.model_file import ModelFile
from edge_asc.signature import PublicKey, make_keys, read_public_key, sign

COVERED = ("whole.tflite", "manifest.json", "encoder.tflite", "head.tflite", "golden.npz")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "fleet"
    make_keys(path)
    return path


@pytest.fixture(scope="module")
def public(key: Path) -> PublicKey:
    return read_public_key(key.with_name("fleet.pub"))


@pytest.fixture(scope="module")
def signed(small_model: ModelFile, key: Path) -> bytes:
    return sign(small_model.to_bytes(), "m", key)[0]


def test_what_was_signed_is_trusted(
    signed: bytes, public: PublicKey, small_model: ModelFile
) -> None:
    model = ModelFile.from_bytes(signed, "m", public)
    assert model.signature is not None
    assert model.signature.key_id == public.key_id
    assert model.whole == small_model.whole
    assert ModelFile.from_bytes(signed, "m").signature == model.signature


def test_signing_changes_no_other_part(signed: bytes, small_model: ModelFile) -> None:
    parts = read_parts(signed, "m")
    del parts["signature.json"]
    assert parts == read_parts(small_model.to_bytes(), "m")


def test_the_signature_is_one_over_sha256_lines_that_other_tools_can_check(
    signed: bytes, key: Path
) -> None:
    """RFC 8032 over the text that docs/signing.md describes, put together here anew."""
    parts = read_parts(signed, "m")
    values = json.loads(parts["signature.json"])
    names = ["encoder.tflite", "golden.npz", "head.tflite", "manifest.json", "whole.tflite"]
    lines = [f"{hashlib.sha256(parts[name]).hexdigest()}  {name}" for name in names]
    text = "\n".join(["edge-asc model signature 1", *lines, ""]).encode()
    public = serialization.load_pem_public_key(key.with_name("fleet.pub").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify(bytes.fromhex(values["signature"]), text)
    assert values["algorithm"] == "Ed25519"
    assert values["key_id"] == hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def test_an_unsigned_model_is_not_trusted(small_model: ModelFile, public: PublicKey) -> None:
    with pytest.raises(SignatureError, match=f"m is not signed, .* by key {public.key_id}"):
        ModelFile.from_bytes(small_model.to_bytes(), "m", public)


def test_a_signature_that_is_cut_out_is_missed(signed: bytes, public: PublicKey) -> None:
    parts = read_parts(signed, "m")
    del parts["signature.json"]
    with pytest.raises(SignatureError, match="m is not signed"):
        ModelFile.from_bytes(write_parts(parts), "m", public)


def test_another_key_is_not_trusted(signed: bytes, public: PublicKey, tmp_path: Path) -> None:
    other = make_keys(tmp_path / "other")
    message = f"signed by key {public.key_id}, trusted is only key {other.key_id}"
    with pytest.raises(SignatureError, match=message):
        ModelFile.from_bytes(signed, "m", other)


def test_a_key_id_is_no_proof(signed: bytes, public: PublicKey, tmp_path: Path) -> None:
    """Somebody else's signature that claims to be by the trusted key."""
    make_keys(tmp_path / "other")
    parts = read_parts(sign(signed, "m", tmp_path / "other")[0], "m")
    values = json.loads(parts["signature.json"]) | {"key_id": public.key_id}
    parts["signature.json"] = json.dumps(values).encode()
    with pytest.raises(SignatureError, match=f"not one that key {public.key_id} made"):
        ModelFile.from_bytes(write_parts(parts), "m", public)


@pytest.mark.parametrize("name", COVERED)
def test_a_byte_changed_anywhere_is_found_though_the_checksum_fits(
    signed: bytes, public: PublicKey, name: str
) -> None:
    parts = read_parts(signed, "m")
    for at in {8, len(parts[name]) // 2, len(parts[name]) - 1}:
        changed = parts[name][:at] + bytes([parts[name][at] ^ 1]) + parts[name][at + 1 :]
        data = write_parts({**parts, name: changed})
        for trusted in (public, None):
            with pytest.raises(SignatureError, match=f"not what was signed .*: {name} changed;"):
                ModelFile.from_bytes(data, "m", trusted)


def forged(model: ModelFile, **changes: Any) -> dict[str, bytes]:
    """The parts of a file with another manifest, all hashes and checksums made to fit."""
    parts = read_parts(model.to_bytes(), "m")
    manifest = json.loads(parts["manifest.json"]) | changes
    return {**parts, "manifest.json": json.dumps(manifest).encode()}


def test_without_a_signature_a_forgery_is_not_seen(small_model: ModelFile) -> None:
    """What only the signature is for: a manifest changed with every checksum."""
    data = write_parts(forged(small_model, temperature=100.0))
    assert ModelFile.from_bytes(data, "m").manifest.temperature == 100.0


@pytest.mark.parametrize("changed", ["manifest", "weights"])
def test_a_forgery_with_the_list_of_parts_made_to_fit_is_not_trusted(
    small_model: ModelFile, signed: bytes, public: PublicKey, changed: str
) -> None:
    parts = forged(small_model, temperature=100.0)
    if changed == "weights":
        whole = small_model.whole[:-1] + b"\0"
        hashes = json.loads(parts["manifest.json"])["sha256"]
        hashes["whole.tflite"] = hashlib.sha256(whole).hexdigest()
        parts = forged(small_model, sha256=hashes) | {"whole.tflite": whole}
    values = json.loads(read_parts(signed, "m")["signature.json"])
    values["parts"] = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    data = write_parts({**parts, "signature.json": json.dumps(values).encode()})
    ModelFile.from_bytes(data, "m")  # nothing else is amiss
    with pytest.raises(SignatureError, match="the file was changed after signing"):
        ModelFile.from_bytes(data, "m", public)


def test_a_part_that_is_removed_or_added_is_named(
    signed: bytes, public: PublicKey, small_model: ModelFile, key: Path
) -> None:
    parts = read_parts(signed, "m")
    fewer = {name: part for name, part in parts.items() if name != "head.tflite"}
    with pytest.raises(SignatureError, match=r": head\.tflite missing;"):
        ModelFile.from_bytes(write_parts(fewer), "m", public)
    unsigned = read_parts(small_model.to_bytes(), "m")
    del unsigned["encoder.tflite"], unsigned["head.tflite"]
    smaller = read_parts(sign(write_parts(unsigned), "m", key)[0], "m")
    more = smaller | {name: parts[name] for name in ("encoder.tflite", "head.tflite")}
    with pytest.raises(SignatureError, match=r": encoder\.tflite, head\.tflite added;"):
        ModelFile.from_bytes(write_parts(more), "m", public)


def test_parts_that_are_exchanged_are_named(signed: bytes, public: PublicKey) -> None:
    parts = read_parts(signed, "m")
    exchanged = parts | {
        "head.tflite": parts["encoder.tflite"],
        "encoder.tflite": parts["head.tflite"],
    }
    with pytest.raises(SignatureError, match=r": encoder\.tflite, head\.tflite changed;"):
        ModelFile.from_bytes(write_parts(exchanged), "m", public)


def test_a_changed_signature_is_refused(signed: bytes, public: PublicKey) -> None:
    parts = read_parts(signed, "m")
    original = json.loads(parts["signature.json"])
    value = original["signature"]
    for at in range(0, 128, 9):
        other = value[:at] + f"{int(value[at], 16) ^ 1:x}" + value[at + 1 :]
        changed = json.dumps(original | {"signature": other}).encode()
        with pytest.raises(SignatureError, match=r"not one that key .* made"):
            ModelFile.from_bytes(write_parts({**parts, "signature.json": changed}), "m", public)


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": "00"},
        {"signature": "zz" * 64},
        {"signature": None},
        {"signature": ["00"] * 64},
        {"algorithm": "none"},
        {"parts": []},
        {"parts": {"whole.tflite": 1}},
        {"key_id": None},
        {"extra": 1},
    ],
)
def test_a_malformed_signature_is_refused(signed: bytes, changes: dict[str, Any]) -> None:
    parts = read_parts(signed, "m")
    values = json.loads(parts["signature.json"]) | changes
    data = write_parts({**parts, "signature.json": json.dumps(values).encode()})
    with pytest.raises(SignatureError, match="not as `edge-asc sign` writes it"):
        ModelFile.from_bytes(data, "m")


def test_every_flipped_byte_of_the_signature_part_is_refused(
    signed: bytes, public: PublicKey
) -> None:
    parts = read_parts(signed, "m")
    part = parts["signature.json"]
    for at in range(len(part)):
        changed = part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :]
        with pytest.raises(ModelFileError):
            ModelFile.from_bytes(write_parts({**parts, "signature.json": changed}), "m", public)


def test_an_empty_list_of_parts_covers_nothing(key: Path, public: PublicKey, signed: bytes) -> None:
    """A true signature over no part at all must not pass for one over this model."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    value = private.sign(b"edge-asc model signature 1\n").hex()
    parts = read_parts(signed, "m")
    values = json.loads(parts["signature.json"]) | {"parts": {}, "signature": value}
    data = write_parts({**parts, "signature.json": json.dumps(values).encode()})
    with pytest.raises(SignatureError, match=r"whole\.tflite, .* added"):
        ModelFile.from_bytes(data, "m", public)


def test_signing_anew_replaces_the_signature(signed: bytes, tmp_path: Path) -> None:
    other = make_keys(tmp_path / "other")
    again, _ = sign(signed, "m", tmp_path / "other")
    signature = ModelFile.from_bytes(again, "m", other).signature
    assert signature is not None
    assert signature.key_id == other.key_id


def test_writing_a_model_anew_leaves_its_signature_out(
    signed: bytes, small_model: ModelFile
) -> None:
    model = ModelFile.from_bytes(signed, "m")
    assert model.to_bytes() == small_model.to_bytes()


def test_the_private_key_is_its_owners_alone_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    fdopen = os.fdopen

    def spy(handle: int, *arguments: Any) -> Any:
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return fdopen(handle, *arguments)

    monkeypatch.setattr(os, "fdopen", spy)
    before = os.umask(0)
    try:
        make_keys(tmp_path / "fleet")
    finally:
        os.umask(before)
    assert modes == [0o600, 0o644]
    assert stat.S_IMODE((tmp_path / "fleet").stat().st_mode) == 0o600
    assert (tmp_path / "fleet").read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert (tmp_path / "fleet.pub").read_text().startswith("-----BEGIN PUBLIC KEY-----\n")


@pytest.mark.parametrize("existing", ["fleet", "fleet.pub"])
def test_no_key_is_overwritten(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).symlink_to("nowhere")
    with pytest.raises(KeyFileError, match=f"{existing} is there already"):
        make_keys(tmp_path / "fleet")
    assert [path.name for path in tmp_path.iterdir()] == [existing]


@pytest.mark.parametrize("fails", [1, 2])
def test_a_disk_that_is_full_leaves_no_half_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == fails:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        make_keys(tmp_path / "fleet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_private_key_that_others_may_read_is_refused(
    tmp_path: Path, signed: bytes, mode: int
) -> None:
    make_keys(tmp_path / "fleet")
    (tmp_path / "fleet").chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:03o}.*chmod 600 "):
        sign(signed, "m", tmp_path / "fleet")


def test_keys_of_other_kinds_are_refused(tmp_path: Path, signed: bytes) -> None:
    pem = serialization.Encoding.PEM
    elliptic = generate_private_key(SECP256R1())
    locked = Ed25519PrivateKey.generate().private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    private = elliptic.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = elliptic.public_key().public_bytes(
        pem, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    path = tmp_path / "key"
    for content, message in (
        (locked, "without a password"),
        (private, "must hold an Ed25519 key, got "),
        (public, "holds no private key"),
        (b"no key", "holds no private key"),
        (b"x" * 20_000, "too large for a key file"),
    ):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyFileError, match=message):
            sign(signed, "m", path)
    for content, message in (
        (private, "that is a private key: keep it off devices"),
        (public, "must hold an Ed25519 key, got "),
        (b"\xff", "holds no public key"),
    ):
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match=message):
            read_public_key(path)


def test_keys_that_are_not_there_are_named(tmp_path: Path, signed: bytes) -> None:
    with pytest.raises(KeyFileError, match=r"no key at .*none; `edge-asc keygen` makes one"):
        sign(signed, "m", tmp_path / "none")
    with pytest.raises(KeyFileError, match=r"cannot read the key .*: Is a directory"):
        read_public_key(tmp_path)


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_cryptography_is_loaded_only_for_a_key(tmp_path: Path, signed: bytes, key: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(signed)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "import edge_asc.listen, edge_asc.update\n"
        "from edge_asc.model_file import ModelFile\n"
        "from edge_asc.signature import read_public_key\n"
        "print(ModelFile.read(Path(sys.argv[1])).signature.key_id)\n"
        "print('cryptography' in sys.modules)\n"
        "read_public_key(Path(sys.argv[2]))\n"
        "print('cryptography' in sys.modules)\n"
    )
    key_id, before, after = run_python(code, str(path), f"{key}.pub").splitlines()
    assert (len(key_id), before, after) == (16, "False", "True")


def test_without_cryptography_the_message_says_what_to_install(key: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "sys.modules['cryptography'] = None\n"
        "from edge_asc.errors import KeyFileError\n"
        "from edge_asc.signature import make_keys, read_public_key, sign\n"
        "path = Path(sys.argv[1])\n"
        "for use in (lambda: read_public_key(path), lambda: sign(b'', 'm', path),\n"
        "            lambda: make_keys(path.with_name('new'))):\n"
        "    try:\n        use()\n"
        "    except KeyFileError as error:\n        print(error)\n"
    )
    lines = run_python(code, str(key)).splitlines()
    assert len(lines) == 3
    assert all(line.endswith("pip install 'edge-asc[sign]'") for line in lines)
