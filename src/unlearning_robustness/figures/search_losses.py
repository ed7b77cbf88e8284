"""How searches over prompts and inputs went: their losses, beside those of their positive control."""

from math import ceil
from textwrap import fill

from unlearning_robustness.analysis.trigger_controls import CONTROL
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures import style
from unlearning_robustness.figures.style import pyplot
from unlearning_robustness.report.context import ReportContext

READS = ("search_losses", "trigger_controls")
SETTINGS = ("attacks",)
CAPTION = (
    "Loss of a search over its steps, mean over seeds; bands: least and most of the seeds. Dashed: the positive "
    "control, the reference behind a lock that one token opens. A search that does not open it, as its title then "
    "says, gives no verdict."
)
UNMEASURED = "This study searches no prompts."
COLUMNS, WIDTH, HEIGHT = 3, 2.8, 2.3


def draw(context: ReportContext):
    """One panel an attack and method, one line a defence, and the attack's control in each."""
    table, controls = context.tables["search_losses"], context.tables["trigger_controls"]
    methods = [REFERENCE, *context.methods()]
    panels = [(attack, method) for attack in dict.fromkeys(table["attack"]) for method in methods]
    panels = [panel for panel in panels if len(_rows(table, *panel))]
    if not panels:
        return style.nothing(UNMEASURED)
    failed = set(controls.loc[controls["passed"].eq(False), "attack"])
    columns = min(COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    figure, grid = pyplot.subplots(rows, columns, squeeze=False, figsize=(WIDTH * columns, 0.8 + HEIGHT * rows))
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (attack, method) in zip(grid.flat, panels, strict=False):
        _panel(context, axes, _rows(table, attack, method), _rows(table, attack, CONTROL))
        verdict = "\nfailed its control: no verdict" if attack in failed else ""
        title = fill(f"{context.method_label(method)}: {context.attack_label(attack)}", 36)
        axes.set_title(f"{title}{verdict}", fontsize=8)
        axes.set(xlabel="step", ylabel="loss")
        axes.xaxis.get_major_locator().set_params(integer=True)
    style.legend(figure, style.handles(grid.flat), ncols=4)
    return figure


def _panel(context: ReportContext, axes, rows, control) -> None:
    for defence in (NONE, *context.defences):
        own = rows[rows["defence"] == defence]
        if len(own):
            colour, label = style.look(context, defence)["color"], context.defence_label(defence)
            axes.plot(own["step"], own["loss"], color=colour, label=label)
            axes.fill_between(own["step"], own["least"], own["most"], color=colour, alpha=0.15, linewidth=0)
    axes.plot(control["step"], control["loss"], color="black", linestyle="--", label="positive control")


def _rows(table, attack: str, method: str):
    return table[(table["attack"] == attack) & (table["method"] == method)].sort_values("step")
