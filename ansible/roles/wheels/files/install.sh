#!/bin/sh
# install.sh PYTHON FOLDER FRESH URL PART...: install the wheels in FOLDER/wheels, and those at URL if
# it isn't empty, into FOLDER/venv. FRESH: 1 to begin with an empty environment. pip is one of the
# wheels, and isn't installed.
set -eu
python=$1 folder=$2 fresh=$3 url=$4
shift 4
parts=$*

finish() {
    code=$?
    # Much fails in its own words where there is no room, the bringing of wheels among it.
    left=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
    if [ "$code" != 0 ] && [ "$left" -lt 20000 ]; then
        echo "No space left on device: $left kB in $folder" >&2
    fi
    rm -rf "$folder/wheels"
    exit "$code"
}
trap finish EXIT

if [ "$fresh" = 1 ]; then
    "$python" -m venv --clear --without-pip "$folder/venv"
fi
set --
for part in $parts; do
    set -- "$@" --requirement "$folder/wheels/$part/requirements.txt" --find-links "$folder/wheels/$part"
    if [ -n "$url" ]; then set -- "$@" --find-links "$url/$part/"; fi
done
if [ -n "$url" ]; then
    # Its wheels are trusted by their hashes, whoever sends them.
    host=${url#*://}
    set -- "$@" --trusted-host "${host%%[:/]*}"
fi
# Another build of fedbed may have the same version, and pip would leave the one that is there.
for site in "$folder"/venv/lib/python3*/site-packages; do
    rm -rf "$site"/fedbed-*.dist-info "$site/fedbed" "$site/edge_agent" "$site/coordinator"
done
pip=$(echo "$folder"/wheels/agent/pip-*.whl)
"$folder/venv/bin/python" "$pip/pip" install --quiet --no-index --no-deps --require-hashes \
    --no-cache-dir --disable-pip-version-check "$@"
