#!/bin/bash
# Fetches the server's jars and a compiler for the two classes in java/ into the folder $1.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=deploy/images/maven.sh
. "$here/../maven.sh"

fetch_jars "$here/pom.xml" "$1/jars"
fetch_jars "$here/compiler.xml" "$1/compiler"
