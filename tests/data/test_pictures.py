import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import capacity
from tinymaskrcnn.data import pictures
from tinymaskrcnn.errors import ArgumentError, DataError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
GREY = RGB[:, :, 0].copy()


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def test_colour_is_read_exactly(tmp_path):
    image = pictures.read_image(save(tmp_path / "a.png", RGB), channels=3)
    assert image.shape == (5, 7, 3) and image.dtype == np.float32
    np.testing.assert_array_equal(image, RGB.astype(np.float32) / np.float32(255))


def test_grey_is_read_exactly_as_one_channel_or_three(tmp_path):
    path = save(tmp_path / "a.png", GREY)
    np.testing.assert_array_equal(pictures.read_image(path), (GREY / np.float32(255)).astype(np.float32)[:, :, None])
    np.testing.assert_array_equal(pictures.read_image(path, 3), np.repeat(pictures.read_image(path), 3, axis=2))


def test_colour_becomes_grey_by_brightness(tmp_path):
    image = pictures.read_image(save(tmp_path / "a.png", RGB))
    np.testing.assert_allclose(image[:, :, 0], RGB @ [0.299, 0.587, 0.114] / 255, atol=1 / 255)


def test_jpeg_is_read(tmp_path):
    path = save(tmp_path / "a.JPG", np.full((16, 16, 3), (200, 100, 50), np.uint8), format="JPEG", quality=95)
    np.testing.assert_allclose(pictures.read_image(path, 3), np.full((16, 16, 3), (200, 100, 50)) / 255, atol=0.02)


def test_palette_and_one_bit_pictures(tmp_path):
    palette = Image.fromarray((RGB // 128) * 255).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    palette.save(tmp_path / "p.png")
    np.testing.assert_allclose(pictures.read_image(tmp_path / "p.png", 3), RGB // 128, atol=0.01)
    Image.fromarray(GREY).convert("1", dither=Image.Dither.NONE).save(tmp_path / "b.png")
    np.testing.assert_array_equal(pictures.read_image(tmp_path / "b.png")[:, :, 0], GREY >= 128)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_keep_their_depth(tmp_path, channels):
    deep = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1871
    image = pictures.read_image(save(tmp_path / "a.png", deep), channels)
    assert image.shape == (5, 7, channels) and image.dtype == np.float32
    np.testing.assert_allclose(image, np.repeat(deep[:, :, None] / 65535, channels, axis=2), atol=1e-6)


def test_transparency_shows_white_paper(tmp_path):
    alpha = np.zeros((5, 7, 1), np.uint8)
    alpha[0], alpha[1] = 255, 51
    image = pictures.read_image(save(tmp_path / "a.png", np.concatenate([RGB, alpha], axis=2)), 3)
    np.testing.assert_allclose(image[0], RGB[0] / 255, atol=1e-6)
    np.testing.assert_allclose(image[1], 0.2 * RGB[1] / 255 + 0.8, atol=1 / 255)
    assert (image[2:] == 1).all()
    image = pictures.read_image(save(tmp_path / "la.png", np.stack([GREY, alpha[:, :, 0]], axis=2)))
    assert (image[2:] == 1).all() and image.shape == (5, 7, 1)
    hole = Image.new("P", (7, 5))
    hole.putpalette([0, 0, 0, 255, 0, 0])
    hole.save(tmp_path / "hole.png", transparency=0)
    assert (pictures.read_image(tmp_path / "hole.png") == 1).all()


def test_the_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated a quarter clockwise
    path = save(tmp_path / "a.png", RGB, exif=exif)
    np.testing.assert_array_equal(pictures.read_image(path, 3), np.rot90(RGB, -1).astype(np.float32) / np.float32(255))


def test_a_picture_of_one_pixel(tmp_path):
    assert pictures.read_image(save(tmp_path / "a.png", np.full((1, 1), 255, np.uint8))).tolist() == [[[1.0]]]


@pytest.mark.parametrize(
    ("name", "content"),
    [("text.png", b"this is no picture"), ("empty.jpg", b""), ("zeros.png", bytes(1000))],
)
def test_a_file_that_is_no_picture_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: cannot be read as a picture"):
        pictures.read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_truncated_picture_is_named_wherever_it_is_cut(tmp_path, kind):
    big = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    whole = save(tmp_path / f"whole.{kind}", big).read_bytes()
    path = tmp_path / f"cut.{kind}"
    for share in (0.001, 0.01, 0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match=f"cut.{kind}: cannot be read as a picture"):
            pictures.read_image(path)


def test_a_damaged_png_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8)
    whole = bytearray(save(tmp_path / "a.png", noise).read_bytes())
    whole[200:260] = bytes(60)
    (tmp_path / "a.png").write_bytes(whole)
    with pytest.raises(DataError, match="a.png: cannot be read as a picture"):
        pictures.read_image(tmp_path / "a.png")


def test_floating_point_pictures_are_refused(tmp_path):
    with pytest.raises(DataError, match="f.tif: .*floating-point numbers of unknown range"):
        pictures.read_image(save(tmp_path / "f.tif", np.ones((4, 4), np.float32)))


def test_missing_files_folders_and_channels(tmp_path):
    with pytest.raises(DataError, match="no.png: there is no such file"):
        pictures.read_image(tmp_path / "no.png")
    with pytest.raises(DataError, match="is a folder, not a picture"):
        pictures.read_image(tmp_path)
    with pytest.raises(ArgumentError, match="channels must be 1 or 3; got 4"):
        pictures.read_image(tmp_path, channels=4)


def test_folders_are_listed_by_name_and_files_are_taken_as_they_are(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deeper.png").mkdir(parents=True)
    names = ["a.JPEG", *(f"b{k}.png" for k in range(8)), "c.tif"]
    for name in (*reversed(names[5:]), *names[:5], "notes.txt"):
        (folder / name).touch()
    (tmp_path / "odd.name").touch()
    assert pictures.list_images(folder) == [folder / name for name in names]
    assert pictures.list_images(str(folder / "b0.png")) == [folder / "b0.png"]
    assert pictures.list_images([tmp_path / "odd.name", folder])[0] == tmp_path / "odd.name"


def test_an_empty_folder_and_a_missing_path_are_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"the folder holds no pictures \(png, jpg"):
        pictures.list_images(tmp_path)
    with pytest.raises(DataError, match="gone: there is no such file or folder"):
        pictures.list_images([tmp_path / "gone"])


def test_pictures_of_an_iphone_are_not_passed_over_and_say_what_to_do(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    assert pictures.list_images(tmp_path) == [tmp_path / "IMG_1.HEIC"]
    for read in (pictures.read_image, pictures.picture_sizes):
        with pytest.raises(DataError, match="IMG_1.HEIC: .*save it as JPEG; on an iPhone Settings"):
            read(tmp_path / "IMG_1.HEIC")


@pytest.mark.parametrize("orientation, sideways", [(1, False), (3, False), (6, True), (8, True)])
def test_sizes_as_shown_and_as_stored(tmp_path, orientation, sideways):
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = orientation
    path = save(tmp_path / "a.jpg", GREY, exif=exif)
    shown, stored = pictures.picture_sizes(path)
    assert stored == (5, 7) and shown == ((7, 5) if sideways else (5, 7))
    assert pictures.read_image(path).shape[:2] == shown
    assert pictures.read_image(path, upright=False).shape[:2] == stored


def test_sizes_of_what_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(DataError, match="a.png: cannot be read as a picture"):
        pictures.picture_sizes(tmp_path / "a.png")
    with pytest.raises(DataError, match="there is no such file"):
        pictures.picture_sizes(tmp_path / "b.png")


@pytest.mark.parametrize("side", [13_300, 60_000])
def test_a_small_file_that_claims_a_huge_picture_is_refused_by_its_head(tmp_path, side, capsys, recwarn):
    """21 kB that would be 177 megapixels: refused with the bytes, before a pixel is made."""
    path = tmp_path / "bomb.png"

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((1 + side // 8) * 1000))
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"bomb.png: .*(pixels, which would need .* of memory|DecompressionBomb)"):
        pictures.read_image(path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert not recwarn.list and capsys.readouterr().err == ""


def test_a_picture_that_does_not_fit_into_memory_is_refused_with_its_bytes(tmp_path, monkeypatch):
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(capacity, "free_bytes", lambda: 200 * 100 * 15 - 1)
    with pytest.raises(DataError, match=r"a.png: a picture of 200x100 pixels needs at least 300 kB of memory; "):
        pictures.read_image(tmp_path / "a.png", 3)
    assert pictures.read_image(tmp_path / "a.png", 1).shape == (100, 200, 1)


@pytest.mark.parametrize("dtype, values", [(np.int32, [-5, 0, 1, 65535, 65536, 10**6]), (np.uint16, [0, 1, 65535])])
def test_deep_pixels_lie_in_0_to_1(tmp_path, dtype, values):
    deep = np.array([values], dtype)
    for channels in (1, 3):
        image = pictures.read_image(save(tmp_path / "a.tif", deep), channels)
        assert image.shape == (1, len(values), channels) and image.dtype == np.float32
        expected = np.clip(deep.astype(np.float64) / 65535, 0, 1)
        np.testing.assert_allclose(image, np.repeat(expected[:, :, None], channels, axis=2), atol=1e-7)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_upright_and_as_stored(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", RGB, exif=exif)  # 7 wide, 5 high
    shown, stored = pictures.picture_sizes(path)
    assert stored == (5, 7) == pictures.read_pixels(path, upright=False).shape[:2]
    assert shown == pictures.read_pixels(path).shape[:2] == ((7, 5) if orientation > 4 else (5, 7))
    assert pictures.read_image(path).shape[:2] == shown and pictures.read_image(path, upright=False).shape[:2] == stored
    np.testing.assert_array_equal(pictures.read_pixels(path, 3, upright=False), RGB)


@pytest.mark.parametrize("channels", [0, 2, 4, None])
def test_pictures_have_one_channel_or_three(tmp_path, channels):
    with pytest.raises(ArgumentError, match=f"channels must be 1 or 3; got {channels}"):
        pictures.read_pixels(save(tmp_path / "a.png", RGB), channels)


def test_only_bytes_become_floats():
    image = np.full((2, 3, 1), 0.25, np.float32)
    assert pictures.to_float(image) is image
    pixels = np.array([[[0], [51], [255]]], np.uint8)
    floats = pictures.to_float(pixels)
    assert floats.dtype == np.float32 and floats.ravel().tolist() == [0, np.float32(0.2), 1] and pixels.max() == 255
