#!/bin/bash
# Starts Elasticsearch from its jars. libvec.so is not among them; unless told so, the server would switch off all of its native code, zstd too.
set -euo pipefail
cd /usr/share/elasticsearch
# shellcheck disable=SC2086 # words of options; the last of two that disagree wins
exec java -Xms512m -Xmx512m -Des.path.home="$PWD" -Des.distribution.type=docker -Dlog4j2.disable.jmx=true \
  -Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false --enable-native-access=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
  ${ES_JAVA_OPTS:-} -cp 'lib/server:lib/*' Server
