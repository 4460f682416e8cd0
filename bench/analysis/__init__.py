"""Runs turned into tables: summary, pairs, ranking, costs, votes, the gate."""
