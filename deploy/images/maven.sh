# shellcheck shell=bash
# Jars from the Maven repository that this machine's mvn is set up for; setup.sh sees to it that mvn is there for every recipe with a pom.xml. To
# be sourced.

# fetch_jars POM DIR: the runtime dependencies of the pom, and theirs, into the folder. Each call keeps a repository of its own for as long as it
# runs, since recipes are prepared side by side and Maven 3 does not lock the one in the home folder.
fetch_jars() (
  set -e
  repository=$(mktemp -d)
  trap 'rm -rf "$repository"' EXIT
  mvn --batch-mode --no-transfer-progress --quiet --file "$1" "-Dmaven.repo.local=$repository" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$(realpath -m "$2")"
)
