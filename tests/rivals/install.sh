#!/bin/sh
# Puts the driver beside the pinned libraries, below $CHAOS_BUILD.
set -eu
rivals=$CHAOS_BUILD/rivals
mkdir -p "$rivals"
cp package.json package-lock.json driver.mjs ../../clients/js/test/storm.mjs "$rivals"
cd "$rivals"
cmp -s package-lock.json node_modules/made-from && exit
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
cp package-lock.json node_modules/made-from
