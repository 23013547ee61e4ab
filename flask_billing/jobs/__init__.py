"""What runs by itself: a static table of jobs, a lease for each, and ways to run them.

Any number of processes may offer to run the jobs. A job's lease row lets one of them do it, and
is an economy, never what correctness rests on: each job bears being run twice at once, or being
killed anywhere.
"""

from __future__ import annotations

from .running import Outcome, Run, run_following_clock, run_job
from .table import JOBS, Job, find_job

__all__ = ["JOBS", "Job", "Outcome", "Run", "find_job", "run_following_clock", "run_job"]
