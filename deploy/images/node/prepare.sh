#!/bin/bash
# Fetches the newest Node 24 into the folder $1, from npm, where its binaries are published as packages, one for each processor.
set -euo pipefail
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) echo "no package of Node for $(uname -m)" >&2 && exit 1 ;;
esac
cd "$1"
npm pack --silent "node-linux-$arch@24"
tar -xzf ./*.tgz --strip-components=2 package/bin/node
rm ./*.tgz
