#!/bin/bash
# Entry point of the stand-in: `mongod` (its options are passed over) is the server in Mongod.java; other commands are run as they are.
set -euo pipefail
if [ "${1:-}" != mongod ]; then exec "$@"; fi
if [ -n "${MONGO_INITDB_ROOT_USERNAME:-}" ]; then
  echo 'This stand-in for MongoDB knows no users: leave MONGO_INITDB_ROOT_USERNAME out, or use the public image.' >&2
  exit 64
fi
exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
  --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED -cp '/opt/mongo:/opt/mongo/lib/*' Mongod /data/db/stand-in.mv
