"""One run's folder, which no other module writes to; the votes beside it are bench/store/votes.py's.

::

    results/<run>/run.json          configuration, environments, schema version
                  journal.jsonl     records since the last compaction, one line a picture, flushed to disk
                  attempts.jsonl    hosted: every attempt as sent, answered and settled (bench/store/attempts.py)
                  answers/          hosted: pictures that have come and are not stored yet
                  records.parquet   the compacted records
                  scores.parquet    long-form scores
                  images/           <prompt id>_s<seed>.png
                  features/         caches of feature extractors
                  report/           what people read
    results/comparisons/<name>/     comparison reports
    results/votes.jsonl             what people chose (bench/voting), one line a vote or retraction
    results/.vote-<uid>/            tokens of the voting page, for this user's eyes

A picture is written under a temporary name, flushed, renamed, and only then journaled: whenever the process dies, every
record has its picture, and a picture without a record is rendered again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.advice import command
from bench.core.files import PART, add_line, printable, write_atomically, writing
from bench.errors import StoreError
from bench.store import contents, schema
from bench.store.contents import LOGS
from bench.types import ImageRecord, digest

if TYPE_CHECKING:
    import io
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from bench.types import Job, PromptSet, Rendered, ScoreRow

_PARTS = re.compile(r"[0-9a-f]{8}\..+" + re.escape(PART))
_OF_WINDOWS = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])\.", re.IGNORECASE)
"""How names begin that Windows keeps for itself."""
_KINDS = {
    b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tiff", b"MM\0*": ".tiff",
}  # fmt: skip
"""How files begin. An AVIF tells what it is behind its first four bytes."""


class Run:
    """One run folder; it contains everything it needs and can be copied anywhere."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self._owners: dict[str, tuple[str, str]] | None = None
        self._attempts: io.FileIO | None = None

    def info(self) -> dict[str, Any]:
        """The content of run.json, {} before the first write."""
        file = self.path / "run.json"
        if not file.exists():
            return {}
        try:
            data: dict[str, Any] = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise self._damaged(file, error) from error
        schema.check_version(data.get("schema_version", 1), str(file))
        return data

    def update_info(self, **changes: Any) -> None:  # noqa: ANN401 - JSON values
        """Merge ``changes`` into run.json, atomically."""
        data = {**self.info(), **changes, "schema_version": schema.SCHEMA_VERSION}
        with self._writing():
            write_atomically(self.path / "run.json", json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True).encode())

    def records(self) -> list[ImageRecord]:
        """The latest record of each (prompt, request)."""
        latest: dict[tuple[str, str], ImageRecord] = {}
        file = self.path / "records.parquet"
        if file.exists():
            latest = {r.key: r for r in schema.records_from_table(self._table(file))}
        for record in self._journaled():
            latest.pop(record.key, None)
            latest[record.key] = record
        return list(latest.values())

    def records_version(self) -> tuple[tuple[int, ...] | None, ...]:
        """Changes whenever a record is stored, by any process; cheaper than reading them."""
        files = (self.path / "records.parquet", self.path / "journal.jsonl")
        stats = [file.stat() if file.exists() else None for file in files]
        return tuple((s.st_ino, s.st_size, s.st_mtime_ns) if s else None for s in stats)

    def current(self, records: Sequence[ImageRecord] | None = None) -> list[ImageRecord]:
        """What is scored and reported: the latest record of each (prompt, seed) that the prompt set asked for last still has.

        Those that it dropped are of the sets whose hashes run.json has in ``dropped_sets``. ``records`` are the run's, if they
        are read already.
        """
        records, dropped = self.records() if records is None else records, set(self.info().get("dropped_sets", ()))
        of_set = [record for record in records if record.prompt_set_hash not in dropped]
        return list({(record.prompt_id, record.request.seed): record for record in of_set}.values())

    def save(self, job: Job, rendered: Rendered, *, prompt_set: PromptSet, environment: str) -> ImageRecord:
        """Store the outcome of a job: picture first, record after, both on disk when this returns.

        Raises:
            StoreError: the disk is full or not writable; what was stored before is safe.
        """
        record = ImageRecord(
            prompt_id=job.prompt.id,
            category=job.prompt.category,
            prompt_set=prompt_set.name,
            prompt_set_hash=prompt_set.hash,
            request=job.request,
            status=rendered.status,
            environment=environment,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            timing=rendered.timing,
            error=rendered.error,
            revised_prompt=rendered.revised_prompt,
            cost_usd=rendered.cost_usd,
            expected_text=job.prompt.expected_text,
            detail=dict(rendered.detail),
        )
        with self._writing():
            if rendered.image is not None:
                file = self._image_file(record, rendered.image)
                write_atomically(self.path / file, rendered.image)
                record = replace(record, image=file, sha256=hashlib.sha256(rendered.image).hexdigest())
            self._append("journal.jsonl", schema.record_to_json(record))
        return record

    def restate(self, records: Sequence[ImageRecord]) -> None:
        """Store records of pictures that are there once more, with another prompt set, category or expected text."""
        with self._writing():
            for i, record in enumerate(records, 1):
                self._append("journal.jsonl", schema.record_to_json(record), flush=i == len(records))

    def attempts(self) -> list[dict[str, Any]]:
        """The lines of attempts.jsonl."""
        return self._lines("attempts.jsonl")

    def add_attempt(self, line: Mapping[str, Any], *, flush: bool = False) -> None:
        """Append a line to attempts.jsonl, inside ``lock``; the file stays open until the lock is released.

        The line survives the death of this process, and a power cut only with ``flush``.
        """
        with self._writing():
            if self._attempts is None:
                self._attempts = (self.path / "attempts.jsonl").open("ab", buffering=0)
            add_line(self._attempts, line, flush=flush)

    def save_pending_image(self, number: int, data: bytes) -> None:
        """Write the picture of an attempt to answers/ until its record is stored; it survives the death of this process."""
        file = self.path / "answers" / str(number)
        with self._writing():
            try:
                handle = file.open("wb", buffering=0)
            except FileNotFoundError:
                file.parent.mkdir()
                handle = file.open("wb", buffering=0)
            with handle:
                handle.write(data)

    def pending_image(self, number: int) -> bytes | None:
        """The picture that ``save_pending_image`` wrote, None where there is none."""
        file = self.path / "answers" / str(number)
        return file.read_bytes() if file.exists() else None

    def delete_pending_image(self, number: int) -> None:
        """Delete the picture of an attempt from answers/."""
        (self.path / "answers" / str(number)).unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for writing, after removing what a killed process left half written.

        Raises:
            StoreError: another process is working on it.
        """
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            handle = (self.path / ".lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.close()
            raise StoreError(
                f"another process is working on run {self.name!r}; wait for it, or set label= for a run of your own"
            ) from error
        try:
            self._repair()
            yield
        finally:
            if self._attempts is not None:
                self._attempts.close()
                self._attempts = None
            handle.close()

    def is_one(self) -> bool:
        """Whether the folder is a run's: by what run.json says or, where that is damaged, by the records beside it."""
        try:
            info = json.loads((self.path / "run.json").read_bytes())
        except (OSError, ValueError):
            return any((self.path / name).exists() for name in (*LOGS, "records.parquet"))
        return isinstance(info, dict) and "schema_version" in info and bool(info.keys() & {"model", "prompt_sets", "sessions"})

    def delete(self) -> list[str]:
        """Delete what the run consists of, inside ``lock``, and the folder where it then is empty; returns what else is in it."""
        return contents.delete(self.path)

    def compact(self, order: Sequence[tuple[str, str]] = ()) -> None:
        """Move the journal into records.parquet. Dying in between leaves rows twice, of which reading takes the latest.

        Args:
            order: keys of records in the order to store them, for a server answers in any order; records not named come first.
        """
        journal = self.path / "journal.jsonl"
        if not journal.exists() or not journal.stat().st_size:
            return
        import pyarrow as pa  # noqa: PLC0415 - slow import
        import pyarrow.parquet as pq  # noqa: PLC0415 - slow import

        place = {key: i for i, key in enumerate(order)}
        sink = pa.BufferOutputStream()
        pq.write_table(schema.records_table(sorted(self.records(), key=lambda r: place.get(r.key, -1))), sink)
        with self._writing():
            write_atomically(self.path / "records.parquet", sink.getvalue().to_pybytes())
            os.truncate(journal, 0)

    def image_path(self, record: ImageRecord) -> Path:
        """The file of a record's picture. Raises StoreError for a record without one."""
        if record.image is None:
            raise StoreError(f"{record.prompt_id} (seed {record.request.seed}) has no picture: {record.status}")
        return self.path / record.image

    def scores(self) -> list[ScoreRow]:
        """Every stored score."""
        return schema.scores_from_table(self.scores_table())

    def scores_table(self) -> pa.Table:
        """Every stored score in long form, as ``bench.store.schema`` lays it out; ``detail`` is JSON text."""
        file = self.path / "scores.parquet"
        return schema.upgraded_scores(self._table(file), file.name) if file.exists() else schema.scores_table([])

    def save_scores(self, rows: Sequence[ScoreRow]) -> None:
        """Add scores; a row replaces an earlier one of the same metric and picture (or of the whole run).

        An unscored row of a picture does not replace a number: an engine that breaks, or a judge without a key, must not
        delete a score that was perhaps paid for.
        """
        merged = {(s.metric, s.request_id, s.prompt_id): s for s in self.scores()}
        for row in rows:
            key = (row.metric, row.request_id, row.prompt_id)
            scored = row.request_id is not None and key in merged and merged[key].status == "ok"
            if not (scored and row.status == "unscored"):
                merged[key] = row
        self._write_scores(merged.values())

    def delete_scores(self, keys: Collection[tuple[str | None, str | None]]) -> None:
        """Delete the scores of these (prompt, request), which no longer hold; (None, None) are those of the whole run."""
        stored = self.scores()
        kept = [s for s in stored if (s.prompt_id, s.request_id) not in keys]
        if len(kept) < len(stored):
            self._write_scores(kept)

    def _write_scores(self, rows: Iterable[ScoreRow]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - slow import
        import pyarrow.parquet as pq  # noqa: PLC0415 - slow import

        sink = pa.BufferOutputStream()
        pq.write_table(schema.scores_table(rows), sink)
        with self._writing():
            write_atomically(self.path / "scores.parquet", sink.getvalue().to_pybytes())

    def features_path(self, fingerprint: str) -> Path:
        """The feature cache of one extractor."""
        return self.path / "features" / f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.npz"

    def delete_features(self) -> None:
        """Delete every feature cache."""
        for file in (self.path / "features").glob("*.npz"):
            file.unlink(missing_ok=True)

    def save_bytes(self, path: Path, data: bytes) -> None:
        """Write a file of this run atomically."""
        with self._writing():
            write_atomically(path, data)

    def _journaled(self) -> list[ImageRecord]:
        return [schema.record_from_json(row) for row in self._lines("journal.jsonl")]

    def _lines(self, name: str) -> list[dict[str, Any]]:
        """The whole lines of a .jsonl file; a torn last line is left out."""
        file = self.path / name
        if not file.exists():
            return []
        whole, _, _torn = file.read_bytes().rpartition(b"\n")
        try:
            return [dict(json.loads(line)) for line in whole.splitlines()]
        except (ValueError, TypeError) as error:
            raise self._damaged(file, error) from error

    def _table(self, file: Path) -> pa.Table:
        import pyarrow.parquet as pq  # noqa: PLC0415 - slow import

        try:
            # pyarrow takes no path that is not UTF-8; threads of its own that hold a file of Python's can abort the process as it ends
            with file.open("rb") as handle:
                return pq.ParquetFile(handle, pre_buffer=False).read(use_threads=False)
        except (ValueError, OSError) as error:  # pyarrow's own are kinds of these
            if isinstance(error, OSError) and error.errno:
                raise StoreError(f"{printable(file)} cannot be read: {error.strerror}") from error
            raise self._damaged(file, error) from error

    def _damaged(self, file: Path, error: Exception) -> StoreError:
        if file.name == "scores.parquet":
            remedy = f"delete that file and score the run again with: {command('score', str(self.path))}"
        else:
            remedy = f"delete the run with: {command('rm', str(self.path))}"
        return StoreError(f"{printable(file)} is damaged ({error}); put it back from a copy, or {remedy}")

    def _repair(self) -> None:
        """Cut off half-written last lines and delete temporary files of a killed process."""
        for file in filter(Path.exists, map(self.path.joinpath, LOGS)):
            data = file.read_bytes()
            if data and not data.endswith(b"\n"):
                os.truncate(file, data.rfind(b"\n") + 1)
        for part in self.path.rglob(f"*{PART}"):
            if _PARTS.fullmatch(part.name):
                part.unlink()

    def _image_file(self, record: ImageRecord, data: bytes) -> str:
        ending = next((e for magic, e in _KINDS.items() if data.startswith(magic)), ".avif" if data[4:8] == b"ftyp" else ".bin")
        seed, prompt_id = "x" if record.request.seed is None else record.request.seed, record.prompt_id
        if _OF_WINDOWS.match(prompt_id):
            prompt_id = f"_{prompt_id}"
        if self._owners is None:
            self._owners = {r.image.lower(): r.key for r in self.records() if r.image}
        marks = ("", f"_{record.request.id[:6]}", f"_{digest(record.key)[:12]}")
        names = [f"images/{prompt_id}_s{seed}{mark}{ending}" for mark in marks]
        return next((name for name in names if self._owners.setdefault(name.lower(), record.key) == record.key), names[-1])

    def _append(self, name: str, row: Mapping[str, Any], *, flush: bool = True) -> None:
        """Add a line to a .jsonl file; with ``flush`` it is on disk when this returns."""
        with (self.path / name).open("ab", buffering=0) as file:
            add_line(file, row, flush=flush)

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(self.path)
