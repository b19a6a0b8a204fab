#!/bin/bash
# Entry point of the stand-in: writes the settings that stand in the environment to files, formats a NameNode's folder that is not there yet, and
# runs the command in place of itself, so that signals reach it.
set -euo pipefail

# CORE-SITE.XML_fs.defaultFS=hdfs://name:8020 is a property of core-site.xml. As in the public image, a file so named is written anew at
# each start, and values are taken as they are (write &amp; for &). Such names are no variables of the shell, hence /proc.
declare -A files=()
while IFS= read -r -d '' entry; do
  if [[ $entry =~ ^([A-Za-z0-9-]+)\.[Xx][Mm][Ll]_([^=]+)=(.*)$ ]]; then
    files[${BASH_REMATCH[1],,}]+="<property><name>${BASH_REMATCH[2]}</name><value>${BASH_REMATCH[3]}</value></property>"$'\n'
  fi
done < "/proc/$$/environ"
for name in "${!files[@]}"; do
  printf '<configuration>\n%s</configuration>\n' "${files[$name]}" > "$HADOOP_CONF_DIR/$name.xml"
done

if [ -n "${ENSURE_NAMENODE_DIR:-}" ] && [ ! -d "$ENSURE_NAMENODE_DIR" ]; then hdfs namenode -format -nonInteractive; fi
exec "$@"
