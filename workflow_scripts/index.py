"""Rule index."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.page.build import build
    from unlearning_robustness.page.study import Study

    files = {kind: [Path(path) for path in snakemake.input.get(kind, [])] for kind in
             ("tables", "figures", "records", "jobs", "manifests")}  # fmt: skip
    html, beside = Path(snakemake.output.html), Path(snakemake.output.answers)
    build(Study(snakemake.params.settings, html.parent, **files, times=Path(snakemake.params.times)), html, beside)
