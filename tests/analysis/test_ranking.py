"""The ranking by metrics counts wins as the table of pairs does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import pairwise, ranking


def test_means_that_differ_by_the_noise_of_a_batch_are_ties_in_the_ranking_as_in_the_pairs() -> None:
    value = np.linspace(0.1, 0.9, 20)
    rows = [
        {"run": run, "metric": "clip", "status": "ok", "unit": "cosine", "higher_is_better": True, "request_id": "r", "prompt_id": f"p{i}",
         "value": mine, "detail": "{}"}
        for run, noise in (("a", 1e-7), ("b", 0.0), ("c", -2e-7))
        for i, mine in enumerate(value * (1 + noise))
    ]  # fmt: skip
    scores, infos = pd.DataFrame(rows), {run: {} for run in "abc"}
    assert set(pairwise.table(scores, infos, {})["tie"]) == {1.0}
    found = ranking.table(scores, infos)
    assert found[["wins", "ties", "losses"]].to_numpy().tolist() == [[0, 40, 0]] * 3
    assert found["rank"].tolist() == [1, 1, 1]


def test_a_difference_above_the_noise_is_a_win() -> None:
    rows = [
        {"run": run, "metric": "clip", "status": "ok", "unit": "cosine", "request_id": "r", "prompt_id": f"p{i}", "value": 0.5 + lead}
        for run, lead in (("a", 2e-6), ("b", 0.0))
        for i in range(8)
    ]
    for higher, first in ((True, "a"), (False, "b")):
        found = ranking.table(pd.DataFrame(rows).assign(higher_is_better=higher), {"a": {}, "b": {}})
        assert found[["run", "wins", "ties", "losses"]].to_numpy().tolist()[0] == [first, 8, 0, 0]
