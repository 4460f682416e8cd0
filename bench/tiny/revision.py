"""Which pictures the renderer draws: part of the oracle's requests and of every reference that the renderer draws."""

REVISION = "7b9964b047019148"
"""Change it, and the hashes of drawn pictures in tests/golden, whenever ``bench.tiny.scenes.draw`` draws other pictures."""
