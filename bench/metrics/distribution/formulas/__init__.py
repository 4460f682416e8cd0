"""The mathematics of set distances: pure functions of features."""
