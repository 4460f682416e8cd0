"""Plan, render, score and import: the work itself, free of any command line."""

from bench.engine.plan import Plan, Turn, plan
from bench.engine.run import Result, run

__all__ = ["Plan", "Result", "Turn", "plan", "run"]
