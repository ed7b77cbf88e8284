import numpy
import pytest

from unlearning_robustness.figures.style import SHEET, WIDTH, pyplot, save, style


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


def test_a_png_has_300_dots_an_inch_and_no_date(tmp_path):
    files = []
    for number in range(2):
        figure, axes = pyplot.subplots(figsize=(3, 2))
        axes.plot([0, 1])
        save(figure, tmp_path / f"{number}.png")
        files.append((tmp_path / f"{number}.png").read_bytes())
    assert files[0] == files[1]
    height, width = pyplot.imread(tmp_path / "0.png").shape[:2]
    assert 2.5 < width / 300 < 3.2
    assert 1.5 < height / 300 < 2.2


def test_the_style_file_sets_fonts_and_the_width():
    sheet = {line.split(":")[0]: line.split(":")[1].strip() for line in SHEET.read_text().splitlines() if ": " in line}
    assert float(sheet["figure.figsize"].split(",")[0]) == WIDTH
    assert pyplot.rcParams["font.size"] == float(sheet["font.size"])
    assert pyplot.rcParams["pdf.fonttype"] == 42
