#!/bin/bash
# The health check of a service in its container: whether /readyz at this port says 200. Without Node, whose start would cost more than the service.
#   deploy/is-ready.sh PORT
exec 3<> "/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
answer=$(cat <&3)
echo "${answer##*$'\r\n\r\n'}" # `docker inspect` shows it
[[ $answer == HTTP/1.1\ 200\ * ]]
