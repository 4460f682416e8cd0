"""Plan, render, score and import: the work itself, free of any command line."""
