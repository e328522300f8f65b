"""A training recipe: a TOML file read into frozen dataclasses.

The defaults are those of the paper (Li et al., PMLR v312, section 4.1); a recipe file states what
differs. A key that no dataclass has is an error, never ignored.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from edge_asc.errors import DataError
from edge_asc.training.models.config import BLOCKS, Fusion, Variant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE_FOLDER = Path(__file__).parent / "recipes"

Range = tuple[float, float]
"""(low, high); equal ends mean a constant."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """Which windows of which clips, and how they are split."""

    scenes: Literal["cas", "from-data"] = "cas"
    """"cas": the ten CAS scenes. "from-data": the sorted labels of the data."""
    window_s: float = 10.0
    train_hop_s: float = 10.0
    test_hop_s: float = 10.0
    num_group_folds: int = 0
    """Deal groups into this many folds where the data has no fold column; 0 = use the column."""
    always_train: tuple[str, ...] = ()
    """Source sets that are never tested on."""
    balance: tuple[Literal["source_set", "scene", "group"], ...] = ()
    """Draw training windows so that every combination of these is equally frequent."""
    labelled_share: float = 1.0
    """Hide the labels of all but this share of the training groups, to see what they are worth."""
    exclude: dict[str, dict[str, str]] = field(default_factory=dict)
    """Name of a data folder -> column -> pattern (`*`, `?`, some with `|`) of rows to leave out."""


@dataclass(frozen=True, slots=True)
class NetworkRecipe:
    """See `edge_asc.training.models.mobile_asc_net.NetworkConfig`."""

    variant: Variant = "paper"
    fusion: Fusion = "gated"
    cell_frames: int = 0
    """Frames in an independent cell; 0 = the blocks see the whole window."""
    standardized_range: Range = (-4.5, 4.5)
    """Standardised features are clipped to it: outliers would cost int8 its resolution."""


@dataclass(frozen=True, slots=True)
class OptimizerRecipe:
    """How weights are changed."""

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: Literal["step", "cosine", "constant"] = "step"
    step_epochs: int = 2
    """With "step": multiply the learning rate by `step_factor` every so many epochs."""
    step_factor: float = 0.9
    warmup_share: float = 0.2
    """With "cosine": share of all steps in which the learning rate rises to `learning_rate`."""


@dataclass(frozen=True, slots=True)
class LoopRecipe:
    """How long, on how many, and when to stop."""

    epochs: int = 100
    batch_size: int = 64
    patience: int = 10
    """Stop after so many epochs without a better validation score."""
    validation_share: float = 0.15
    """Share of the training groups held out to choose the epoch; 0 = train for all `epochs`."""
    micro_batch: int = 0
    """Windows that go through the network at once; a batch's gradient is their mean, and batch
    normalisation sees only them. 0 = the whole batch. Small ones stay in a processor's cache."""
    ema_decay: float = 0.0
    """Keep an average of the weights that forgets by this factor a step; 0 = the last weights."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    label_smoothing: float = 0.0
    unknown_city_share: float = 0.3
    """Share of training windows whose city is hidden, so that "unknown city" is trained."""
    unknown_time_share: float = 0.3
    """The same for the time, independently."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class AugmentRecipe:
    """What is done to training windows; everything is off by default."""

    roll_s: Range = (0.0, 0.0)
    """Rotate in time by a duration drawn from this range, either way."""
    gain_db: float = 0.0
    """Change the level by up to so many feature dB, either way (10 log10 of magnitudes)."""
    low_pass_share: float = 0.0
    """Share of windows whose upper bands are emptied above a random band, as in poor recordings."""
    stretch: float = 0.0
    """Change the tempo by a factor of up to 1 ± this, circularly."""
    mel_shift: float = 0.0
    """Shift the spectrum by up to so many mel bands, either way, fractions included."""
    background_share: float = 0.0
    """Share of windows that get another window's sound as background; its scene is ignored."""
    background_snr_db: Range = (0.0, 20.0)
    """Level of the window above its background, dB of power; drawn for each window."""
    freq_mix_style_share: float = 0.0
    """Share of windows whose mean and deviation in each band are mixed with another window's."""
    freq_mix_style_alpha: float = 0.3
    """Their weights are drawn from Beta(alpha, alpha)."""
    equalizer_db: float = 0.0
    """Random smooth frequency response of up to so many feature dB, either way."""
    mixup_alpha: Range = (0.0, 0.0)
    """Each batch draws alpha here; windows mix by Beta(alpha, alpha). (0, 0) = no mixup."""
    mixup_probability: Range = (0.0, 0.0)
    """Each batch draws here the share of windows that are mixed."""
    time_masks: int = 0
    time_mask_s: float = 0.0
    """Longest time mask of SpecAugment."""
    mel_masks: int = 0
    mel_mask_bands: int = 0
    """Widest band mask of SpecAugment."""

    def __post_init__(self) -> None:
        allowed = {
            "low_pass_share": (0.0, 1.0),
            "background_share": (0.0, 1.0),
            "freq_mix_style_share": (0.0, 1.0),
            "freq_mix_style_alpha": (1e-3, 1e3),
            "stretch": (0.0, 0.9),
            "mel_shift": (0.0, 32.0),
            "equalizer_db": (0.0, 40.0),
        }
        for key, (low, high) in allowed.items():
            if not low <= getattr(self, key) <= high:
                raise DataError(f"{key} must be {low:g} to {high:g}, got {getattr(self, key)!r}")


@dataclass(frozen=True, slots=True)
class TransferRecipe:
    """What is taken from a network that was trained on other data (`--backbone`)."""

    backbone: Literal["none", "blocks", "network"] = "none"
    """"blocks": the convolutional blocks, as the paper. "network": all but the scene layer."""
    freeze: bool = False
    """Keep the blocks as they come: weights, and the statistics of their batch normalisation."""


@dataclass(frozen=True, slots=True)
class SemiRecipe:
    """Stages 2 and 3 of the paper: label the unlabelled training clips, then train on both."""

    epochs: int = 0
    """Longest stage 3; 0 = stage 1 alone."""
    learning_rate: float = 1e-4
    threshold: float = 0.0
    """Leave out windows of which the network is less sure than this."""
    balance: bool = False
    """Draw pseudo-labelled windows so that every scene they were given is as frequent."""
    labelled_share: float = 0.0
    """Share of a batch drawn from the truly labelled windows; 0 = as many as there are of them."""
    restart: bool = False
    """Stage 3 begins with fresh weights; else with those of stage 1, as in the paper."""


@dataclass(frozen=True, slots=True)
class Int8Recipe:
    """The last stage: make the network one that int8 computes as float does."""

    clip_share: float = 0.0
    """Bound every tensor to what it reaches on training windows, but for this share at either end,
    and put the weights on their int8 grid; 0 = leave the network as it was trained."""
    epochs: int = 0
    """Train on, with tensors rounded as in int8, to give what the unbounded network gives."""
    learning_rate: float = 3e-5

    def __post_init__(self) -> None:
        if not 0.0 <= self.clip_share <= 0.1:
            raise DataError(f"clip_share must be 0 to 0.1, got {self.clip_share!r}")
        if self.epochs < 0:
            raise DataError(f"epochs must be at least 0, got {self.epochs}")
        if self.epochs > 0 and self.clip_share == 0.0:
            raise DataError(
                "int8 epochs (--qat) need a clip_share above 0: put clip_share = 1e-3 under [int8],"
                " as the shipped recipes have it"
            )


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to train one network."""

    name: str
    description: str
    licence: str = "unspecified"
    """Licence of the trained weights, which the data decides."""
    data: DataRecipe = field(default_factory=DataRecipe)
    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)
    loop: LoopRecipe = field(default_factory=LoopRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    transfer: TransferRecipe = field(default_factory=TransferRecipe)
    semi: SemiRecipe = field(default_factory=SemiRecipe)
    int8: Int8Recipe = field(default_factory=Int8Recipe)

    def __post_init__(self) -> None:
        variant = self.network.variant
        if self.int8.clip_share > 0.0 and variant not in BLOCKS:
            raise DataError(
                f"[int8] is for the variants {' and '.join(BLOCKS)}, not for {variant!r}: leave the"
                " section out"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON types."""
        return asdict(self)


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPE_FOLDER.glob("*.toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a shipped recipe by name, or any recipe by path.

    Raises:
        DataError: no such recipe, not TOML, an unknown or missing key, a value of a wrong kind.
    """
    path = RECIPE_FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        raise DataError(
            f"no recipe {name_or_path!r}: give the path of a .toml file, or one of "
            f"{', '.join(shipped_recipes())}"
        )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a TOML file: {error}") from error
    return _build(Recipe, table, f"{path}: ")


def _build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make the dataclass `cls` from `table`; `where` begins every error."""
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            near = get_close_matches(key, hints, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(hints)}"
            raise DataError(f"{where}unknown key {key!r}; {advice}")
    for part in fields(cls):  # type: ignore[arg-type]
        if part.default is MISSING and part.default_factory is MISSING and part.name not in table:
            raise DataError(f"{where}the key {part.name!r} is missing")
    values = {key: _convert(hints[key], value, f"{where}{key}") for key, value in table.items()}
    try:
        return cls(**values)
    except DataError as error:  # a value out of range
        raise DataError(f"{where}{error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - any TOML value
    """Return `value` as the type `hint`, or raise a DataError that begins with `where`."""
    if is_dataclass(hint) and isinstance(value, dict):
        return _build(hint, value, f"{where}.")  # type: ignore[arg-type]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal and value in args:
        return value
    if origin is tuple and isinstance(value, list):
        items = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(items) == len(value):
            return tuple(_convert(item, v, where) for item, v in zip(items, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: _convert(args[1], v, f"{where}.{key}") for key, v in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    allowed = f"one of {args}" if origin is Literal else getattr(hint, "__name__", str(hint))
    raise DataError(f"{where} must be {allowed}, got {value!r}")
