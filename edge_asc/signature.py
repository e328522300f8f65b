"""Signed model files: who made a model, and that nobody has changed it since.

A file's last part, `signature.json`, lists the SHA-256 of every other part by its name, and holds
an Ed25519 signature (RFC 8032) over that list. Only the owner of the private key can make it;
whoever has the public key can check it. `cryptography` is loaded only when a key is used.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_asc.archive import parse_json, read_parts, sha256, write_parts
from edge_asc.errors import KeyFileError, SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PART = "signature.json"

_ALGORITHM = "Ed25519"
_SIGNATURE = re.compile("[0-9a-f]{128}")
_KEY_ID_LENGTH = 16
_MAX_KEY_FILE_BYTES = 10_000
_HEADING = b"edge-asc model signature 1\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that models are checked with."""

    raw: bytes
    """32 bytes, RFC 8032"""
    source: str

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of the key's SHA-256: short, for people to compare."""
        return sha256(self.raw)[:_KEY_ID_LENGTH]


@dataclass(frozen=True, slots=True)
class Signature:
    """What `signature.json` says, believed only after `check`."""

    key_id: str
    parts: Mapping[str, str]
    """The SHA-256 of each part"""
    value: bytes

    @classmethod
    def of(cls, parts: Mapping[str, bytes], source: str) -> Signature | None:
        """The signature among a model file's parts, None for an unsigned one.

        Raises SignatureError, naming `source`, when it is malformed or was made for other parts,
        which needs no key to be seen.
        """
        if PART not in parts:
            return None
        signature = cls._from_json(parts[PART], source)
        if changes := signature._changes(parts):
            raise SignatureError(
                f"{source} is not what was signed by key {signature.key_id}: {changes}; get the"
                " file again from where it was signed"
            )
        return signature

    @classmethod
    def _from_json(cls, content: bytes, source: str) -> Signature:
        values = parse_json(content, source, PART)
        key_id, parts, value = (values.get(name) for name in ("key_id", "parts", "signature"))
        if (
            set(values) == {"algorithm", "key_id", "parts", "signature"}
            and values["algorithm"] == _ALGORITHM
            and isinstance(key_id, str)
            and isinstance(parts, dict)
            and all(isinstance(digest, str) for digest in parts.values())
            and isinstance(value, str)
            and _SIGNATURE.fullmatch(value)
        ):
            return cls(key_id, parts, bytes.fromhex(value))
        raise SignatureError(
            f"{source}: its signature is not as `edge-asc sign` writes it; sign the model again"
        )

    def _changes(self, parts: Mapping[str, bytes]) -> str:
        """Which parts are not those that were signed, as text; empty if all are."""
        found = _digests(parts)
        faults = {
            "changed": [n for n in found if n in self.parts and found[n] != self.parts[n]],
            "added": [name for name in found if name not in self.parts],
            "missing": [name for name in self.parts if name not in found],
        }
        return "; ".join(f"{', '.join(names)} {fault}" for fault, names in faults.items() if names)

    def check(self, trusted: PublicKey, source: str) -> None:
        """Raises SignatureError unless `trusted` made it for these parts."""
        if self.key_id != trusted.key_id:
            raise SignatureError(
                f"{source} is signed by key {self.key_id}, trusted is only key {trusted.key_id}"
                f" ({trusted.source}); use a model signed by that one"
            )
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(trusted.raw).verify(self.value, _message(self.parts))
        except InvalidSignature:
            raise SignatureError(
                f"{source}: its signature is not one that key {trusted.key_id} made for these"
                " parts; the file was changed after signing, and is not to be used"
            ) from None


def check_trust(signature: Signature | None, trusted: PublicKey, source: str) -> None:
    """Raises SignatureError unless the model was signed, and by `trusted`."""
    if signature is None:
        raise SignatureError(
            f"{source} is not signed, and only models signed by key {trusted.key_id}"
            f" ({trusted.source}) are trusted; `edge-asc sign` signs one"
        )
    signature.check(trusted, source)


def sign(data: bytes, source: str, key: Path) -> tuple[bytes, PublicKey]:
    """The model file `data` with a signature by the private key in the file `key`.

    Every part stays what it is, to the byte; a signature that is there is replaced. Returns the
    key's public half too. Raises KeyFileError, and ModelFileError for what is no model file.
    """
    private = _read_private_key(key)
    public = PublicKey(private.public_key().public_bytes_raw(), str(key))
    parts = read_parts(data, source)
    digests = _digests(parts)
    values = {
        "algorithm": _ALGORITHM,
        "key_id": public.key_id,
        "parts": digests,
        "signature": private.sign(_message(digests)).hex(),
    }
    parts[PART] = json.dumps(values, indent=1, sort_keys=True).encode()
    return write_parts(parts), public


def make_keys(path: Path) -> PublicKey:
    """Write a new private key to `path`, readable by its owner alone, and PATH.pub beside it.

    Both are PEM (PKCS 8 and SubjectPublicKeyInfo). Nothing is overwritten: raises KeyFileError.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public_path = path.with_name(f"{path.name}.pub")
    for existing in (path, public_path):
        if os.path.lexists(existing):
            raise KeyFileError(
                f"{existing} is there already, and a key that was overwritten is lost; name"
                " another file, or move that one away"
            )
    private = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    secret = private.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key()
    shared = public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    _create(path, secret, 0o600)
    try:
        _create(public_path, shared, 0o644)
    except OSError:
        path.unlink()
        raise
    return PublicKey(public.public_bytes_raw(), str(public_path))


def read_public_key(path: Path) -> PublicKey:
    """The key that models are checked with. Raises KeyFileError."""
    content = _read_key_file(path, is_private=False)
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        hint = "; that is a private key: keep it off devices" if b"PRIVATE KEY" in content else ""
        raise KeyFileError(
            f"{path} holds no public key as `edge-asc keygen KEY` writes to KEY.pub{hint}"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path} must hold an Ed25519 key, got {type(key).__name__}")
    return PublicKey(key.public_bytes_raw(), str(path))


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    content = _read_key_file(path, is_private=True)
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(content, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"{path} holds no private key as `edge-asc keygen` writes it, without a password"
            f" ({error})"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} must hold an Ed25519 key, got {type(key).__name__}")
    return key


def _read_key_file(path: Path, *, is_private: bool) -> bytes:
    """The file's bytes; a private key that others could read is refused, as ssh does."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if is_private and mode & 0o077:
                raise KeyFileError(
                    f"the private key {path} can be read or changed by others (mode {mode:03o}):"
                    f" it may be known to them; if it is not, chmod 600 {path}"
                )
            content = file.read(_MAX_KEY_FILE_BYTES + 1)
    except FileNotFoundError:
        raise KeyFileError(f"no key at {path}; `edge-asc keygen` makes one") from None
    except OSError as error:
        raise KeyFileError(f"cannot read the key {path}: {error.strerror}") from error
    if len(content) > _MAX_KEY_FILE_BYTES:
        raise KeyFileError(f"{path} is too large for a key file")
    return content


def _create(path: Path, content: bytes, mode: int) -> None:
    """A new file that has `mode` before it has content."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise


def _digests(parts: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256(part) for name, part in parts.items() if name != PART}


def _message(digests: Mapping[str, str]) -> bytes:
    """What is signed: a heading, then a line for each part as `sha256sum` prints it."""
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return _HEADING + lines.encode()


def _need_cryptography() -> None:
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError as error:
        raise KeyFileError(
            f"keys need the package cryptography ({error}): pip install 'edge-asc[sign]'"
        ) from error
