"""A process that serves a sandbox from a file: ``python -m tests.sandbox.serve_store FILE``."""

from __future__ import annotations

import sys

from werkzeug.serving import make_server

from flask_billing.sandbox import Sandbox

from ..patience import PATIENCE


def main() -> None:
    """Say the port, then serve until killed."""
    sandbox = Sandbox(sys.argv[1])
    sandbox.webhooks.timeout = PATIENCE
    sandbox.webhooks.auto = "deliver" in sys.argv[2:]
    server = make_server("127.0.0.1", 0, sandbox.wsgi_app, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
