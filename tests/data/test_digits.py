import hashlib

import numpy as np
import pytest
from scipy import ndimage

from tinymaskrcnn.data import digits
from tinymaskrcnn.errors import ArgumentError, DataError

BANK = digits.load()


def test_the_embedded_digits_are_the_uci_test_set():
    assert BANK.images.shape == (1797, 8, 8) and BANK.images.dtype == np.uint8
    assert BANK.labels.shape == (1797,) and BANK.labels.dtype == np.uint8
    assert np.bincount(BANK.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # UCI's own table
    digest = hashlib.sha256(BANK.images.tobytes() + BANK.labels.tobytes()).hexdigest()
    assert digest == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_the_embedded_digits_equal_scikit_learns_copy(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed; only needed to make the file again")
    digits.rebuild(tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["images"], BANK.images)
        np.testing.assert_array_equal(arrays["labels"], BANK.labels)


def test_attribution_and_licence_lie_beside_the_file():
    text = digits.files("tinymaskrcnn.data").joinpath("uci_digits.txt").read_text()
    for word in ("Alpaydin", "Kaynak", "CC BY 4.0", "10.24432/C50P49"):
        assert word in text


def test_a_missing_file_is_a_data_error(monkeypatch):
    monkeypatch.setattr(digits, "FILE", "nowhere.npz")
    with pytest.raises(DataError, match="nowhere.npz cannot be read; install the package again"):
        digits.load.__wrapped__()


def test_splits_are_disjoint_complete_and_stratified():
    parts = [BANK.members(split) for split in digits.SPLITS]
    together = np.concatenate(parts)
    assert sorted(together.tolist()) == list(range(len(BANK)))
    for part, share in zip(parts, (0.7, 0.1, 0.2)):
        wanted = share * np.bincount(BANK.labels)
        np.testing.assert_allclose(np.bincount(BANK.labels[part], minlength=10), wanted, atol=3)


def test_an_unknown_split_is_named():
    with pytest.raises(ArgumentError, match="split must be one of train, validation, test; got 'dev'"):
        BANK.members("dev")


def test_no_two_splits_share_a_picture():
    pictures = [{BANK.images[i].tobytes() for i in BANK.members(split)} for split in digits.SPLITS]
    assert not (pictures[0] & pictures[1] or pictures[0] & pictures[2] or pictures[1] & pictures[2])


def test_the_bank_is_read_only():
    for array in (BANK.images, BANK.labels, BANK.members("train")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("height", [8, 20, 28, 36, 90])
def test_the_mask_is_as_high_as_asked_and_keeps_the_aspect(height):
    for i in range(0, 1797, 100):
        ink = BANK.render(i, height)
        mask = ink > 0.5
        rows = np.flatnonzero(mask.any(axis=1))
        columns = np.flatnonzero(mask.any(axis=0))
        assert abs(rows[-1] - rows[0] + 1 - height) <= 1
        reference = BANK.render(i, 200) > 0.5
        aspect = reference.any(axis=0).sum() / 200
        assert abs(columns[-1] - columns[0] + 1 - aspect * height) <= 2


def test_ink_is_float32_in_steps_of_one_255th_and_cropped():
    for angle in (0.0, 33.0):
        ink = BANK.render(11, 30, angle)
        assert ink.dtype == np.float32 and ink.max() <= 1 and ink.min() >= 0
        np.testing.assert_array_equal(np.rint(ink * 255).astype(np.float32) / np.float32(255), ink)
        for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]):
            assert edge.any()


def test_a_full_turn_is_no_turn_and_half_a_turn_turns_upside_down():
    upright = BANK.render(5, 30)
    np.testing.assert_allclose(BANK.render(5, 30, 360.0), upright, atol=1.5 / 255)
    np.testing.assert_allclose(BANK.render(5, 30, 180.0), upright[::-1, ::-1], atol=1.5 / 255)


def test_a_quarter_turn_is_counter_clockwise():
    upright = BANK.render(5, 30)
    turned = BANK.render(5, 30, 90.0)
    assert turned.shape == upright.shape[::-1]
    np.testing.assert_allclose(turned, np.rot90(upright), atol=1.5 / 255)


def test_turning_keeps_the_amount_of_ink():
    area = BANK.render(8, 40).sum()
    for angle in (-25.0, 10.0, 45.0):
        assert BANK.render(8, 40, angle).sum() == pytest.approx(area, rel=0.03)


def test_strokes_are_solid_pen_strokes():
    widths, pieces = [], []
    for i in range(0, 1797, 30):
        mask = np.pad(BANK.render(i, 28) > 0.5, 1)
        distance = ndimage.distance_transform_edt(mask)
        ridge = (distance == ndimage.maximum_filter(distance, 3)) & mask
        widths.append(np.median(2 * distance[ridge] - 1))
        pieces.append(ndimage.label(mask, np.ones((3, 3)))[1])
    assert 3 <= np.mean(widths) <= 6  # pixels, at a height of 28
    assert np.mean(np.array(pieces) == 1) >= 0.95  # strokes do not break


def test_edges_are_soft_over_about_a_pixel():
    widths = []
    for i in range(0, 1797, 100):
        ink = BANK.render(i, 28)
        between = (ink > 0.1) & (ink < 0.9)
        outline = (ink > 0.5) ^ ndimage.binary_erosion(ink > 0.5)
        widths.append(between.sum() / outline.sum())
    assert 0.5 <= np.mean(widths) <= 2.5


def test_the_contour_of_a_plain_block_is_found_to_a_fraction_of_a_cell():
    image = np.zeros((1, 8, 8), np.uint8)
    image[0, 2:5, 3:6] = 16
    bank = digits.make_bank("block", image, np.zeros(1, np.uint8), full=16, splits={})
    field = np.zeros((10, 10))
    field[1:-1, 1:-1] = image[0] / 16
    low, high = digits._extent(field)
    assert low == pytest.approx(2 + digits.HALF_INK) and high == pytest.approx(6 - digits.HALF_INK)
    mask = bank.render(0, 40) > 0.5
    assert mask.any(axis=1).sum() == 40 and mask.any(axis=0).sum() == 40
