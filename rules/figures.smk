"""Tables, figures and findings: queries over records, without a model or a GPU."""

TABLE_NAMES = [
    "accuracy",
    "relations",
    "differences",
    "token_effects",
    "relearning",
    "attacks",
    "attacked_differences",
    "recovery",
    "recovery_differences",
    "early_recovery",
    "matrix",
    "matrix_differences",
    "interactions",
    "measures",
    "costs",
    "attack_costs",
    "token_counts",
    "latents",
    "rejection",
    "sharpness",
    "sharpness_correlations",
    "landscape",
    "memorisation",
    "tofu",
    "published",
]
PLACE = "{model}/{benchmark}"
TABLES = expand(f"{RESULTS}/tables/{{table}}.csv", table=TABLE_NAMES)
PLACES = {"model": STUDY["models"], "benchmark": STUDY["benchmarks"]}
FIGURES = expand(
    f"{RESULTS}/figures/{PLACE}/{{figure}}.svg", figure=STUDY["figures"], **PLACES
)
EXPECTED = expected_of(CONFIG)
PAGES = [
    "findings",
    "summary",
    "examples",
    *(["claims"] if CONFIG["claims"] else []),
    *(["published"] if EXPECTED else []),
]
FINDINGS = expand(f"{RESULTS}/tables/{PLACE}/{{page}}.html", page=PAGES, **PLACES)


rule tables:
    """Every estimate with its interval, as csv and markdown."""
    input:
        records=RECORDS,
        measures=MEASURES,
        latents=LATENTS,
        sharpness=SHARPNESS,
        landscapes=LANDSCAPES,
        memorisation=[*MEMORISATION, *RETRAINED],
        attacks=ATTACKED,
        retain_log=RETAIN_LOG,
    output:
        csv=TABLES,
        markdown=expand(f"{RESULTS}/tables/{{table}}.md", table=TABLE_NAMES),
    log:
        f"{LOGS}/tables.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config={
            key: CONFIG[key]
            for key in ("analysis", "defences", "latents", "memorisation", "probes")
            if key in CONFIG
        }
        | {"expected": EXPECTED},
        code=code_digest("analysis.tables"),
    script:
        "../workflow_scripts/tables.py"


rule figure:
    """One figure of one model and benchmark."""
    input:
        tables=TABLES,
    output:
        svg=report(
            f"{RESULTS}/figures/{PLACE}/{{figure}}.svg",
            caption="../report/figure.rst",
            category="2. Figures",
            labels={
                "model": "{model}",
                "benchmark": "{benchmark}",
                "figure": "{figure}",
            },
        ),
        pdf=f"{RESULTS}/figures/{PLACE}/{{figure}}.pdf",
    log:
        f"{LOGS}/figure/{PLACE}/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(STUDY["figures"]),
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=CONFIG,
        code=lambda wildcards: code_digest(
            module_of("figures.FIGURES", wildcards.figure)
        ),
    script:
        "../workflow_scripts/figure.py"


rule findings:
    """What the numbers say, in words, and a page of example answers."""
    input:
        tables=TABLES,
        records=RECORDS,
        manifest=rules.build_questions.output.manifest,
    output:
        findings=report(
            f"{RESULTS}/tables/{PLACE}/findings.html",
            caption="../report/findings.rst",
            category="1. What was found",
            labels={
                "model": "{model}",
                "benchmark": "{benchmark}",
                "page": "findings",
            },
        ),
        summary=report(
            f"{RESULTS}/tables/{PLACE}/summary.html",
            caption="../report/summary.rst",
            category="1. What was found",
            labels={
                "model": "{model}",
                "benchmark": "{benchmark}",
                "page": "main table",
            },
        ),
        examples=report(
            f"{RESULTS}/tables/{PLACE}/examples.html",
            caption="../report/examples.rst",
            category="1. What was found",
            labels={
                "model": "{model}",
                "benchmark": "{benchmark}",
                "page": "example answers",
            },
        ),
        markdown=multiext(
            f"{RESULTS}/tables/{PLACE}/", "findings.md", "summary.md", "examples.md"
        ),
    log:
        f"{LOGS}/findings/{PLACE}.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=CONFIG,
        code=code_digest("report.findings", "report.summary", "report.examples"),
    script:
        "../workflow_scripts/findings.py"


rule claims:
    """The register: every claim of the papers with the measurement and the rule that decide it."""
    input:
        tables=TABLES,
    output:
        page=report(
            f"{RESULTS}/tables/{PLACE}/claims.html",
            caption="../report/claims.rst",
            category="1. What was found",
            labels={
                "model": "{model}",
                "benchmark": "{benchmark}",
                "page": "claims register",
            },
        ),
        markdown=f"{RESULTS}/tables/{PLACE}/claims.md",
    log:
        f"{LOGS}/claims/{PLACE}.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        claims=CONFIG["claims"],
        code=code_digest("report.claims"),
    script:
        "../workflow_scripts/claims.py"


rule published:
    """Published numbers beside ours."""
    input:
        tables=TABLES,
    output:
        page=report(
            f"{RESULTS}/tables/{PLACE}/published.html",
            caption="../report/published.rst",
            category="1. What was found",
            labels={
                "model": "{model}",
                "benchmark": "{benchmark}",
                "page": "published numbers",
            },
        ),
        markdown=f"{RESULTS}/tables/{PLACE}/published.md",
    log:
        f"{LOGS}/published/{PLACE}.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config={axis: CONFIG[axis] for axis in ("methods", "defences")},
        code=code_digest("report.published"),
    script:
        "../workflow_scripts/published.py"


rule landing:
    """The report's first page: the findings of every model and benchmark, and how to read the rest."""
    input:
        expand(f"{RESULTS}/tables/{PLACE}/findings.md", **PLACES),
        local(f"{ROOT}/report/guide.md"),
    output:
        paths.landing,
    log:
        f"{LOGS}/landing.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_digest("report.markup"),
    script:
        "../workflow_scripts/landing.py"
