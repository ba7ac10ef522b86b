#!/bin/sh
# Installs the real servers that some tests run beside Doorward. Needs root; a test whose server is absent is skipped.
set -eu
wanted="nginx-light haproxy testssl.sh chromium pebble"
# shellcheck disable=SC2086 # a list of names
dpkg -s $wanted > /dev/null 2>&1 || {
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $wanted
}
