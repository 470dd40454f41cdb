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
