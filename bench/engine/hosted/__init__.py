"""Many requests to somebody's server.

::

    dispatch.py   each job brought to a final status: retries, answers kept, pictures stored
    policy.py     when a request may leave: slots, breaker, rate, money; when a failed one is tried again
    pacing.py     token bucket, back-off, retry budget, circuit breaker

What was sent and what it cost is kept in ``bench/store/attempts.py``.
"""
