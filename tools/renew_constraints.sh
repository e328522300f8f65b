#!/usr/bin/env bash
# Write constraints.txt from what .venv/dev holds now, and constraints-converter.txt from .venv/converter and
# constraints-peers.txt from .venv/peers where these are; see CONTRIBUTING.md.
set -euo pipefail
cd "$(dirname "$0")/.."

# Checked before anything is written, so that a broken environment leaves its old file as it was.
freeze() {
    local python=.venv/$1/bin/python file=$2
    "$python" -m pip check >&2
    {
        cat
        # A local version such as 2.13.0+cpu names one machine's build; any build of that release will do.
        "$python" -m pip freeze --exclude-editable 2>/dev/null | sed 's/+[a-z0-9.]*$//'
    } >"$file.new"
    mv "$file.new" "$file"
}

freeze dev constraints.txt <<'HEADER'
# The versions of the development environment, for Python 3.11: `make test` installs exactly these.
# They were tried together; the ranges in setup.cfg are what users get. To renew: change .venv/dev with
# pip until all tests pass, then run tools/renew_constraints.sh.
HEADER

if [ -x .venv/converter/bin/python ]; then
    freeze converter constraints-converter.txt <<'HEADER'
# The versions of the second converter's environment, for Python 3.12: `make converter` installs exactly
# these. To renew: change .venv/converter with pip until `make converter` passes, then run
# tools/renew_constraints.sh.
HEADER
fi

if [ -x .venv/peers/bin/python ]; then
    freeze peers constraints-peers.txt <<'HEADER'
# The versions that `make bench-peers` compares, for Python 3.11: numpy, LiteRT and onnxruntime as users get them; torch,
# onnx and onnxsim as in constraints.txt. To renew: change .venv/peers with pip until `make bench-peers` leaves nothing
# out but tflite-runtime, then run tools/renew_constraints.sh.
HEADER
fi
