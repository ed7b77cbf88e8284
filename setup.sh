#!/usr/bin/env bash
# Make .venv with the pinned dependencies. What is missing is named in one line with its package.
set -euo pipefail
PYTHON=${PYTHON:-python3}

fail() { echo "error: $1" >&2; exit 1; }

command -v "$PYTHON" >/dev/null || fail "$PYTHON is missing: apt-get install python3"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Python 3.11 or newer is needed, this is $("$PYTHON" --version 2>&1): set PYTHON=python3.11 (apt-get install python3.11)"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "Python's venv module is missing: apt-get install python3-venv"
command -v git >/dev/null || fail "git is missing: apt-get install git"

touch .write-test 2>/dev/null && rm .write-test || fail "cannot write to $(pwd): change its owner or clone elsewhere"
echo "installing pinned dependencies into .venv (once)"
"$PYTHON" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.lock 2>.venv/pip.log || {
  tail -n 3 .venv/pip.log >&2
  fail "the dependencies could not be installed (above): check the network and pip's index settings, then run again"
}
touch .venv/.installed
