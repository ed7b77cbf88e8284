"""Words: pages, one file each, with ``page(context)``: markdown.

A page's file has also its ``LABEL`` and ``CAPTION`` in the report, the tables that it ``READS``, and what it reads
``BESIDE`` them: ``records``, the benchmark's ``manifest``, or the ``matrices`` of other studies.
"""

from unlearning_robustness.config.kinds import PAGES as REGISTRY
from unlearning_robustness.config.kinds import Kinds

PAGES = Kinds(REGISTRY)
