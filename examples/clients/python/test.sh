#!/bin/sh
# Installs the pinned libraries into $CHAOS_BUILD/venv unless they are there, and runs the tests.
set -eu
venv=$CHAOS_BUILD/venv
if ! cmp -s requirements.txt "$venv/made-from"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    install="$venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet
        --require-hashes --only-binary=:all: --requirement requirements.txt"
    $install || { sleep 15; $install; }
    cp requirements.txt "$venv/made-from"
fi
"$venv/bin/python" -B -m unittest test_aquaware_auth
