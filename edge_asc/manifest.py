"""The manifest of a model file: everything that is known of a model, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from edge_asc.archive import parse_json
from edge_asc.decision_config import DecisionConfig
from edge_asc.drift import DriftReference
from edge_asc.errors import ModelFileError
from edge_asc.features import FeatureConfig

SCHEMA_VERSION = 4
"""1: the first. 2: `temperature`. 3: `footprint`, and `golden` for each class of interpreter. 4:
`decisions`."""

_TUPLES = ("scenes", "cities", "trained_cities", "mel_mean", "mel_std", "standardized_range")
_MAX_WINDOW_S = 600.0
_MAX_GOLDEN_WINDOWS = 1000


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that is known of a model."""

    name: str
    scenes: tuple[str, ...]
    cities: tuple[str, ...]
    """The rows of the city input, without the last one, "unknown"; empty when the network takes no
    context."""
    trained_cities: tuple[str, ...]
    """Cities that a training clip came from; the others are used as "unknown"."""
    features: FeatureConfig
    mel_mean: tuple[float, ...]
    mel_std: tuple[float, ...]
    standardized_range: tuple[float, float]
    variant: str
    fusion: str
    window_s: float
    cell_frames: int | None
    """Frames of one streaming cell; None when the network takes whole windows only."""
    quantization: str
    demonstration: bool
    """True for a model that shows how things work and must decide nothing."""
    licence: str
    temperature: float = 1.0
    """Logits are divided by it before the softmax; 1.0 = not fitted"""
    card: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    golden: dict[str, Any] = field(default_factory=dict)
    """`windows`: how many are kept; `reference`: the interpreter, with its version, that gave their
    logits; `bound_logits`: how far off those of another may be; `runtimes`: for a class of
    interpreters, `version` measured and `bound_logits` of its own"""
    footprint: dict[str, Any] = field(default_factory=dict)
    """What TFLite Micro needs, {} if not measured: `arena_bytes` of each network, and `bytes`: what
    each network's flatbuffer is made of"""
    decisions: dict[str, Any] = field(default_factory=dict)
    """How estimates become decisions, {} if nobody measured it: `config`, the fields of
    `DecisionConfig`; `drift`, those of `DriftReference`, or None; `held_out`, what they were
    measured on"""
    recipe: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0.0):
            raise ModelFileError(
                f"model {self.name}: temperature must be a finite number above 0, got"
                f" {self.temperature}; export the model again"
            )

    @property
    def uses_context(self) -> bool:
        return self.fusion != "none"

    @property
    def decision_config(self) -> DecisionConfig:
        """The model's own, or the one that suits most."""
        return _decision_config(self.decisions.get("config", {}))

    @property
    def drift_reference(self) -> DriftReference | None:
        """What drift is measured against, None if that is not known."""
        values = self.decisions.get("drift")
        return None if values is None else _drift_reference(values)

    @property
    def num_frames(self) -> int:
        """Frames of one window."""
        return self.features.num_frames(self.window_s)

    @property
    def window_samples(self) -> int:
        return round(self.window_s * self.features.sample_rate_hz)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, content: bytes, source: str) -> Manifest:
        """Raises ModelFileError, naming `source`, for a newer schema, other keys, odd values."""
        values = parse_json(content, source, "its manifest")
        found: Any = values.get("schema_version")
        if not _is_whole(found, 1, 1_000_000):
            raise ModelFileError(
                f"{source}: the manifest has no schema version; export the model again"
            )
        if found > SCHEMA_VERSION:
            raise ModelFileError(
                f"{source} was made by a newer edge-asc: its manifest has schema {found}, this"
                f" program knows up to {SCHEMA_VERSION}; upgrade edge-asc"
            )
        values = _upgrade(values, found)
        names = {entry.name for entry in fields(cls)}
        if names != set(values):
            odd = ", ".join(sorted(names.symmetric_difference(values)))
            raise ModelFileError(
                f"{source}: missing or unknown manifest entries: {odd}; export it again"
            )
        for name, (is_right, wanted) in _WANTED.items():
            if not is_right(values[name]):
                raise _wrong(source, name, wanted, values[name])
        for name in _TUPLES:
            values[name] = tuple(values[name])
        values["features"] = FeatureConfig.from_dict(values["features"])
        manifest = cls(**values)
        _check_together(manifest, source)
        return manifest


def _upgrade(values: dict[str, Any], found: int) -> dict[str, Any]:
    """Manifest entries of schema `found` as those of SCHEMA_VERSION, one step a version.

    A step adds only what the older version meant without saying so; all else must be there.
    """
    if found < 2:
        # Before schema 2 logits went into the softmax as they were.
        values = {"temperature": 1.0, **values}
    if found < 3:
        # Before schema 3 one bound held for every interpreter, the one of the export included.
        golden = values.get("golden")
        if isinstance(golden, dict):
            golden = {name: value for name, value in golden.items() if name != "runtime"}
            values = {**values, "golden": {**golden, "reference": "", "runtimes": {}}}
        values = {"footprint": {}, **values}
    if found < 4:
        values = {"decisions": {}, **values}
    return {**values, "schema_version": SCHEMA_VERSION}


def _wrong(source: str, name: str, wanted: str, got: object) -> ModelFileError:
    return ModelFileError(
        f"{source}: the manifest's {name} must be {wanted}, got {str(got)[:60]}; export it again"
    )


def _check_together(manifest: Manifest, source: str) -> None:
    """What entries say of each other."""
    features = manifest.features
    if not len(manifest.mel_mean) == len(manifest.mel_std) == features.num_mels:
        got = f"{len(manifest.mel_mean)} and {len(manifest.mel_std)}"
        raise _wrong(source, "mel_mean and mel_std", f"of {features.num_mels} mel bands", got)
    if unknown := set(manifest.trained_cities) - set(manifest.cities):
        raise _wrong(source, "trained_cities", "among its cities", sorted(unknown))
    if manifest.decisions and len(manifest.decision_config.transition) not in (
        0,
        len(manifest.scenes),
    ):
        got = f"{len(manifest.decision_config.transition)} rows"
        raise _wrong(source, "decisions.config.transition", "a row for each scene", got)
    if manifest.num_frames < 1:
        raise _wrong(source, "window_s", "at least one frame long", manifest.window_s)


def _is_number(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_line(value: object) -> bool:
    return isinstance(value, str) and not {"\n", "\t"} & set(value)


def _is_text_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _are_names(value: object) -> bool:
    """Different ones; there may be none."""
    if not (isinstance(value, list) and all(map(_is_line, value))):
        return False
    return len(set(value)) == len(value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _is_range(value: Any) -> bool:  # noqa: ANN401
    return _are_numbers(value) and len(value) == 2 and value[0] < value[1]


def _are_features(value: Any) -> bool:  # noqa: ANN401
    """What `FeatureConfig` takes, within what a device can compute."""
    whole = {
        "sample_rate_hz": (1_000, 768_000),
        "fft_size": (16, 65_536),
        "window_samples": (2, 65_536),
        "hop_samples": (1, 32_768),
        "num_mels": (1, 1_024),
    }
    real = {"fmin_hz", "fmax_hz", "top_db"}
    return (
        isinstance(value, dict)
        and set(value) == set(whole) | real
        and all(_is_whole(value[name], low, high) for name, (low, high) in whole.items())
        and all(_is_number(value[name]) for name in real)
        and 0 <= value["fmin_hz"] < value["fmax_hz"] <= value["sample_rate_hz"] / 2
        and value["top_db"] > 0
        and value["window_samples"] == 2 * value["hop_samples"] <= value["fft_size"]
    )


def _decision_config(values: dict[str, Any]) -> DecisionConfig:
    """Raises TypeError and ValueError for other fields and values."""
    transition = tuple(tuple(row) for row in values.get("transition", ()))
    return DecisionConfig(**{**values, "transition": transition})


def _drift_reference(values: dict[str, Any]) -> DriftReference:
    """Raises TypeError and ValueError for other fields and values."""
    return DriftReference(**{**values, "level": tuple(values["level"])})


def _are_decisions(value: Any) -> bool:  # noqa: ANN401
    if value == {}:
        return True
    if not (isinstance(value, dict) and set(value) == {"config", "drift", "held_out"}):
        return False
    try:
        _decision_config(value["config"])
        if value["drift"] is not None:
            _drift_reference(value["drift"])
    except (KeyError, TypeError, ValueError):
        return False
    return isinstance(value["held_out"], dict)


def _is_bound(value: Any) -> bool:  # noqa: ANN401
    return _is_number(value) and value > 0


def _is_golden(value: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(value, dict)
        and set(value) == {"windows", "reference", "bound_logits", "runtimes"}
        and _is_whole(value["windows"], 1, _MAX_GOLDEN_WINDOWS)
        and _is_line(value["reference"])
        and _is_bound(value["bound_logits"])
        and isinstance(value["runtimes"], dict)
        and all(
            isinstance(facts, dict)
            and set(facts) == {"version", "bound_logits"}
            and _is_line(facts["version"])
            and _is_bound(facts["bound_logits"])
            for facts in value["runtimes"].values()
        )
    )


_LINE = (_is_line, "a line of text")
_TABLE = (lambda value: isinstance(value, dict), "a JSON object")
_WANTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": _LINE,
    "scenes": (lambda value: _are_names(value) and len(value) > 0, "a list of different names"),
    "cities": (_are_names, "a list of different names"),
    "trained_cities": (_are_names, "a list of different names"),
    "features": (_are_features, "those of a front end that can be computed"),
    "mel_mean": (_are_numbers, "a list of numbers"),
    "mel_std": (lambda value: _are_numbers(value) and min(value, default=0) > 0, "above 0"),
    "standardized_range": (_is_range, "two numbers, the lower first"),
    "variant": _LINE,
    "fusion": _LINE,
    "window_s": (
        lambda value: _is_number(value) and 0 < value <= _MAX_WINDOW_S,
        f"above 0 and at most {_MAX_WINDOW_S:g} seconds",
    ),
    "cell_frames": (lambda value: value is None or _is_whole(value, 1, 10_000), "frames, or null"),
    "quantization": _LINE,
    "demonstration": (lambda value: isinstance(value, bool), "true or false"),
    "licence": _LINE,
    "temperature": (
        lambda value: _is_number(value) and value > 0,
        "a finite number above 0",
    ),
    "card": _TABLE,
    "calibration": _TABLE,
    "parity": _TABLE,
    "golden": (_is_golden, "windows, reference, bound_logits and runtimes"),
    "footprint": _TABLE,
    "decisions": (_are_decisions, "config, drift and held_out, or {}"),
    "recipe": _TABLE,
    "versions": (_is_text_table, "names with versions"),
    "sha256": (_is_text_table, "parts with their SHA-256"),
}
