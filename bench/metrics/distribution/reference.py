"""What a run is compared with: a folder of pictures, another run, stored statistics or features, or the renderer.

Pictures stream through the extractor a batch at a time. Their features are cached under the content of the pictures and the
extractor's fingerprint fields, so that a second scoring does not compute them again.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.core import cache
from bench.core.files import printable
from bench.errors import ConfigError
from bench.images import decoding, files
from bench.metrics.distribution.formulas import frechet
from bench.tiny.revision import REVISION
from bench.types import digest

if TYPE_CHECKING:
    from PIL import Image

    from bench.metrics.base import Extractor
    from bench.types import ImageRecord

RENDERER = "renderer"
RENDERER_SEED = 1_000_000
"""The renderer's pictures have this seed and the ones after it, which no run uses by default."""
_BATCH = 16
_STATISTICS = {"mu", "sigma"}


class _Item(NamedTuple):
    """A picture; ``otherwise`` marks one that was decoded otherwise before there was ``decoding.seen``."""

    file: Path
    sha256: str
    otherwise: bool
    prompt: str | None = None


@dataclass(frozen=True)
class ReferenceFeatures:
    """A loaded reference.

    Attributes:
        fitted: mean and covariance as stored; None where there are features.
        features: (M, D), float32; None where only statistics are stored.
        n: pictures; 0 where the statistics do not say.
        hashes: SHA-256 of the picture files; empty where there are no files.
        formats, sizes: what the files are ("png", "512x512"); empty where that is not known.
        seeds: of pictures drawn by the renderer; only a sample's pictures of these seeds can be the same ones.
        prompts: what each picture shows (the prompt's text); None where that is not known.
    """

    fitted: frechet.Gaussian | None = None
    features: np.ndarray | None = None
    n: int = 0
    hashes: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    sizes: frozenset[str] = frozenset()
    seeds: range | None = None
    prompts: tuple[str, ...] | None = None

    @property
    def dimensions(self) -> int:
        """Features a picture."""
        if self.features is not None:
            return int(self.features.shape[1])
        return self.fitted.mean.size if self.fitted else 0

    def require_features(self, metric: str) -> np.ndarray:
        """The features (M, D), M >= 2.

        Raises:
            ConfigError: there are statistics only, or fewer than two pictures; names the ``metric`` that needs them.
        """
        if self.features is None:
            raise ConfigError(
                f"{metric} needs the features of the reference and the .npz holds mu and sigma; name its pictures or features"
            )
        if len(self.features) < 2:
            raise ConfigError("the reference has fewer than two pictures")
        return self.features

    @cached_property
    def gaussian(self) -> frechet.Gaussian:
        """Mean and covariance.

        Raises:
            ConfigError: fewer than two pictures.
        """
        if self.fitted is not None:
            return self.fitted
        if self.features is None or len(self.features) < 2:
            raise ConfigError("the reference has fewer than two pictures; a covariance needs at least two")
        return frechet.gaussian(self.features)


@dataclass(frozen=True)
class Reference:
    """Where a reference comes from.

    Attributes:
        where: a folder of pictures; a run's folder (its pictures of status ok); an .npz with ``mu``, ``sigma`` and perhaps
            ``n`` (torch-fidelity, pytorch-fid) or with ``features``; or "renderer".
        samples: pictures a prompt that the renderer draws.
    """

    where: str
    samples: int = 8

    @property
    def path(self) -> Path:
        """The folder or file."""
        return Path(self.where).expanduser()

    @cached_property
    def identity(self) -> str:
        """What it is by content, free of paths: the same pictures elsewhere, or under other names, have the same identity."""
        if self.where == RENDERER:
            return f"renderer x{self.samples}@{REVISION[:8]}"
        if self.path.is_file():
            try:
                return f"{'statistics' if self._arrays.keys() >= _STATISTICS else 'features'}@{_content(self._arrays)}"
            except ConfigError:
                return "unreadable"
        if not self.path.is_dir():
            return "missing"
        seen = f" as seen, {decoding.VERSION}" if any(i.otherwise for i in self._items) else ""
        return f"pictures@{digest([i.sha256 for i in self._items])[:16]}{seen}"

    def missing_reason(self) -> str | None:
        """That there is nothing where the reference should be, None where there is; no picture is read."""
        if self.where == RENDERER or self.path.is_file() or self.path.is_dir():
            return None
        return f"the reference {self.where!r} is neither a folder nor an .npz file"

    def load(self, extractor: Extractor, records: Sequence[ImageRecord]) -> ReferenceFeatures:
        """The reference seen through ``extractor``; the renderer draws the prompts of ``records``.

        Raises:
            ConfigError: there is no such reference, or it cannot be read.
            MissingWeightsError: the extractor's weights are not on this machine.
        """
        if self.where == RENDERER:
            from bench.tiny import scenes  # noqa: PLC0415 - only for this reference

            texts = sorted({r.request.prompt for r in records})
            seeds = range(RENDERER_SEED, RENDERER_SEED + self.samples)
            drawn = (scenes.draw(scenes.parse(text), seed) for text in texts for seed in seeds)
            features, sizes = self._features(extractor, drawn, len(texts) * self.samples, digest(texts))
            prompts = tuple(text for text in texts for _ in seeds)
            return ReferenceFeatures(features=features, n=len(features), sizes=sizes, seeds=seeds, prompts=prompts)
        if self.path.is_file():
            return self._stored()
        if missing := self.missing_reason():
            raise ConfigError(missing)
        if not self._items:
            raise ConfigError(f"the reference {self.where!r} holds no pictures")
        features, sizes = self._features(extractor, (_seen(i.file) for i in self._items), len(self._items), "")
        formats = frozenset(file_format(i.file.name) for i in self._items)
        shown = tuple(str(i.prompt) for i in self._items) if self._items[0].prompt is not None else None
        hashes = frozenset(i.sha256 for i in self._items)
        return ReferenceFeatures(features=features, n=len(features), hashes=hashes, formats=formats, sizes=sizes, prompts=shown)

    @cached_property
    def _items(self) -> list[_Item]:
        """Pictures in the order of their content, so that neither their names nor their age matters."""
        if (self.path / "run.json").is_file():
            from bench.store import Run  # noqa: PLC0415 - imports what scores import

            run = Run(self.path)
            items = [_item(run.image_path(r), r.sha256, r.request.prompt) for r in run.current() if r.status == "ok"]
        else:
            items = [_item(f) for f in files.inside(self.path) if files.is_picture(f)]
        return sorted(items, key=lambda item: item.sha256)

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        try:
            with np.load(self.path) as arrays:
                return {name: arrays[name] for name in arrays.files if name in {"mu", "sigma", "n", "features"}}
        except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise ConfigError(f"the reference {self.where!r} is not an .npz file that can be read ({error})") from error

    def _stored(self) -> ReferenceFeatures:
        arrays = self._arrays
        if "features" in arrays and arrays["features"].ndim == 2:
            return ReferenceFeatures(features=arrays["features"].astype(np.float32), n=len(arrays["features"]))
        if not arrays.keys() >= _STATISTICS:
            raise ConfigError(f"the reference {self.where!r} needs the arrays mu and sigma (and n), or features")
        mean, covariance = arrays["mu"].ravel(), arrays["sigma"]
        if covariance.shape != (mean.size, mean.size) or not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ConfigError(f"the reference {self.where!r} has mu {arrays['mu'].shape} and sigma {covariance.shape} that do not fit")
        n = int(arrays["n"]) if "n" in arrays else 0
        return ReferenceFeatures(fitted=frechet.from_statistics(mean, covariance, n), n=n)

    def _features(self, extractor: Extractor, images: Iterator[Image.Image], n: int, prompts: str) -> tuple[np.ndarray, frozenset[str]]:
        """Features (n, D) and sizes of ``images``, from the cache where they are there."""
        key = digest({"version": 1, "reference": self.identity, "prompts": prompts, "extractor": dict(extractor.fingerprint_fields())})
        file = cache.folder() / "features" / f"{key[:32]}.npz"
        if file.is_file():
            with np.load(file) as stored:
                return stored["features"], frozenset(stored["sizes"].tolist())
        features, done = np.empty((0, 0), np.float32), 0
        sizes: set[str] = set()
        while batch := list(islice(images, _BATCH)):
            extracted = extractor.features(batch)
            if not done:
                features = np.empty((n, extracted.shape[1]), np.float32)
            features[done : done + len(extracted)] = extracted
            done += len(extracted)
            sizes |= {f"{i.width}x{i.height}" for i in batch}
        data = io.BytesIO()
        np.savez(data, features=features, sizes=np.array(sorted(sizes)))
        cache.keep(file, data.getvalue())
        return features, frozenset(sizes)


def file_format(name: str) -> str:
    """The format of a picture by the ending of its name: "png", "jpeg", "webp"."""
    ending = Path(name).suffix.lower().removeprefix(".")
    return {"jpg": "jpeg", "jpe": "jpeg", "jfif": "jpeg", "tif": "tiff", "dib": "bmp", "apng": "png"}.get(ending, ending)


def _content(arrays: dict[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name}:{arrays[name].shape}:".encode())
        total.update(np.ascontiguousarray(arrays[name], dtype=np.float64).tobytes())
    return total.hexdigest()[:16]


def _item(file: Path, sha256: str | None = None, prompt: str | None = None) -> _Item:
    """Of a file that cannot be read ``load`` tells."""
    try:
        data = file.read_bytes()
    except OSError:
        return _Item(file, sha256 or "unreadable", otherwise=False, prompt=prompt)
    otherwise = not decoding.seen_as_before(data)
    return _Item(file, sha256 or hashlib.sha256(data).hexdigest(), otherwise, prompt)


def _seen(file: Path) -> Image.Image:
    try:
        return decoding.seen(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the reference's picture {printable(file)} cannot be read ({error}); replace or remove it") from error
