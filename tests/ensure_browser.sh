#!/bin/sh
# Sees to a Chromium for the browser tests: an installed one, else Debian's package, else
# Playwright's own download. Asks nothing. Without any, the browser tests are skipped, which
# with CI=true is a failure.
set -u

BIN="${BIN:-.venv/bin}"

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    # Ubuntu's package is a stub that only says to install something else.
    if path=$(command -v "$name") && "$path" --version </dev/null >/dev/null 2>&1; then
        echo "browser: $path"
        exit 0
    fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "browser: none installed, fetching the chromium package"

    if apt-get update -qq </dev/null >/dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
            </dev/null >/dev/null &&
        chromium --version </dev/null >/dev/null 2>&1; then
        echo "browser: $(command -v chromium)"
        exit 0
    fi
fi

echo "browser: none installed, fetching Playwright's chromium"

if "$BIN/playwright" install chromium </dev/null; then
    echo "browser: Playwright's chromium"
    exit 0
fi

echo "browser: none could be had; install Chromium and run again" >&2
[ "${CI:-}" != true ]
