"""Nothing is reported home: the switches of the libraries that would, set before any of them is imported.

``import bench`` calls ``switch_off``, so that commands, notebooks, tests and child processes (which inherit the environment)
are alike. A variable that the user has set, to whatever value, stays as it is.
"""

from __future__ import annotations

import os

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime: would write an identity below ~/.cache/Microsoft and look up its server
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, transformers, diffusers
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",  # huggingface_hub: would ask PyPI for newer versions
    "DO_NOT_TRACK": "1",  # whoever else heeds it
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "offline",  # records runs on this machine; export WANDB_MODE=online sends them
    "GRADIO_ANALYTICS_ENABLED": "False",
}
"""Variable to value; ``docs/files.md`` names them."""


def switch_off() -> None:
    """Set what the user has not set."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
