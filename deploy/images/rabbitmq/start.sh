#!/bin/bash
# Entry point of the stand-in: gives the data to the user rabbitmq, writes the Erlang cookie, and starts the server in place of itself, so that
# signals reach it. Other commands are run as they are.
set -euo pipefail

if [ "$1" = rabbitmq-server ] && [ "$(id -u)" = 0 ]; then
  chown -R rabbitmq:rabbitmq /var/lib/rabbitmq
  exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
fi

if [ "$1" = rabbitmq-server ]; then
  cookie=$HOME/.erlang.cookie
  # From the environment, else what an earlier start left, else random: written before the server starts, so that a tool run as root by
  # `docker exec` cannot be the one that makes it, for root alone.
  if [ -n "${RABBITMQ_ERLANG_COOKIE:-}" ] || [ ! -e "$cookie" ]; then
    rm -f "$cookie"
    (umask 077 && printf %s "${RABBITMQ_ERLANG_COOKIE:-$(tr -dc "[:upper:]" < /dev/urandom | head -c 20)}" > "$cookie")
  fi
  # A host name with dots needs Erlang's long names.
  if [[ ${HOSTNAME:-} == *.* ]]; then export RABBITMQ_USE_LONGNAME=${RABBITMQ_USE_LONGNAME:-true}; fi
  export RUNNING_UNDER_SYSTEMD=true # as in the public image: Erlang replaces the shell, and stops cleanly on SIGTERM itself
fi
exec "$@"
