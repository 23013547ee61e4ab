"""Compiled templates kept in memory from one host app of the tests to the next."""

from __future__ import annotations

from jinja2.bccache import Bucket, BytecodeCache


class Bytecode(BytecodeCache):
    """What Jinja compiled in this process. It checks each template's source by itself."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Hand out what was compiled, if anything was."""
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled now."""
        self._compiled[bucket.key] = bucket.bytecode_to_string()
