#!/bin/bash
# `npm stop`: ends what `npm start` started. The data stay, unless --volumes is given. Needs neither Node 24 nor installed packages.
set -euo pipefail

usage='Usage: npm stop [-- --volumes]

  --volumes   forget the data too: streams, spools, and what the sinks wrote'

volumes=()
for word; do
  case $word in
    --volumes) volumes=(--volumes) ;;
    -h | --help) echo "$usage" && exit ;;
    *) printf 'stop: unknown word: %s\n%s\n' "$word" "$usage" >&2 && exit 64 ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! docker info > /dev/null 2>&1; then
  echo 'stop: Docker does not answer, so nothing of this runs (or this user may not ask: see docker info).' >&2
  exit 69
fi
docker compose --profile kibana down --remove-orphans "${volumes[@]}"
echo "stop: ended; $([ ${#volumes[@]} = 0 ] && echo 'the data are kept (npm stop -- --volumes forgets them)' || echo 'the data are gone')"
