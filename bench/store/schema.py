"""How records and scores are stored: Arrow schemas, their version, and the conversion between rows and dataclasses."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, get_args

from bench.errors import StoreError
from bench.types import Column, Failure, ImageRecord, Rendered, Request, ScoreRow, Timing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

SCHEMA_VERSION = 1
"""Raised whenever a stored column changes meaning; a file of a newer version is refused."""

_RECORD = [f.name for f in fields(ImageRecord) if f.name not in {"request", "timing"}]
_REQUEST = [f.name for f in fields(Request)]
_RENDERED = [f.name for f in fields(Rendered) if f.name not in {"image", "timing"}]
_CARD = [f.name for f in fields(Column) if f.name != "name"]
_TIMING = {f.name: f.default for f in fields(Timing)}


def check_version(version: int, where: str) -> None:
    """Raise StoreError for a file that a newer version of this program wrote."""
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{where} was written by a newer fluxbench (schema {version}, this one reads up to {SCHEMA_VERSION}); "
            "upgrade with: pip install -U fluxbench"
        )


def record_to_json(record: ImageRecord) -> dict[str, Any]:
    """One flat, JSON-ready row; missing measurements are null, never NaN."""
    row = {name: getattr(record, name) for name in _RECORD}
    row |= {name: getattr(record.request, name) for name in _REQUEST} | {name: getattr(record.timing, name) for name in _TIMING}
    row |= {"request_id": record.request.id, "settings": dict(record.request.settings), "detail": dict(record.detail)}
    row["expected_text"] = list(record.expected_text)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def record_from_json(row: Mapping[str, Any]) -> ImageRecord:
    """The inverse of ``record_to_json``; a measurement that an older file lacks takes its default."""
    data = dict(row)
    request_id = data.pop("request_id", None)
    request = Request(**{k: data.pop(k) for k in _REQUEST})
    if request_id:
        vars(request)["id"] = request_id  # the cached property's place: hashing every request again is most of reading a run
    timing = _timing(data)
    data = {k: v for k, v in data.items() if k not in _TIMING}
    data["cost_usd"] = _number(data["cost_usd"])
    data["expected_text"] = tuple(data["expected_text"])
    return ImageRecord(request=request, timing=timing, **data)


def rendered_to_json(rendered: Rendered) -> dict[str, Any]:
    """What a provider gave back as a flat, JSON-ready row, without the picture."""
    row = {name: getattr(rendered, name) for name in _RENDERED} | {name: getattr(rendered.timing, name) for name in _TIMING}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def rendered_from_json(row: Mapping[str, Any], image: bytes | None) -> Rendered:
    """The inverse of ``rendered_to_json``, with the picture."""
    answer = {k: row[k] for k in _RENDERED} | {"cost_usd": _number(row["cost_usd"])}
    return Rendered(image=image, timing=_timing(row), **answer)


def _timing(row: Mapping[str, Any]) -> Timing:
    """The measurements of a row; one that an older file lacks takes its default."""
    measured: dict[str, Any] = {k: default if row.get(k) is None else row[k] for k, default in _TIMING.items()}
    return Timing(**measured)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _record_schema() -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415 - slow import

    text, number, whole = pa.string(), pa.float64(), pa.int64()
    columns = {
        "prompt_id": text, "category": text, "prompt_set": text, "prompt_set_hash": text, "request_id": text,
        "model": text, "revision": text, "prompt": text, "negative_prompt": text, "seed": whole, "width": whole,
        "height": whole, "settings": text, "status": text, "environment": text, "created": text, "image": text,
        "sha256": text, "latency_s": number, "encode_s": number, "denoise_s": number, "decode_s": number,
        "steps": whole, "batch_size": whole, "queue_s": number, "generate_s": number, "download_s": number, "retry_s": number,
        "attempts": whole, "energy_j": number, "error": text, "revised_prompt": text, "cost_usd": number,
        "expected_text": pa.list_(text), "detail": text,
    }  # fmt: skip
    return pa.schema(columns.items(), metadata={"fluxbench.schema": str(SCHEMA_VERSION)})


def record_columns() -> list[str]:
    """The columns of a record as stored."""
    return list(_record_schema().names)


def _score_schema() -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415 - slow import

    text = pa.string()
    columns = {
        "metric": text, "fingerprint": text, "value": pa.float64(), "status": text, "unit": text,
        "higher_is_better": pa.bool_(), "worst": pa.float64(), "request_id": text, "prompt_id": text, "seed": pa.int64(), "reason": text,
        "detail": text, "cause": text,
    }  # fmt: skip
    return pa.schema(columns.items(), metadata={"fluxbench.schema": str(SCHEMA_VERSION)})


def records_table(records: Iterable[ImageRecord]) -> pa.Table:
    """Records as an Arrow table; ``settings`` and ``detail`` are JSON text."""
    import pyarrow as pa  # noqa: PLC0415 - slow import

    rows = [record_to_json(r) for r in records]
    for row in rows:
        row["settings"], row["detail"] = json.dumps(row["settings"], sort_keys=True), json.dumps(row["detail"])
    return pa.Table.from_pylist(rows, schema=_record_schema())


def records_from_table(table: pa.Table) -> list[ImageRecord]:
    """The inverse of ``records_table``; refuses a newer schema."""
    check_version(_version(table), "records.parquet")
    rows = table.to_pylist()
    for row in rows:
        row["settings"], row["detail"] = json.loads(row["settings"]), json.loads(row["detail"])
    return [record_from_json(row) for row in rows]


def scores_table(scores: Iterable[ScoreRow]) -> pa.Table:
    """Scores as an Arrow table; ``detail`` is JSON text, a missing value null."""
    import pyarrow as pa  # noqa: PLC0415 - slow import

    rows = [asdict(s) | {"detail": json.dumps(dict(s.detail), ensure_ascii=False)} for s in scores]
    for row in rows:
        row["value"] = None if math.isnan(row["value"]) else row["value"]
    return pa.Table.from_pylist(rows, schema=_score_schema())


def scores_from_table(table: pa.Table) -> list[ScoreRow]:
    """The inverse of ``scores_table``."""
    return [ScoreRow(**{**row, "value": _number(row["value"]), "detail": json.loads(row["detail"])}) for row in table.to_pylist()]


def upgraded_scores(table: pa.Table, where: str) -> pa.Table:
    """Stored scores as this version lays them out; one that lacks ``cause`` (written before it) gets it from reason and detail.

    Raises:
        StoreError: a newer version of this program wrote it.
    """
    check_version(_version(table), where)
    return table if "cause" in table.column_names else table.append_column("cause", _causes(table))


def _causes(table: pa.Table) -> pa.Array:
    """The cause of each score of an earlier version, which told it by how the reason begins or by ``barred`` in the detail."""
    import pyarrow as pa  # noqa: PLC0415 - slow import
    import pyarrow.compute as pc  # noqa: PLC0415 - slow import

    begins = "^(" + "|".join(get_args(Failure)) + "): "
    tests = {
        "refused": pc.and_kleene(pc.equal(table["status"], "not_applicable"), pc.starts_with(table["reason"], "refused: ")),
        "not_made": pc.and_kleene(pc.equal(table["status"], "unscored"), pc.match_substring_regex(table["reason"], begins)),
        "prerequisite": pc.match_substring(table["detail"], '"barred": true'),
    }
    cases = pc.make_struct(*tests.values(), field_names=list(tests))
    return pc.case_when(cases, *(pa.scalar(name) for name in tests), pa.scalar(None, pa.string()))


def column_to_json(column: Column, metric: str) -> dict[str, Any]:
    """A column's card as run.json keeps it, with the name of the metric that fills it; ``worst`` is null where there is none."""
    return {name: getattr(column, name) for name in _CARD} | {"metric": metric}


def column_from_json(name: str, row: Mapping[str, Any]) -> Column:
    """The inverse of ``column_to_json``; a field that an older file lacks takes its default, one that it has more is passed over."""
    return Column(name, **{key: row[key] for key in _CARD if key in row})


def _version(table: pa.Table) -> int:
    return int((table.schema.metadata or {}).get(b"fluxbench.schema", b"1"))
