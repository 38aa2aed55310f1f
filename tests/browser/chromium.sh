# For scripts that look with a browser; to be sourced, by one that has `fail`. CHROMIUM is the
# browser then: that of the environment, or one that is installed, or Debian's headless one.

# A program, from a Debian package where it is missing.
need() {
    command -v "$1" >/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        fail "$1 is missing: install it (Debian: apt-get install $2), or run this as root once"
    apt-get update -q >&2
    apt-get install -qy --no-install-recommends "$2" >&2
}

if [ -z "${CHROMIUM:-}" ]; then
    for CHROMIUM in chromium-headless-shell chromium google-chrome; do
        command -v "$CHROMIUM" >/dev/null && break
    done
    need "$CHROMIUM" chromium-headless-shell
    command -v "$CHROMIUM" >/dev/null || CHROMIUM=chromium-headless-shell
    CHROMIUM=$(command -v "$CHROMIUM")
fi
export CHROMIUM
