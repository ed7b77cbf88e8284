"""Snakemake knows every target that the documentation names."""

import re
import shlex
from collections import defaultdict

import pytest
from pages import PAGES, ROOT, code
from running import planned


def documented_targets() -> dict[str, set[str]]:
    """Targets by the configuration file that the command gives, or none."""
    targets = defaultdict(set)
    for page in PAGES:
        for snippet in code(page.read_text()):
            for command in re.findall(r"^ *(snakemake .* -- .*)$", snippet, re.M):
                words = shlex.split(command, comments=True)
                file = words[words.index("--configfile") + 1] if "--configfile" in words else ""
                targets[file].update(words[words.index("--") + 1 :])
            targets[""].update(f"exports/{cell}" for cell in re.findall(r"\bCELL=(\S+)", snippet))
    return targets


TARGETS = documented_targets()


@pytest.mark.parametrize("file", TARGETS)
def test_documented_targets_are_planned(tmp_path, file):
    files = [ROOT / file] if file else []
    assert planned(*files, folder=tmp_path, targets=tuple(sorted(TARGETS[file])))
