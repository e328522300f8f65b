#!/usr/bin/env bash
# Write constraints.txt from what .venv/dev holds now; see CONTRIBUTING.md.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/dev/bin/python -m pip check >&2
{
    cat <<'HEADER'
# The versions of the development environment, for Python 3.11: `make test` installs exactly these.
# They were tried together; the ranges in setup.cfg are what users get. To renew: change .venv/dev with
# pip until all tests pass, then run tools/renew_constraints.sh.
HEADER
    # A local version such as 2.13.0+cpu names one machine's build; any build of that release will do.
    .venv/dev/bin/python -m pip freeze --exclude-editable 2>/dev/null | sed 's/+[a-z0-9.]*$//'
} >constraints.txt
