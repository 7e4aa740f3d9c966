import threading
import time

import numpy as np
import pytest

from tinymaskrcnn.config import Config, ModelConfig, SceneConfig
from tinymaskrcnn.data import digits, mnist
from tinymaskrcnn.data.loader import SceneStream, load_bank, open_stream, prefetch
from tinymaskrcnn.data.resizing import resize_pixels
from tinymaskrcnn.errors import ArgumentError, ConfigError, DataError

SMALL = SceneConfig(image_size=48, digits_per_image=(0, 3), digit_size=(12, 20))


def stream(**data):
    return SceneStream(SMALL, **{"split": "train", "seed": 3, "batch_size": 4, **data})


def same(a, b):
    np.testing.assert_array_equal(a.images, b.images)
    assert a.names == b.names
    for field in ("boxes", "labels", "masks", "valid"):
        np.testing.assert_array_equal(getattr(a.targets, field), getattr(b.targets, field))


# ---------------------------------------------------------------- the stream


def test_a_batch_holds_its_scenes_in_order():
    source = stream()
    batch = source.batch(2)
    assert len(batch) == 4 and batch.images.shape == (4, 64, 64, 1)  # padded to a multiple of 32
    assert batch.sizes.tolist() == [[48, 48]] * 4
    assert batch.names == tuple(f"train scene {i}" for i in (8, 9, 10, 11))
    for row, i in enumerate((8, 9, 10, 11)):
        image, target = source.scene(i)
        np.testing.assert_array_equal(batch.images[row, :48, :48], image)
        assert batch.targets.valid[row].sum() == len(target)
        np.testing.assert_array_equal(batch.targets.boxes[row, : len(target)], target.boxes)


@pytest.mark.parametrize("shorter, side", [(0, 48), (72, 72), (30, 30), (90, 60)])
def test_a_model_learns_from_scenes_in_the_size_it_will_see_them_in(shorter, side):
    """What it resizes when it detects it has to be trained on resized; no picture is shown to it in two sizes."""
    model = ModelConfig(resize_shorter=shorter, resize_longer=60 if shorter == 90 else shorter)
    config = Config(model=model, scenes=SMALL)
    learned, judged = (open_stream(config, split=split) for split in ("train", "test"))
    plain = SceneStream(SMALL, split="train", seed=0, batch_size=8)
    for i in range(6):
        (image, target), (whole, truth) = learned.scene(i), plain.scene(i)
        np.testing.assert_array_equal(image, resize_pixels(whole, model))
        np.testing.assert_allclose(target.boxes, truth.boxes * (side / 48), rtol=1e-6)
        np.testing.assert_array_equal(learned.carried(i, truth.boxes), target.boxes)
        assert target.masks.shape == (len(truth), side, side)
        for mask, box in zip(target.masks, target.boxes):
            x1, y1, x2, y2 = *np.floor(box[:2]).astype(int), *np.ceil(box[2:]).astype(int)
            assert mask.any() and not np.delete(mask, np.s_[y1:y2], axis=0).any()
            assert not np.delete(mask, np.s_[x1:x2], axis=1).any()
    assert learned.batch(0).sizes.tolist() == [[side, side]] * 8
    assert judged.scene(0)[0].shape == (48, 48, 1) and judged.scene(0)[1].masks.shape[1:] == (48, 48)


def test_batches_come_in_any_order():
    forward, backward = stream(), stream()
    ahead = [forward.batch(i) for i in range(4)]
    behind = [backward.batch(i) for i in reversed(range(4))]
    for a, b in zip(ahead, reversed(behind)):
        same(a, b)


def test_seeds_and_splits_give_other_scenes():
    first = stream().batch(0).images
    for other in (stream(seed=4), stream(split="test"), stream(split="validation")):
        assert not np.array_equal(first, other.batch(0).images)


def test_a_stream_refuses_what_cannot_work_at_once():
    with pytest.raises(ArgumentError, match="batch_size must be at least 1; got 0"):
        stream(batch_size=0)
    with pytest.raises(ArgumentError, match="split must be one of"):
        stream(split="dev")
    with pytest.raises(ConfigError, match=r"scenes.noise"):
        SceneStream(SceneConfig(noise=2.0), split="train", seed=0, batch_size=1)


def test_banks_by_name(tmp_path, monkeypatch):
    assert load_bank("digits") is digits.load()
    with pytest.raises(ConfigError, match="source must be 'digits', 'mnist' or 'figures'; got 'letters'"):
        load_bank("letters")
    monkeypatch.delenv("TINYMASKRCNN_DATA", raising=False)
    monkeypatch.setenv("TINYMASKRCNN_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="looked in .*mnist. Download it with `tinymaskrcnn data mnist`") as caught:
        load_bank("mnist")
    assert str(mnist.cache_folder()) in str(caught.value)
    with pytest.raises(DataError, match="elsewhere"):
        SceneStream(SceneConfig(source="mnist"), split="train", seed=0, batch_size=1, data_dir=tmp_path / "elsewhere")


# ---------------------------------------------------------------- working ahead


class Counted:
    """A stream that notes what it made; optionally slow, or broken at one batch."""

    def __init__(self, broken_at=None, seconds=0.0):
        self.made, self.broken_at, self.seconds = [], broken_at, seconds
        self.thread = None

    def batch(self, i):
        self.thread = threading.current_thread()
        time.sleep(self.seconds)
        if i == self.broken_at:
            raise DataError(f"batch {i} is broken")
        self.made.append(i)
        return i


def settled(source):
    """Wait until a stream makes nothing more, and return what it made."""
    before = None
    while before != source.made:
        before = list(source.made)
        time.sleep(0.05)
    return before


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_batches_do_not_depend_on_depth(depth):
    source = stream()
    for i, batch in enumerate(prefetch(source, start=2, count=4, depth=depth), 2):
        same(batch, source.batch(i))
    assert i == 5


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_than_depth_batches_are_made_ahead(depth):
    source = Counted()
    batches = prefetch(source, start=10, depth=depth)
    assert settled(source) == []  # nothing happens before the first batch is asked for
    for taken in range(1, 6):
        assert next(batches) == 9 + taken
        assert len(settled(source)) == taken + depth
    batches.close()


def test_the_next_batch_is_made_while_this_one_is_used():
    source = Counted()
    batches = prefetch(source, count=2)
    next(batches)
    assert settled(source) == [0, 1] and source.thread is not threading.main_thread()
    batches.close()


def test_count_ends_the_iteration_and_the_thread():
    source = Counted()
    assert list(prefetch(source, start=5, count=3)) == [5, 6, 7]
    assert list(prefetch(source, count=0)) == []
    source.thread.join(1)
    assert not source.thread.is_alive() and source.made == [5, 6, 7]


def test_without_count_it_goes_on():
    batches = prefetch(Counted(), start=7)
    assert [next(batches) for _ in range(50)] == list(range(7, 57))
    batches.close()


def test_an_exception_arrives_at_its_batch():
    source = Counted(broken_at=2)
    batches = prefetch(source, depth=4)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(DataError, match="batch 2 is broken"):
        next(batches)
    source.thread.join(1)
    assert not source.thread.is_alive()


def test_closing_stops_promptly():
    source = Counted(seconds=0.1)
    batches = prefetch(source, depth=10)
    next(batches)
    begin = time.perf_counter()
    batches.close()
    assert time.perf_counter() - begin < 0.5  # the batch in work, not the nine that were ordered
    assert not source.thread.is_alive() and len(source.made) <= 3


def test_leaving_a_loop_stops_the_thread():
    source = Counted()
    for _ in prefetch(source):
        break
    source.thread.join(1)
    assert not source.thread.is_alive()


def test_depth_must_be_positive():
    with pytest.raises(ArgumentError, match="prefetch: depth must be at least 1; got 0"):
        prefetch(Counted(), depth=0)
