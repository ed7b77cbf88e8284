"""What is on a figure: panels, legends, lines."""


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def legend(figure):
    return [text.get_text() for box in figure.legends for text in box.get_texts()]


def lines(axes, colour, **wanted):
    found = [line for line in axes.get_lines() if line.get_color() == colour]
    return [line for line in found if all(getattr(line, f"get_{key}")() == value for key, value in wanted.items())]
