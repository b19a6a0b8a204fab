#!/bin/bash
# Fetches the jars of HDFS into the folder $1/lib. All of them: leaving out what a test does not load breaks the NameNode's restart.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=deploy/images/maven.sh
. "$here/../maven.sh"

fetch_jars "$here/pom.xml" "$1/lib"
