# shellcheck shell=bash
# Go for recipes that build from source through the Go module proxy that this machine uses. To be sourced.
# shellcheck source=deploy/images/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

# use_go FOLDER: puts a Go of 1.25 or newer first on the path: the machine's where that is new enough, else Debian forky's, unpacked into
# FOLDER with all that it fetches, for the caller to remove. Binaries are static and without debugging data.
use_go() {
  local go have
  go=$(command -v go || true)
  have=$([ -z "$go" ] || "$go" env GOVERSION)
  if [ "$(printf '%s\n' go1.25 "${have:-go0}" | sort -V | head -n 1)" != go1.25 ]; then
    fetch_packages forky "$1" golang-1.27-go golang-1.27-src
    export PATH=$1/usr/lib/go-1.27/bin:$PATH
    export GOPATH=$1/path GOCACHE=$1/cache GOFLAGS="${GOFLAGS:-} -modcacherw" # nobody here would use them again
  fi
  # GOTOOLCHAIN=local: what is here will do, so fetch no other Go.
  export CGO_ENABLED=0 GOTOOLCHAIN=local
}
