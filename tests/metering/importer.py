"""Imports a file of usage, as ``flask billing usage record --file`` does, in a process of its own.

Run as ``python -m tests.metering.importer DATABASE_URL FILE``.
"""

from __future__ import annotations

import sys

from ..host import make_host


def main() -> None:
    """Import it."""
    host = make_host(sys.argv[1], create=False)
    arguments = ["billing", "usage", "record", "--file", sys.argv[2]]
    result = host.app.test_cli_runner().invoke(args=arguments)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    host.close()
    sys.exit(result.exit_code)


if __name__ == "__main__":
    main()
