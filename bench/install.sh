#!/bin/sh
# Installs what the benchmark runs beside Doorward. Needs root for the Debian packages; a peer that is absent is skipped.
set -eu
cd "$(dirname "$0")/.."
apt-get update -q
apt-get install -y -q --no-install-recommends nginx-light haproxy wrk libnginx-mod-http-modsecurity modsecurity-crs
python3 -m venv .venv-bench
.venv-bench/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/bench.lock
