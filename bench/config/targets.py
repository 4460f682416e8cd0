"""Where the classes that stored configurations name are now.

run.json holds the configuration of its run with the ``_target_`` addresses of that time, and ``score`` builds the metrics from
it. A class that moves gets a line here, so that every run stays readable; no line is ever removed.
"""

from __future__ import annotations

from typing import Any

MOVED = {
    "bench.callbacks.Comparison": "bench.cli.sweep.SweepComparison",
    "bench.hosted.money.Budget": "bench.pricing.budget.Budget",
    "bench.metrics.clip.ClipSimilarity": "bench.metrics.alignment.clip.ClipSimilarity",
    "bench.metrics.dinov2.DinoV2": "bench.metrics.extractors.dinov2.DinoV2",
    "bench.metrics.diversity.Diversity": "bench.metrics.distribution.diversity.Diversity",
    "bench.metrics.duplicates.Duplicates": "bench.metrics.distribution.duplicates.Duplicates",
    "bench.metrics.frechet.ClipDiscrepancy": "bench.metrics.distribution.kernel.ClipDiscrepancy",
    "bench.metrics.frechet.FrechetDistance": "bench.metrics.distribution.frechet.FrechetDistance",
    "bench.metrics.frechet.FrechetInfinity": "bench.metrics.distribution.frechet.FrechetInfinity",
    "bench.metrics.frechet.KernelDistance": "bench.metrics.distribution.kernel.KernelDistance",
    "bench.metrics.frechet.PrecisionRecall": "bench.metrics.distribution.precision_recall.PrecisionRecall",
    "bench.metrics.inception.Inception": "bench.metrics.extractors.inception.Inception",
    "bench.metrics.latency.Latency": "bench.metrics.speed.latency.Latency",
    "bench.metrics.ocr.Agreement": "bench.metrics.text.ocr.Agreement",
    "bench.metrics.ocr.StrayText": "bench.metrics.text.ocr.StrayText",
    "bench.metrics.ocr.TextAccuracy": "bench.metrics.text.ocr.TextAccuracy",
    "bench.metrics.pickscore.PickScore": "bench.metrics.alignment.pickscore.PickScore",
    "bench.metrics.readers.RapidEngine": "bench.metrics.text.engines.rapidocr.RapidEngine",
    "bench.metrics.readers.TesseractEngine": "bench.metrics.text.engines.tesseract.TesseractEngine",
    "bench.metrics.refusals.Refusals": "bench.metrics.safety.refusals.Refusals",
    "bench.metrics.safety.NudeNet": "bench.metrics.safety.explicit.NudeNet",
    "bench.metrics.safety.OpenNsfw": "bench.metrics.safety.explicit.OpenNsfw",
    "bench.metrics.scene.Composition": "bench.metrics.alignment.scene.Composition",
    "bench.metrics.vqa.VqaJudge": "bench.metrics.alignment.vqa.VqaJudge",
    "bench.providers.bfl.BFLProvider": "bench.providers.hosted.bfl.BFLProvider",
    "bench.providers.diffusers.DiffusersProvider": "bench.providers.local.diffusers.DiffusersProvider",
    "bench.providers.hosted.Limits": "bench.providers.hosted.base.Limits",
    "bench.providers.hub.HubProvider": "bench.providers.hosted.huggingface.HubProvider",
    "bench.providers.openai.AnySize": "bench.providers.hosted.openai.AnySize",
    "bench.providers.openai.OpenAIProvider": "bench.providers.hosted.openai.OpenAIProvider",
    "bench.providers.oracle.OracleProvider": "bench.providers.local.oracle.OracleProvider",
    "bench.providers.stability.StabilityProvider": "bench.providers.hosted.stability.StabilityProvider",
    "bench.providers.xai.XaiProvider": "bench.providers.hosted.xai.XaiProvider",
}
"""Address in an earlier version, and the address now."""


def current(config: Any) -> Any:  # noqa: ANN401 - any configuration as plain data
    """``config`` with today's address in every ``_target_``, at any depth."""
    if isinstance(config, dict):
        return {key: MOVED.get(value, value) if key == "_target_" else current(value) for key, value in config.items()}
    return [current(value) for value in config] if isinstance(config, list) else config
