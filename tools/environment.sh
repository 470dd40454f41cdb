# Sourced by tools/quickstart and tools/test: makes .venv once, and installs what changed since.
# Usage: ensure_environment EXTRA   (an extra of pyproject.toml)

find_python() {
    for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "error: Python 3.11 or newer is needed, and none was found" >&2
    return 2
}

ensure_environment() {
    local extra=$1 venv=${EMTNAS_VENV:-.venv} wanted stamp python
    stamp=$venv/installed-$extra
    wanted=$(cksum pyproject.toml)" $PWD"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        python=$(find_python)
        [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
        echo "installing emtnas-hpc[$extra] and what it needs into $venv (once; PyTorch is large)" >&2
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extra]"
        echo "$wanted" > "$stamp"
    fi
    export PATH="$PWD/$venv/bin:$PATH"
    case $venv in /*) export PATH="$venv/bin:$PATH" ;; esac
}

# Installs the packages of a real SLURM that are missing: root on Debian or Ubuntu only.
ensure_slurm() {
    local missing
    missing=$(python tools/local-slurm packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "error: not installed here: $missing; root gets them on Debian by: apt-get install --no-install-recommends $missing" >&2
        return 2
    fi
    echo "installing $missing by apt-get; Debian may start MariaDB and munge, which the tests do not use" >&2
    apt-get update -qq >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >&2
}
