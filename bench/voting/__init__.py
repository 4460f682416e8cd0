"""People choose between pictures, blind; their votes become the metric ``human_preference``.

``ballots``: which pairs are shown, in which order, on which side. ``session``: what the page shows and what its answers mean.
``server`` and ``guard``: the page, reachable from this machine only. ``terminal``: results as text. Votes are stored by
``bench.store.VoteBook`` and turned into frames by ``bench.analysis.votes``.
"""
