#!/bin/bash
# Unpacks the Java runtime into the folder $1/root: out here, while waggle/base is still being made, and with this machine's apt, whatever proxy
# or mirror that goes through. What its fonts, printing and sound would depend on is left out.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=deploy/images/debian.sh
. "$here/../debian.sh"

fetch_packages forky "$1/root" openjdk-25-jre-headless
rm -rf "$1/root/usr/share/"{doc,man,lintian}
