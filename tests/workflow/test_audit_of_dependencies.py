"""What continuous integration makes of pip-audit's report."""

import importlib.util
import subprocess

import pytest

from studies import ROOT

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found on PyPI"}
FLAWED = {"name": "flawed", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([SOUND], 0, "1 of 1 packages audited, 0 known vulnerabilities"),
        ([SOUND, UNKNOWN], 0, "1 of 2 packages audited, 0 known vulnerabilities"),
        ([SOUND, FLAWED], 1, "2 of 2 packages audited, 1 known vulnerabilities\nflawed 2.0: PYSEC-1, mended in 2.1"),
        ([UNKNOWN], 0, "note: no advisories can be reached, no package is audited"),
    ],
)
def test_a_known_vulnerability_fails_and_what_was_not_looked_up_is_not_called_sound(audit, dependencies, code, said):
    assert audit.verdict(dependencies) == (code, said)


@pytest.mark.parametrize("failure", [OSError("no network"), subprocess.TimeoutExpired("pip", 300)])
def test_where_nothing_can_be_asked_one_line_says_so(audit, monkeypatch, capsys, failure):
    def fails(*_):
        raise failure

    monkeypatch.setattr(audit, "audited", fails)
    assert audit.main() == 0
    assert capsys.readouterr().out.startswith("note: the audit of dependencies is skipped (")
