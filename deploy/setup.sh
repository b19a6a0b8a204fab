#!/bin/bash
# Everything that a fresh clone needs before TypeScript runs. Each step first looks whether there is anything to do, so running it again is
# quick and changes nothing; interrupt it wherever you like. `npm start` and `npm test` call it.
set -euo pipefail
if [ "$(uname -s)" != Linux ]; then
  echo 'setup: this script is for Linux. Elsewhere: npm install, a running Docker with Compose, and docker pull of the images in deploy/images/*/Dockerfile.' >&2
  exit 69
fi
shopt -s inherit_errexit

usage() {
  cat <<'TEXT'
Usage: deploy/setup.sh [STEP...]

Makes this checkout ready to run. Without a STEP: deps docker compose images.

  deps       npm packages, as package-lock.json says
  docker     a running Docker Engine (installed and started where we are root on Debian)
  compose    the plugin `docker compose`
  clients    programs that tests use: Chromium, logrotate
  images     the container images of all servers (implies docker)
  NAME       one container image, that of deploy/images/NAME: pulled, or where its registry cannot be reached, built from package
             registries and given the public name:
TEXT
  local name
  for name in $(recipes); do printf '               %-14s %s\n' "$name" "$(public_name "$name")"; done
  cat <<'TEXT'

To have an image made again: docker rmi IMAGE, then this. Exit codes: 0 ready, 64 wrong use, 69 something is missing that this
script cannot get (it says what), 1 a step failed (it says where its log is).
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
images=$root/deploy/images
work=/var/tmp/waggle-setup.$UID # temporary, emptied by the next run; logs of a failure stay
lock=/tmp/waggle-setup.$UID.lock
# shellcheck source=deploy/images/debian.sh
. "$images/debian.sh"
# shellcheck source=deploy/images/build.sh
. "$images/build.sh"

# --- what is said ---
say() { printf 'setup: %s\n' "$*"; }
fail() { # fail CODE LINE...
  local code=$1
  shift
  printf 'setup: %s\n' "$@" >&2
  exit "$code"
}
seconds() { echo "$((($(date +%s%N) - $1) / 1000000000)) s"; }

# run NAME COMMAND...: a quiet command, its output kept for the case that it fails.
run() {
  local log=$work/$1.log
  shift
  "$@" > "$log" 2>&1 < /dev/null || {
    excerpt "$log" >&2
    fail 1 "failed: $*" "the whole log: $log"
  }
}

# excerpt FILE: some programs say first what went wrong, some last.
excerpt() { awk '{ line[NR] = $0 } END { for (i = 1; i <= NR; i++) if (i <= 10 || i > NR - 15) print "  | " line[i]; else if (i == 11) print "  | ..." }' "$1"; }

# --- one at a time, and nothing half done left behind ---
builders=() # process groups that work beside this script

# The lock is held by this process and its builders, so that nobody clears the folder under a builder that outlived a killed set-up.
begin() {
  exec 9>> "$lock"
  if ! flock --nonblock 9; then
    say 'another set-up is at work on this machine: waiting for it'
    flock --timeout 1800 9 || fail 1 'it did not end within 30 minutes.' "To see what it is: fuser -v $lock"
  fi
  remove_tree "$work"
  mkdir "$work"
  export TMPDIR=$work
  trap end EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

end() {
  local status=$? group entry
  trap '' INT TERM HUP
  if [ $status -gt 128 ]; then say 'interrupted: clearing up' >&2; fi
  for group in "${builders[@]}"; do kill -TERM -- "-$group" 2> /dev/null || true; done
  for group in "${builders[@]}"; do await 20 group_is_gone "$group" || true; done
  for entry in "$work"/*; do
    if [[ $status != 0 && $entry == *.log ]]; then continue; fi
    remove_tree "$entry"
  done
  rmdir "$work" 2> /dev/null || true
}
group_is_gone() { ! kill -0 -- "-$1" 2> /dev/null; }

# A root that was being made may still have /proc and the like mounted in it.
remove_tree() {
  local mount
  if [ ! -e "$1" ]; then return; fi
  awk -v dir="$1/" 'index($2 "/", dir) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r mount; do umount "$mount" || return; done
  rm -rf --one-file-system "$1"
}

# --- packages of this machine ---

# need_package COMMAND PACKAGE WHAT-FOR: installs with apt where we may.
apt_is_fresh=
need_package() {
  local started
  if command -v "$1" > /dev/null; then return; fi
  may_install || fail 69 "$3 needs the command '$1', and this script installs it only as root on Debian." \
    "Install it (on Debian: apt-get install $2) and run this again."
  started=$(date +%s%N)
  refresh_apt
  say "installing $2"
  # Without our lock and temporary folder: a service that the package starts would keep them.
  DEBIAN_FRONTEND=noninteractive run "apt-$2" env -u TMPDIR apt-get install -y --no-install-recommends "$2" 9>&-
  say "$2 installed ($(seconds "$started"))"
}
may_install() { [ "$UID" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get > /dev/null; }
refresh_apt() {
  if [ "$apt_is_fresh" ]; then return; fi
  run apt-update apt-get update
  apt_is_fresh=1
}

# --- step: npm packages ---

# Not `npm ci`: it refuses a lock file written where the registry carries only some platforms' optional packages. The versions are
# those of the lock file all the same, and --no-save leaves that as it is.
step_deps() {
  local started stamp=$root/node_modules/.package-lock.json # npm writes it last
  if [ "$stamp" -nt "$root/package-lock.json" ] && [ "$stamp" -nt "$root/package.json" ]; then return; fi
  command -v npm > /dev/null || fail 69 'npm is missing: install Node 20 or newer, with npm.'
  say 'installing npm packages'
  started=$(date +%s%N)
  run npm npm --prefix "$root" install --no-save --no-audit --no-fund --loglevel error
  touch "$stamp" # npm leaves it alone where nothing changed
  say "npm packages installed ($(seconds "$started"))"
}

# --- step: Docker Engine ---

docker_works() { docker info > /dev/null 2>&1; }

step_docker() {
  local started
  if docker_works; then return; fi
  started=$(date +%s%N)
  if [ -n "${DOCKER_HOST:-}" ]; then fail 69 "DOCKER_HOST is $DOCKER_HOST, and no Docker Engine answers there." 'Start it, or unset DOCKER_HOST.'; fi
  if [ "$UID" != 0 ]; then
    fail 69 "Docker does not answer to the user $(id -un)." "$(docker version 2>&1 | tail -n 1)" \
      'Start Docker, and let this user use it (usermod -aG docker, then log in again), or run this as root on Debian, where it installs Docker.'
  fi
  # A docker client may be there without a daemon, so look for the daemon.
  need_package dockerd docker.io 'Running the services'
  need_package docker docker-cli 'Running the services'
  if docker_works; then return; fi
  start_dockerd || true
  if ! docker_works; then
    excerpt /var/log/dockerd.log >&2 || true
    fail 69 'dockerd does not answer, or ended right after its start.' 'Its log is /var/log/dockerd.log, or with systemd: journalctl -u docker'
  fi
  say "Docker Engine $(docker version --format '{{.Server.Version}}') runs ($(seconds "$started"))"
}

start_dockerd() {
  if [ -d /run/systemd/system ]; then
    run dockerd systemctl start docker
    return
  fi
  # What a machine that lost power left: these numbers may be anybody's now, and dockerd would wait for that process.
  if ! lives dockerd /var/run/docker.pid; then rm -f /var/run/docker.pid; fi
  if ! lives containerd /var/run/docker/containerd/containerd.pid; then rm -f /var/run/docker/containerd/containerd.pid; fi
  # Detached, without our lock and temporary folder, and with a log that outlives us. Should the package have started one, this one ends.
  setsid nohup env -u TMPDIR dockerd > /var/log/dockerd.log 2>&1 < /dev/null 9>&- &
  await 60 dockerd_is_decided $!
}
lives() { [[ $(readlink "/proc/$(cat "$2" 2> /dev/null)/exe") == */$1* ]]; } # lives PROGRAM PID-FILE
dockerd_is_decided() { docker_works || { ! kill -0 "$1" 2> /dev/null && ! lives dockerd /var/run/docker.pid; }; }

# await SECONDS COMMAND...: until the command succeeds.
await() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    if [ $SECONDS -ge $until ]; then return 1; fi
    sleep 0.1
  done
}

# --- step: docker compose ---

# Debian 12 has no Compose v2; the plugin in Debian 13's package is one static binary.
step_compose() {
  local started plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
  if docker compose version > /dev/null 2>&1; then return; fi
  command -v apt-get > /dev/null || fail 69 "The command 'docker compose' is missing." 'Install the Compose plugin (version 2) of Docker and run this again.'
  started=$(date +%s%N)
  if may_install; then refresh_apt; fi
  run compose fetch_packages trixie "$work/compose" docker-compose
  mkdir -p "$plugins"
  # Under its name at once or not at all.
  cp "$work/compose/usr/libexec/docker/cli-plugins/docker-compose" "$plugins/.docker-compose.new"
  mv "$plugins/.docker-compose.new" "$plugins/docker-compose"
  say "docker compose $(docker compose version --short) installed ($(seconds "$started"))"
}

# --- step: programs that tests use ---

step_clients() {
  need_package chromium chromium 'Testing what runs in a browser'
  need_package logrotate logrotate 'Testing what becomes of log files'
}

# --- the steps asked for, in the order in which they build on one another ---

main() {
  local step wanted=() started
  started=$(date +%s%N)
  for step; do
    case $step in
      -h | --help) usage && exit ;;
      deps | docker | compose | clients | images) ;;
      *) [[ " $(recipes | tr '\n' ' ')" == *" $step "* ]] || fail 64 "unknown step: $step" 'see deploy/setup.sh --help' ;;
    esac
  done
  if [ $# = 0 ]; then set -- deps docker compose images; fi
  begin
  for step; do
    case $step in
      deps | docker | compose | clients) ;;
      images) mapfile -t -O ${#wanted[@]} wanted < <(servers) ;;
      *) wanted+=("$step") ;;
    esac
  done
  if [[ " $* " == *' deps '* ]]; then step_deps; fi
  if [[ " $* " == *' clients '* ]]; then step_clients; fi
  if [[ " $* " == *' docker '* || " $* " == *' compose '* || ${#wanted[@]} -gt 0 ]]; then step_docker; fi
  if [[ " $* " == *' compose '* ]]; then step_compose; fi
  if [ ${#wanted[@]} -gt 0 ]; then step_images "${wanted[@]}"; fi
  say "ready: $* ($(seconds "$started"))"
}

main "$@"
