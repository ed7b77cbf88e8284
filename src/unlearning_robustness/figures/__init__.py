"""Figures: one file each, with its ``CAPTION``, the tables that it ``READS``, and ``draw(context)``, which draws it.

``SETTINGS`` names what it reads of ``config.display.report_settings`` beside the methods and the defences.
A figure that a paper has too names in ``PAPER`` the paper, and the figure's number where it is known.
"""

from unlearning_robustness.config.kinds import FIGURES as REGISTRY
from unlearning_robustness.config.kinds import Kinds

FIGURES = Kinds(REGISTRY)
