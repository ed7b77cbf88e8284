"""Where the workflow's own files lie: config.yaml, studies, schemas, rules and scripts."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
CLONE = PACKAGE.parents[1]
# A wheel has them inside the package.
ROOT = CLONE if (CLONE / "Snakefile").is_file() else PACKAGE / "shipped"
