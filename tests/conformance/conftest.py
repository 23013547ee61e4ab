"""The recordings are replayed under the same eyes as the tests of the sandbox."""

from ..sandbox.conftest import every_answer_fits as every_answer_fits
