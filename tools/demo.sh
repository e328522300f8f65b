#!/usr/bin/env bash
# The main job on the default model: a recording played as a live stream, then the microphone if there is one.
# Arguments go to `edge-asc listen`: --fast plays the recording as fast as the machine can.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/demo/bin:$PATH"
recording=.cache/demo/tour.flac

say() { printf '\n%s\n' "$*" >&2; }

# Ctrl-C is for `edge-asc listen`, which ends cleanly with a summary and exit code 130.
listen() {
    trap : INT
    edge-asc listen "$@" || [ $? -eq 130 ]
    trap - INT
}

has_microphone() {
    local devices
    devices=$(edge-asc devices --format json) || return 1    # it has said why on stderr
    python -c 'import json, sys; sys.exit(not json.loads(sys.argv[1]))' "$devices"
}

if [ ! -e "$recording" ]; then
    mkdir -p "$(dirname "$recording")"
    edge-asc synth --recording "$recording" --scenes urban_park,metro --seconds 20
fi
say "A synthetic recording, made by edge-asc synth: 20 s of urban park, then 20 s of metro."
say "\$ edge-asc listen --source $recording $*"
listen --source "$recording" "$@"

if ! has_microphone; then
    say "No microphone found. Plug one in and type: .venv/demo/bin/edge-asc listen"
elif [ ! -t 1 ]; then
    say "A microphone is there; in a terminal the demo would go on with it."
else
    say "\$ edge-asc listen        (your microphone; Ctrl-C ends)"
    listen
fi
