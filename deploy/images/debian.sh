# shellcheck shell=bash
# Packages from another release of Debian, through the mirror that this machine's apt is already configured with: so no registry is named
# here, and a machine behind a company's mirror works. To be sourced.

# The address of the archive that apt takes this machine's own release from; known only once `apt-get update` has run.
debian_mirror() {
  # shellcheck disable=SC2016 # apt expands these, not the shell
  apt-get indextargets --format '$(ORIGIN) $(SUITE) $(SITE)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /security/ && !found { print $3; found = 1 } END { exit !found }' || {
    echo 'apt on this machine has no mirror of Debian among its sources (or apt-get update never ran)' >&2
    return 1
  }
}

# The proxy that apt goes through, where it does.
debian_proxy() {
  local proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  echo "$proxy"
}

# fetch_packages SUITE DIR PACKAGE...: unpacks packages without installing them. apt runs on lists of its own, so that the machine's stay as
# they are, and checks the signatures as always.
fetch_packages() (
  set -e
  suite=$1 dir=$2
  shift 2
  apt=$(mktemp -d)
  trap 'rm -rf "$apt"' EXIT
  mkdir -p "$dir" "$apt/lists/partial" "$apt/cache/archives/partial"
  mirror=$(debian_mirror)
  echo "deb $mirror $suite main" > "$apt/sources.list"
  cat > "$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false"; // a mirror that is a snapshot has an old release file
APT::Sandbox::User "root"; // apt's own user cannot write to the folder made above
CONF
  export APT_CONFIG=$apt/apt.conf
  cd "$apt"
  apt-get -q update
  apt-get -q download "$@"
  for package in ./*.deb; do dpkg -x "$package" "$dir"; done
)
