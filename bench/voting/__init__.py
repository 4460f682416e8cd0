"""People choose between pictures, blind; what they say becomes the metric ``human_preference``.

``ballots``: which pairs are shown, in which order, on which side. ``session``: one vote after another. ``guard`` and
``server``: a page on this machine only. ``tally``: votes as frames. Votes are kept by ``bench.store.VoteBook``.
"""
