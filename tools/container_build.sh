#!/bin/sh
# The steps by which a container gets hevesy: from a lock file and the sources into an empty folder, nothing unpinned.
#   container_build.sh dependencies LOCK PREFIX    the packages of a lock file into a new environment
#   container_build.sh project LOCK PREFIX         hevesy itself, built with the setuptools of that lock file
# Containerfile, hevesy.def and `make container-check` run these very lines.
set -eu
step=$1 lock=$2 prefix=$3
python=${PYTHON:-python3}
case $step in
dependencies)
  "$python" -m venv "$prefix"
  "$prefix/bin/python" -m pip install --quiet --require-hashes --requirement "$lock"
  ;;
project)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # setuptools with its hashes, in an environment of its own that is not kept
  sed -n '/^setuptools==/,/[^\\]$/p' "$lock" >"$work/build.lock"
  "$python" -m venv "$work/venv"
  "$work/venv/bin/python" -m pip install --quiet --require-hashes --requirement "$work/build.lock"
  "$work/venv/bin/python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/wheel" .
  "$prefix/bin/python" -m pip install --quiet --no-deps --no-index "$work"/wheel/hevesy-*.whl
  "$prefix/bin/python" -m pip check
  ;;
*)
  echo "unknown step: $step" >&2
  exit 2
  ;;
esac
