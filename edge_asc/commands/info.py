"""`edge-asc info`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.options import (
    DEMONSTRATION_NOTE,
    PATH,
    format_option,
    read_trust,
    trust_option,
)
from edge_asc.errors import ModelFileError
from edge_asc.scenes import display_name

if TYPE_CHECKING:
    from edge_asc.model_file import Manifest, ModelFile

_LABEL_WIDTH = 16


@click.command("info")
@click.argument("model", required=False, type=PATH)
@trust_option
@format_option
def show_model(model: Path | None, trust: Path | None, output_format: str) -> None:
    """Verify a model file and print its card.

    The card tells what the model is, what made it and how well it does. Without MODEL, that of the
    installed model (see `update`), else of the one that is shipped with the package.
    """
    from edge_asc.model_file import ModelFile
    from edge_asc.update import model_in_use

    trusted = read_trust(trust)
    path = model or model_in_use()
    file = ModelFile.read(path, trusted)
    if output_format == "json":
        signature = file.signature
        values = {
            "file": str(path),
            "size_bytes": file.size_bytes,
            "signature": signature and {"key_id": signature.key_id, "trusted": trusted is not None},
            "manifest": asdict(file.manifest),
        }
        click.echo(json.dumps(values, indent=1))
        return
    try:
        lines = list(_describe(path, file, is_trusted=trusted is not None))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path}: its report or card is not as `edge-asc export` writes it"
            f" ({type(error).__name__}: {error}); --format json shows it"
        ) from error
    for line in lines:
        click.echo(line)


def _describe(path: Path, file: ModelFile, *, is_trusted: bool) -> Iterator[str]:
    """What people want to know of a model; `--format json` has all the rest."""
    facts, features = file.manifest, file.manifest.features
    milliseconds = 1000 / features.sample_rate_hz
    cell = f", streamed in cells of {facts.cell_frames} frames" if facts.cell_frames else ""
    if facts.demonstration:
        yield DEMONSTRATION_NOTE
    rows = {
        "name": facts.name,
        "file": f"{path}, {file.size_bytes / 1e6:.3f} MB",
        "verified": f"{len(facts.sha256)} parts by SHA-256",
        "signature": _signature(file, is_trusted),
        "scenes": ", ".join(map(display_name, facts.scenes)),
        "trained cities": ", ".join(facts.trained_cities) or "none",
        "features": f"{features.num_mels} mel bands {features.fmin_hz:g}-{features.fmax_hz:g} Hz of"
        f" {features.sample_rate_hz} Hz sound,"
        f" frames of {features.window_samples * milliseconds:g} ms every"
        f" {features.hop_samples * milliseconds:g} ms",
        "window": f"{facts.window_s:g} s{cell}",
        "network": f"variant {facts.variant}, fusion {facts.fusion}, {facts.quantization}",
        "temperature": _temperature(facts),
        "decisions": _decisions(facts),
        "golden windows": _golden(facts),
        "recipe": str(facts.recipe.get("name", "not recorded")),
        "licence": facts.licence,
        "made with": ", ".join(f"{name} {version}" for name, version in facts.versions.items()),
    }
    for label, value in rows.items():
        yield f"{label:<{_LABEL_WIDTH}} {value}"
    yield from _section("parity", _parity(facts.parity))
    yield from _section("size", _footprint(facts.footprint))
    yield from _section("measured", _evaluation(facts.card.get("evaluation", {})))
    yield from _section("card", str(facts.card.get("text", "")).splitlines())


def _signature(file: ModelFile, is_trusted: bool) -> str:
    if file.signature is None:
        return "none"
    key_id = file.signature.key_id
    return f"by the trusted key {key_id}" if is_trusted else f"says key {key_id}; --trust checks it"


def _golden(facts: Manifest) -> str:
    """Which interpreters must come how near to the logits that were kept."""
    golden = facts.golden
    equal = facts.quantization == "int8" and golden["reference"]
    allowed = [f"equal with {golden['reference']}"] if equal else []
    allowed += [
        f"within {measured['bound_logits']:.3g} with {name}"
        for name, measured in golden["runtimes"].items()
    ]
    others = " with others" if allowed else ""
    allowed.append(f"within {golden['bound_logits']:.3g}{others}")
    return f"{golden['windows']}, logits {', '.join(allowed)}"


def _footprint(footprint: Mapping[str, Any]) -> Iterator[str]:
    """What each network's file is made of, and what memory it takes in TensorFlow Lite Micro."""
    arenas, files = footprint.get("arena_bytes", {}), footprint.get("bytes", {})
    for network in ("whole", "encoder", "head"):
        facts = []
        if use := files.get(network):
            kinds = sorted((size, kind) for kind, size in use.items() if size and kind != "total")
            parts = (f"{kind.replace('_', ' ')} {size / 1000:.1f}" for size, kind in kinds[::-1])
            facts.append(f"{use['total'] / 1000:.1f} kB ({', '.join(parts)})")
        if network in arenas:
            facts.append(f"arena in TensorFlow Lite Micro {arenas[network] / 1000:.1f} kB")
        if facts:
            yield f"{network:<8} {', '.join(facts)}"


def _temperature(facts: Manifest) -> str:
    if facts.temperature == 1.0:
        return "1 (not fitted): confidence is as the network gives it"
    held_out = facts.decisions.get("held_out")
    fitted_on = _held_out(held_out) if held_out else "validation clips"
    return f"{facts.temperature:.3g}, fitted on {fitted_on}: confidence is calibrated by it"


def _decisions(facts: Manifest) -> str:
    config, drift = facts.decision_config, facts.drift_reference
    if drift is None or config.unknown_below is None:
        return "no unknown scene and no drift: not measured (see `edge-asc calibrate`)"
    held_out = facts.decisions["held_out"]
    return (
        f"unknown below a familiarity of {config.unknown_below:.3g}"
        f" ({100 * held_out['false_alarm_rate']:g} % of {_held_out(held_out)});"
        f" drift outside level {drift.level[0]:+.2f} to {drift.level[1]:+.2f},"
        f" colour {drift.colour:.2f} ({100 * drift.outside:g} % of them each)"
    )


def _held_out(facts: Mapping[str, Any]) -> str:
    return f"{facts['windows']} windows of {facts['groups']} groups, {facts['data']}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """`lines` under a title, nothing if there are none."""
    for number, line in enumerate(lines):
        if number == 0:
            yield f"\n{title}"
        yield f"  {line}".rstrip()


def _parity(report: Mapping[str, Any]) -> Iterator[str]:
    """How far the model is from the network that was trained, in each runtime of its export."""
    if not report:
        return
    yield f"{report['windows']} windows of {report['groups']} groups: {report['data']}"
    if "reference" not in report:
        yield from _parity_of_schema_2(report["stages"])
        return
    share = _share(report["reference_accuracy"], report["reference_interval"])
    yield f"the trained network in {report['reference']}: accuracy {share}"
    forms: dict[str, list[Mapping[str, Any]]] = {}
    for stage in report["stages"]:
        forms.setdefault(stage["form"], []).append(stage)
    for form, stages in forms.items():
        yield from _form(form, stages)
    if context := report["context"]:
        agreeing = sum(part["agreeing"] for part in context["attributes"])
        answers = sum(part["answers"] for part in context["attributes"])
        yield f"in every city, at every time: same scene in {agreeing} of {answers} answers"
    for runtime, why in report["not_run"].items():
        yield f"not run: {runtime}: {why}"


def _form(form: str, stages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for what computes the same, else one for each runtime, its worse way of running."""
    if stages[0]["kind"] == "float":
        off = max((stage["rounding"] or stage)["max_error"] for stage in stages)
        yield f"{form}: equal within {off:.1g} on a logit"
        return
    ways = list(dict.fromkeys(stage["way"] for stage in stages))
    yield f"{form}, {' or '.join(ways)}{', whichever is farther off' if len(ways) > 1 else ''}"
    worst: dict[str, Mapping[str, Any]] = {}
    for stage in stages:
        known = worst.setdefault(stage["runtime"], stage)
        if stage["max_error"] > known["max_error"]:
            worst[stage["runtime"]] = stage
    yield from map(_stage, worst.values())


def _stage(stage: Mapping[str, Any]) -> str:
    snr = "equal" if stage["snr_db"] is None else f"{stage['snr_db']:.1f} dB"
    points, (low, high) = stage["drop_points"], stage["drop_interval"]
    return (
        f"  {stage['runtime']:<39}{snr:>8}, another scene in {stage['num_flips']} of"
        f" {stage['windows']}, accuracy drop {points:+.2f} points ({low:+.2f} to {high:+.2f})"
    )


def _parity_of_schema_2(stages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A report of one runtime, without the drop."""
    for stage in stages:
        yield (
            f"{stage['stage']:<31} {stage['snr_db']:6.1f} dB, same scene in"
            f" {100 * stage['agreement']:.1f} %, accuracy"
            f" {_share(stage['accuracy'], stage['accuracy_interval'])}"
        )


def _evaluation(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Accuracy of the network, or of those that the same recipe gave fold by fold."""
    scores = metrics.get("pooled", metrics.get("test"))
    if not scores:
        return
    clips = ", ".join(f"{count} of {name}" for name, count in metrics.get("test_clips", {}).items())
    if "folds" in metrics:
        count = len(metrics["folds"])
        yield f"the recipe's networks of {count} folds, each on clips it never heard"
    yield f"test clips: {clips or 'not recorded'}"
    if not metrics.get("test_is_fair", True):
        yield "on clips of sets that are only ever trained on: nothing about real sound"
    counts = f"{scores['num_windows']} windows of {scores['num_groups']} groups"
    yield f"accuracy {_share(scores['accuracy'], scores['accuracy_interval'])} on {counts}"
    yield f"macro recall {_share(scores['macro_recall'], scores['macro_recall_interval'])}"
    yield f"always the most frequent scene: {100 * scores['majority_rate']:.1f} %"
    for scene, recall in scores["recall"].items():
        shown = "not testable" if recall is None else f"{100 * recall:.1f} %"
        yield f"  {display_name(scene):<18} {shown}"


def _share(share: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{100 * share:.1f} % (95 % interval {100 * low:.1f} - {100 * high:.1f})"
