#!/usr/bin/env python3
"""Ask PyPI's advisories about every pinned package; fail for a known flaw, and say so where nothing can be asked."""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
MINUTES = 5


def audited(lock: Path, folder: Path) -> list[dict]:
    """What pip-audit says of each package: name, version and vulns, or skip_reason. Raises OSError where it cannot."""
    venv.create(folder / "venv", with_pip=True)
    python, report = folder / "venv" / "bin" / "python", folder / "report.json"
    quiet = {"capture_output": True, "text": True, "timeout": 60 * MINUTES, "check": False}
    installed = subprocess.run([python, "-m", "pip", "install", "--quiet", "pip-audit"], **quiet)
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--output", report]
    # It also returns 1 for what it finds, and writes its report at the very end.
    asked = subprocess.run([python, "-m", "pip_audit", "--requirement", lock, *options], **quiet)
    if not report.is_file():
        lines = [*installed.stderr.splitlines(), *asked.stderr.splitlines(), "no reason given"]
        raise OSError(next(line for line in reversed(lines) if line.strip())[:200])
    return json.loads(report.read_text())["dependencies"]


def verdict(dependencies: list[dict]) -> tuple[int, str]:
    """The exit code, and what was found in words. A package that could not be looked up is not said to be sound."""
    known = [entry for entry in dependencies if "skip_reason" not in entry]
    found = [
        f"{entry['name']} {entry['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for entry in known
        for flaw in entry["vulns"]
    ]
    if not known:
        return 0, "note: no advisories can be reached, no package is audited"
    said = f"{len(known)} of {len(dependencies)} packages audited, {len(found)} known vulnerabilities"
    return int(bool(found)), "\n".join([said, *found])


def main() -> int:
    """Audit the lock and print the verdict."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            code, said = verdict(audited(LOCK, Path(folder)))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        code, said = 0, f"note: the audit of dependencies is skipped ({error})"
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
