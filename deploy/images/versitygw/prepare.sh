#!/bin/bash
# Builds versitygw into the folder $1, through the Go module proxy that this machine uses. The binary is static, so it is built out here,
# while waggle/base is still being made, with the machine's Go where that is new enough, else with Debian forky's.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=deploy/images/debian.sh
. "$here/../debian.sh"

go=$(command -v go || true)
have=$([ -z "$go" ] || "$go" env GOVERSION)
if [ "$(printf '%s\n' go1.25 "${have:-go0}" | sort -V | head -n 1)" != go1.25 ]; then
  fetch_packages forky "$1/go" golang-1.27-go golang-1.27-src
  go=$1/go/usr/lib/go-1.27/bin/go
  export GOPATH=$1/go/path GOCACHE=$1/go/cache GOFLAGS="${GOFLAGS:-} -modcacherw" # nobody here would use them again
fi
# GOTOOLCHAIN=local: what is here will do, so fetch no other Go. A binary for this machine lands in GOBIN under its own name.
CGO_ENABLED=0 GOTOOLCHAIN=local GOBIN=$1 "$go" install -trimpath -ldflags '-s -w' github.com/versity/versitygw/cmd/versitygw@v1.8.0
rm -rf "$1/go"
