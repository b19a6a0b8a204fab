#!/bin/bash
# Builds the OpenTelemetry Collector with the components of builder.yaml into the folder $1, by the Collector's own builder: the public
# image's binary is only published where it is. Static, so it is built out here, while waggle/base is still being made.
set -euo pipefail
# shellcheck source=deploy/images/go.sh
. "$(dirname "$0")/../go.sh"

use_go "$1/go"
cd "$1"
GOBIN=$1 go install go.opentelemetry.io/collector/cmd/builder@v0.157.0
./builder --config builder.yaml
mv build/otelcol-contrib .
rm -rf build builder go
