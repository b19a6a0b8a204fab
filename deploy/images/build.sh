# shellcheck shell=bash
# Container images: pulled, or built here from package registries under their public names. To be sourced by setup.sh, whose words it uses (say, run,
# await, need_package ...).
#
# A recipe is a folder of deploy/images: a Dockerfile whose first line names the image, what it copies, and where needed prepare.sh FOLDER, which
# puts there what cannot be kept in git. `FROM waggle/NAME` builds on another recipe; the lowest, base, has root.sh instead of a Dockerfile.
# An image made here carries the hash of its recipe as the label waggle.recipe; one without the label was pulled, and is left alone.

recipes() { for file in "$images"/*/Dockerfile; do basename "$(dirname "$file")"; done; }
# Those with a public name.
servers() { for name in $(recipes); do case $(public_name "$name") in waggle/*) ;; *) echo "$name" ;; esac; done; }
public_name() { if [ "$1" = base ]; then echo waggle/base; else sed -n '1s/^# image: //p' "$images/$1/Dockerfile"; fi; }
parents() { if [ "$1" != base ]; then sed -n 's/^FROM waggle\/\([a-z0-9-]*\).*/\1/p' "$images/$1/Dockerfile" | sort -u; fi; }

recipe_hash() {
  local parent
  {
    for parent in $(parents "$1"); do recipe_hash "$parent"; done
    (cd "$images/$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
  } | sha256sum | cut -c 1-16
}

# is_ready NAME: the image is there, and is pulled or made by the recipe as it is now.
is_ready() {
  local label
  label=$(docker image inspect --format '{{index .Config.Labels "waggle.recipe"}}' "$(public_name "$1")" 2> /dev/null) || return 1
  [ -z "$label" ] || [ "$label" = "$(recipe_hash "$1")" ]
}

# pull NAME: no registry is waited for longer than 20 s, and one that cannot be reached is not asked again in this run.
declare -A unreachable=()
pull() {
  local image registry log=$work/pull-$1.log started
  image=$(public_name "$1")
  case $image in
    waggle/*) return 1 ;; # local only
    *.*/*) registry=${image%%/*} ;;
    *) registry='Docker Hub' ;;
  esac
  if [ -n "${unreachable[$registry]:-}" ]; then return 1; fi
  started=$(date +%s%N)
  docker pull "$image" > "$log" 2>&1 < /dev/null 9>&- &
  local client=$!
  # Docker says that it pulls as soon as the registry has answered; from then on it may take its time.
  if await 20 pull_is_decided $client "$log"; then
    if kill -0 $client 2> /dev/null; then say "pulling $image"; fi
  else
    kill $client
  fi
  if wait $client; then
    say "$image pulled ($(seconds "$started"))"
    return 0
  fi
  if ! grep -q -i -e 'Pulling' -e 'not found' -e 'manifest unknown' "$log"; then unreachable[$registry]=1; fi
  say "$image cannot be pulled from $registry: $(tail -n 1 "$log" | sed 's/^Error response from daemon: //' | grep . || echo 'no answer within 20 s')"
  return 1
}
pull_is_decided() { grep -q Pulling "$2" || ! kill -0 "$1" 2> /dev/null; }

# step_images NAME...: what is missing is pulled; what cannot be pulled is built, all preparations side by side.
step_images() {
  local name index
  for name; do want_image "$name"; done
  if [ ${#build[@]} = 0 ]; then return; fi

  need_package mmdebstrap mmdebstrap 'Building images without an image registry'
  for name in "${build[@]}"; do
    if [ -e "$images/$name/pom.xml" ]; then need_package mvn maven "Building $(public_name "$name") without an image registry"; fi
  done
  if may_install; then refresh_apt; fi # the mirror's address is known only with apt's lists
  say "building instead, from package registries: ${build[*]} (minutes, the first time)"
  set -m # each in a process group of its own, so that end() reaches what it started
  for name in "${build[@]}"; do
    prepare "$name" < /dev/null &
    builders+=($!)
  done
  set +m
  for index in "${!build[@]}"; do
    wait "${builders[$index]}" || exit $? # it has said why
    build_image "${build[$index]}"
  done
  # What these replaced; images still in use are left.
  run prune docker image prune --force --filter label=waggle.recipe
}

# want_image NAME: adds it to `build`, after what it is built on, unless it is there or can be pulled.
build=()
want_image() {
  local parent
  if [[ " ${build[*]} " == *" $1 "* ]] || is_ready "$1" || pull "$1"; then return; fi
  for parent in $(parents "$1"); do want_image "$parent"; done
  build+=("$1")
}

prepare() {
  local started context=$work/image-$1
  started=$(date +%s%N)
  cp -r "$images/$1" "$context"
  if [ "$1" = base ]; then
    run prepare-base "$images/base/root.sh" "$context/root.tar"
  elif [ -x "$images/$1/prepare.sh" ]; then
    run "prepare-$1" "$images/$1/prepare.sh" "$context"
  else
    return 0
  fi
  say "$1: prepared ($(seconds "$started"))"
}

# The name is given when all is done, so an interrupted build leaves none.
build_image() {
  local started image label context=$work/image-$1
  image=$(public_name "$1")
  label=waggle.recipe=$(recipe_hash "$1")
  started=$(date +%s%N)
  if [ "$1" = base ]; then
    run build-base docker import --change "LABEL $label" "$context/root.tar" "$image"
  else
    if ! docker buildx version > /dev/null 2>&1; then export DOCKER_BUILDKIT=0; fi # the old builder: Debian 12 has no other
    run "build-$1" docker build --tag "$image" --label "$label" "$context"
  fi
  rm -rf "$context"
  say "$image built as a stand-in ($(seconds "$started"))"
}
