"""Is billing well? Every check there is, and what to do where one fails.

``flask billing doctor`` prints it, for people and for CI. Nothing is changed, but for
:func:`.endpoint.mend` and :func:`.destination.mend`, which are asked for by name.
"""

from __future__ import annotations

from .examination import CHECKS, examine
from .finding import Finding

__all__ = ["CHECKS", "Finding", "examine"]
