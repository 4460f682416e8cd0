"""The comparison that Hydra starts when a sweep ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback

from bench.cli.console import print_error
from bench.errors import BenchError

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig


class SweepComparison(Callback):  # type: ignore[misc]
    """Collects the runs of a sweep and compares them once all are done."""

    def __init__(self) -> None:
        self._runs: list[str] = []

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:  # noqa: ANN401, ARG002 - Hydra's signature
        """Note the run of a finished job."""
        from hydra.core.utils import JobStatus  # noqa: PLC0415 - loaded by now

        if job_return.status == JobStatus.COMPLETED and isinstance(job_return.return_value, str):  # of another the value raises
            self._runs.append(job_return.return_value)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:  # noqa: ANN401 - Hydra's signature
        """Write the comparison of the sweep's runs; ends the process where they cannot be compared, because Hydra ignores errors here."""
        from bench.cli.commands import compare  # noqa: PLC0415 - only after a sweep
        from bench.store import Store  # noqa: PLC0415 - only after a sweep

        if not self._runs:
            return
        try:
            store = Store(Path(config.results))
            compare.write(store, store.find_all(dict.fromkeys(self._runs)))
        except BenchError as error:
            print_error(str(error))
            raise SystemExit(error.exit_code) from error
