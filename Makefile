# Two commands: `make study` and `make test`. Both do all set-up first.
#   make test-slow            the tests that take longer: whole studies, every family of models, the cluster
#   make study STUDY=full     another study of studies/
#   make tune                 derive every tuned number again on the select split
#   make plan STUDY=full      the jobs of a study and what they will cost, without running them
#   make new STUDY=mine       a study of your own model and texts to fill in: studies/mine.yaml
#   make audit MODEL=unlearned REFERENCE=before   what is left in a model that was unlearned elsewhere: docs/audit.md
#   make compare-claims A=results/world B=results/rna   the claims of two studies side by side, from their tables
#   make compare A=results/a B=results/b   the first stage in which two runs of a study differ, and by how much
#   make seal FILES=results/cells/...   let jobs read files that no job of this checkout wrote: docs/artefacts.md
#   make figures              tables, figures and findings from records alone; with FROM=published from published ones
#   make publish STUDY=rna    a study's records, compact, into results/published
#   make bench                speed and memory against the plain ways, with equal results: benchmarks/RESULTS.md
#   make docs                 the documentation as a site, with pages of the package: site/index.html
#   make release VERSION=1.2.3  release a version: its number in three files, a commit and a tag
#   make export CELL=model/benchmark/method/defence/seed0   with ATTACK=relearn: after that attack
#   make samples RECORDS=results/records/CELL/ATTACK/records.parquet   as lm-eval writes samples: docs/records.md

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := study

PYTHON ?= python3
CORES ?= all
STUDY ?=
# Tests of one file share their fixtures, so each file runs in one process.
TEST_PROCESSES ?= 2
PYTEST = . .venv/bin/activate && OMP_NUM_THREADS=1 python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
PYTHON_FOLDERS := src workflow_scripts tests benchmarks
STAMP := .venv/.installed
DOCS_STAMP := .venv/.docs-installed
OVERLAY := $(if $(STUDY),studies/$(STUDY).yaml)
SNAKEMAKE = . .venv/bin/activate && snakemake --cores $(CORES) $(if $(OVERLAY),--configfile $(OVERLAY))
RESULTS = $(shell sed -n "s/^  results: *\([^ ]*\).*/\1/p" $(if $(OVERLAY),$(OVERLAY),config.yaml))
STUDY_NAME = $(shell sed -n "s/^  name: *\([^ ]*\).*/\1/p" $(or $(OVERLAY),config.yaml))
# Rules that read records alone.
FIGURE_RULES := $(addprefix tables_,accuracy recovery trajectory matrix sharpness memorisation latents yardstick prompts published claims) figure paper_figure paper_table page index landing figures

.PHONY: study new audit report tune figures publish compare compare-claims seal export samples plan bench test test-slow docs lint format setup release clean

setup: $(STAMP)

$(STAMP): requirements.lock
	@PYTHON="$(PYTHON)" ./setup.sh

study: $(STAMP)
	@test -z "$(OVERLAY)" || test -f "$(OVERLAY)" || { echo "error: no study $(OVERLAY); there are: $$(ls studies)"; exit 2; }
	@$(SNAKEMAKE)
	@$(MAKE) --no-print-directory report
	@echo "Done. Open $(RESULTS)/index.html; $(RESULTS)/report.zip has it and every figure, $(RESULTS)/tables every number."

new:
	@[[ "$(STUDY)" =~ ^[a-z0-9][a-z0-9-]*$$ ]] || { echo "error: say which, in small letters: make new STUDY=mine"; exit 2; }
	@test ! -e $(OVERLAY) || { echo "error: $(OVERLAY) is there already: edit it, or take another name"; exit 2; }
	@sed 's/STUDY=own/STUDY=$(STUDY)/g; s/^  name: own$$/  name: $(STUDY)/; s|results/own$$|results/$(STUDY)|' studies/own.yaml > $(OVERLAY)
	@echo "Done. Fill in the ten lines of $(OVERLAY)."

# MODEL, QUESTIONS, TEXTS and BESIDE may name several, with spaces between them. A dry run would run a line with MAKE.
AUDITED := MODEL REFERENCE NEVER NAME QUESTIONS TEXTS BESIDE
audit: $(STAMP)
	@study=$$(PYTHONPATH=src .venv/bin/python -m unlearning_robustness.workflow.audit \
	  $(foreach key,$(AUDITED),$(if $($(key)),--$(shell echo $(key) | tr A-Z a-z) $($(key))))) && \
	  make --no-print-directory study OVERLAY=$$study

# Rebuilt only when a figure or table is newer.
report: $(STAMP)
	@if [ ! -f $(RESULTS)/report.zip ] || \
	   [ -n "$$(find $(RESULTS)/figures $(RESULTS)/tables -type f -newer $(RESULTS)/report.zip -print -quit)" ]; then \
	   $(SNAKEMAKE) --report $(RESULTS)/report.zip; fi

tune: $(STAMP)
	@$(SNAKEMAKE) -- tuning
	@cat $(RESULTS)/logs/tuning.log

figures: $(STAMP)
	@test -z "$(FROM)" || PYTHONPATH=src .venv/bin/python -m unlearning_robustness.evaluation.publication \
	  results/$(FROM)/$(STUDY_NAME) $(RESULTS)
	@$(SNAKEMAKE) --allowed-rules $(FIGURE_RULES) --rerun-triggers mtime params code -- figures

publish: $(STAMP)
	@$(SNAKEMAKE) -- publish

compare-claims: $(STAMP)
	@PYTHONPATH=src .venv/bin/python -m unlearning_robustness.workflow.compare_claims $(A) $(B)

compare: $(STAMP)
	@test -n "$(A)" -a -n "$(B)" || { echo "error: say which: make compare A=results/a B=results/b"; exit 2; }
	@PYTHONPATH=src .venv/bin/python -m unlearning_robustness.workflow.compare $(A) $(B)

seal: $(STAMP)
	@PYTHONPATH=src .venv/bin/python -m unlearning_robustness.runtime.sealing $(RESULTS) $(FILES)

export: $(STAMP)
	@test -n "$(CELL)" || { echo "error: say which: make export CELL=model/benchmark/method/defence/seed0"; exit 2; }
	@$(SNAKEMAKE) -- exports/$(CELL)$(if $(ATTACK),.$(ATTACK))
	@echo "Done. The model is in exports/$(CELL)$(if $(ATTACK),.$(ATTACK))."

samples: $(STAMP)
	@test -n "$(RECORDS)" || { echo "error: say which: make samples RECORDS=results/records/CELL/ATTACK/records.parquet"; exit 2; }
	@PYTHONPATH=src .venv/bin/python -m unlearning_robustness.evaluation.samples $(RECORDS) exports/samples

plan: $(STAMP)
	@$(SNAKEMAKE) --dry-run --quiet rules reason host 2>&1 | awk '!done; /^total/ {done = 1}'
	@$(SNAKEMAKE) --quiet all -- plan > /dev/null || { cat $(RESULTS)/logs/plan.log; exit 1; }
	@cat $(RESULTS)/logs/plan.log

bench: $(STAMP)
	@$(SNAKEMAKE) --quiet all -- resources/models/smollm2-135m-instruct
	@. .venv/bin/activate && OMP_NUM_THREADS=1 python benchmarks/speed.py \
	  resources/models/smollm2-135m-instruct benchmarks/RESULTS.md

lint: $(STAMP)
	@. .venv/bin/activate && ruff check $(PYTHON_FOLDERS) && ruff format --check $(PYTHON_FOLDERS)
	@. .venv/bin/activate && snakefmt --check Snakefile rules && snakemake --lint

format: $(STAMP)
	@. .venv/bin/activate && ruff format $(PYTHON_FOLDERS) && ruff check --fix $(PYTHON_FOLDERS) && snakefmt Snakefile rules

test: lint
	@$(PYTEST) -m "not slow"

test-slow: $(DOCS_STAMP)
	@$(PYTEST) -m slow

$(DOCS_STAMP): requirements-docs.lock $(STAMP)
	@.venv/bin/pip install --quiet --disable-pip-version-check -c requirements.lock -r requirements-docs.lock
	@touch $@

docs: $(DOCS_STAMP)
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	@echo "Done. Open site/index.html."

release:
	@[[ "$(VERSION)" =~ ^[0-9]+\.[0-9]+\.[0-9]+$$ ]] || { echo "error: say which: make release VERSION=1.2.3"; exit 2; }
	@test -z "$$(git status --porcelain)" || { echo "error: commit or remove first what git status shows"; exit 2; }
	@sed -i 's/^__version__ = .*/__version__ = "$(VERSION)"/' src/unlearning_robustness/__init__.py
	@sed -i 's/^version: .*/version: $(VERSION)/' CITATION.cff
	@sed -i 's/^## Unreleased$$/## Unreleased\n\n## $(VERSION)/' CHANGELOG.md
	@git commit -qam "Release $(VERSION)" && git tag -a "v$(VERSION)" -m "Version $(VERSION)"
	@echo "Done. Publish it: git push --follow-tags"

clean:
	find results -mindepth 1 -not -name README.md -not -path 'results/published*' -delete; rm -rf .snakemake exports
