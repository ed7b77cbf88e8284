import numpy
import pytest

from unlearning_robustness.figures.style import pyplot, save, style


@pytest.fixture(autouse=True)
def styled():
    with style():
        yield
    pyplot.close("all")


def saved(folder, width):
    """The bytes of a figure with one line, its axes so wide."""
    figure, axes = pyplot.subplots(figsize=(3, 2))
    axes.plot([0, 1])
    axes.set_position([0.1, 0.2, width, 0.7])
    paths = [folder / f"figure.{kind}" for kind in ("svg", "pdf")]
    save(figure, *paths)
    return [path.read_bytes() for path in paths]


def test_the_last_bits_of_a_position_change_no_byte(tmp_path):
    assert saved(tmp_path, 0.7) == saved(tmp_path, 0.7 + 1e-9)
    assert saved(tmp_path, 0.7) != saved(tmp_path, 0.71)


@pytest.mark.parametrize("layout", ["constrained", "tight"])
def test_axes_stay_where_the_layout_puts_them(tmp_path, layout):
    figure, panels = pyplot.subplots(1, 2, figsize=(4, 2), layout=layout)
    panels[0].set_ylabel("a label\nof three\nlines")
    figure.draw_without_rendering()
    expected = [axes.get_position().bounds for axes in panels]
    before = pyplot.figure().add_subplot(1, 2, 1).get_position().bounds
    save(figure, tmp_path / "figure.svg", tmp_path / "figure.pdf")
    for axes, bounds in zip(panels, expected, strict=True):
        numpy.testing.assert_allclose(axes.get_position().bounds, bounds, atol=0.002)
    assert abs(expected[0][0] - before[0]) > 0.02
