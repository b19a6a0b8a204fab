#!/bin/bash
# The root of every stand-in: Debian forky with RabbitMQ, and what debugging needs, as a tar at the path $1. Used only where no image
# registry can be reached. forky, since Debian 12 and 13 have a RabbitMQ too old for 4.3's policies. Nothing of the machine that
# makes it goes in, but the address of its Debian mirror, so that a recipe on top may install more.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=deploy/images/debian.sh
. "$here/../debian.sh"

# mmdebstrap rather than debootstrap: it makes a tar at once, needs no script for each release, and cleans up after itself.
# A mirror that is a snapshot has an old release file, hence Check-Valid-Until; an interrupted root is thrown away, hence the unsafe but
# faster writing. Manuals and translations are left out: nobody reads them there.
mirror=$(debian_mirror)
proxy=$(debian_proxy)
exec env ${proxy:+"http_proxy=$proxy"} mmdebstrap --variant=minbase \
  --aptopt='Acquire::Check-Valid-Until "false"' \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --include=rabbitmq-server,libstdc++6,ca-certificates,curl,procps \
  forky "$1" "$mirror"
