"""``python -m bench``."""

from bench.cli.app import start

if __name__ == "__main__":
    raise SystemExit(start())
