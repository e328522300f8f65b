from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from edge_asc.errors import ExportError
from edge_asc.export import layer_picture
from edge_asc.export.gru_drift import GruDrift
from edge_asc.export.layer_errors import layer_errors
from edge_asc.export.layer_picture import draw_drift, draw_layers
from tests.export.device_material import encoder, head
from tests.export.test_layer_errors import with_scale


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures as they are saved."""
    figures: list[Figure] = []
    save = layer_picture._save

    def keep(figure, path):
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(layer_picture, "_save", keep)
    return figures


def test_layers_stand_in_the_order_of_computation_with_their_figures(drawn, tmp_path):
    errors = layer_errors(head().float32, head().int8, head().windows[:2])
    draw_layers(tmp_path / "layers.png", errors, "head")
    (figure,) = drawn
    left, right = figure.axes
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert labels[0] == "steps"
    assert labels[-1] == "logits"
    assert "gru.state (3 steps)" in labels
    assert not [label for label in labels if "|" in label]  # what only moves adds nothing
    so_far = left.lines[0]
    by_name = {error.name: error for error in errors}
    for label, value in zip(labels, so_far.get_xdata(), strict=True):
        assert value == pytest.approx(by_name[label.split(" (")[0]].mean_snr_db)
    assert left.yaxis_inverted()
    widths = [patch.get_width() for patch in right.patches]
    assert sum(widths) == pytest.approx(
        sum(100 * max(e.at_ends, e.clipped) for e in errors if "|" not in e.name), abs=1e-6
    )
    assert imread(tmp_path / "layers.png").ndim == 3


def test_what_contradicts_is_marked_even_where_it_only_moves(drawn, tmp_path):
    broken = with_scale(encoder().int8, "blocks.0.mix|pad", 2.0)
    errors = layer_errors(encoder().float32, broken, encoder().windows[:1])
    draw_layers(tmp_path / "layers.png", errors, "encoder")
    labels = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert [label for label in labels if label.startswith("!")] == ["! blocks.0.mix|pad"]


def test_drift_is_drawn_as_the_largest_error_so_far(drawn, tmp_path):
    error = np.array([0.1, 0.3, 0.2], np.float32)
    draw_drift(tmp_path / "drift.png", {"real": GruDrift(error, np.ones(3, np.float32))})
    (line,) = drawn[0].axes[0].lines
    assert list(line.get_ydata()) == pytest.approx([0.1, 0.3, 0.3])
    assert list(line.get_xdata()) == [1, 2, 3]
    assert line.get_label() == "real"


def test_nothing_to_draw_is_an_error(tmp_path):
    with pytest.raises(ExportError, match="no layers to draw"):
        draw_layers(tmp_path / "layers.png", [], "none")
    with pytest.raises(ExportError, match="no drift to draw"):
        draw_drift(tmp_path / "drift.png", {})
    assert list(tmp_path.iterdir()) == []
