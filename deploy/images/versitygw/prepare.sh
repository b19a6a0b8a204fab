#!/bin/bash
# Builds versitygw into the folder $1. The binary is static, so it is built out here, while waggle/base is still being made.
set -euo pipefail
# shellcheck source=deploy/images/go.sh
. "$(dirname "$0")/../go.sh"

use_go "$1/go"
# A binary for this machine lands in GOBIN under its own name.
GOBIN=$1 go install -trimpath -ldflags '-s -w' github.com/versity/versitygw/cmd/versitygw@v1.8.0
rm -rf "$1/go"
