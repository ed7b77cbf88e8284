"""Figures: one file each, with its ``CAPTION``, the tables that it ``READS``, and ``draw(context)``, which draws it.

``SETTINGS`` names what it reads of ``config.display.report_settings`` beside the methods and the defences.
"""

from unlearning_robustness.config.kinds import FIGURES as REGISTRY
from unlearning_robustness.config.kinds import Kinds

FIGURES = Kinds(REGISTRY)
