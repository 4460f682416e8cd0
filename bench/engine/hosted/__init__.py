"""Between a plan and somebody's server: pace, retries, money, safe downloads.

::

    dispatch.py   many requests at once, each ending in a final status
    pacing.py     token bucket, back-off, retry budget, circuit breaker
    ledger.py     every attempt as sent and settled, on disk: what resumes tasks and counts money after a kill
    money.py      price list, estimates, the budget
    fetch.py      downloads that trust nobody
"""
