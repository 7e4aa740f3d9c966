"""A sound COCO file, damaged at random: any field of any entry, any pixel file, alone or two at a time."""

import copy
import io

import annotated
import numpy as np
from PIL import Image

from tinymaskrcnn.data import rle

STRANGE = (
    None,
    -1,
    0,
    1,
    2.5,
    1e-5,
    1e12,
    10**30,
    True,
    "",
    "x",
    "3",
    [],
    [[]],
    [None],
    {},
    float("nan"),
    float("inf"),
)


def sound(rng):
    """Pictures of odd sizes with polygons, run lengths, a crowd, tiny objects, keypoints; sometimes fewer parts."""
    contents = annotated.entries()
    extra = [
        annotated.annotation(6, 20, 7, [3.5, 4.25, 21.5, 30.75], keypoints=[9, 9, 2, 12, 20, 1, 0, 0, 0]),
        annotated.annotation(7, 30, 3, [0, 0, 24, 24]),
        annotated.annotation(8, 30, 3, [5.3, 6.1, 0.5, 0.4]),
        annotated.annotation(9, 10, 3, [30, 20, 10, 12]),
    ]
    mask = np.zeros((32, 40), bool)
    mask[20:32, 30:40] = rng.random((12, 10)) < 0.8
    mask[20, 30] = mask[31, 39] = True
    extra[3]["segmentation"] = rle.to_coco(rle.encode(mask))
    contents["annotations"] += extra
    contents["categories"].append({"id": 12, "name": "idle"})
    without = rng.integers(6)
    for entry in contents["annotations"]:
        if without == 1:
            entry["segmentation"] = [[], None, [[]], {}, ""][rng.integers(5)]
        if without == 2:
            entry.pop("keypoints", None), entry.pop("num_keypoints", None)
        if without == 3:
            entry.pop("area"), entry.pop("iscrowd")
            if isinstance(entry["segmentation"], dict) and not isinstance(entry["segmentation"]["counts"], str):
                entry["segmentation"] = annotated.annotation(0, 0, 0, entry["bbox"])["segmentation"]
    return contents


def damage(contents, rng, folder):
    """Change one thing; says what."""
    if not all(contents.values()):
        return "nothing: a list is empty already"
    kind = rng.choice(["field", "number", "geometry", "reference", "entries", "file"], p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
    return globals()[f"_{kind}"](contents, rng, folder)


def _pick(contents, rng, places=("images", "annotations", "annotations", "categories")):
    place = places[rng.integers(len(places))]
    return place, contents[place][rng.integers(len(contents[place]))]


def _field(contents, rng, folder):
    place, entry = _pick(contents, rng)
    name = list(entry)[rng.integers(len(entry))]
    if rng.random() < 0.2:
        entry.pop(name)
        return f"{place}: {name} removed"
    entry[name] = copy.deepcopy(STRANGE[rng.integers(len(STRANGE))])
    return f"{place}: {name} = {entry[name]!r}"


def _number(contents, rng, folder):
    """One number somewhere inside becomes another."""
    place, entry = _pick(contents, rng)
    spots = []

    def walk(tree):
        for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
            if isinstance(value, (dict, list)):
                walk(value)
            elif isinstance(value, (int, float)):
                spots.append((tree, key, value))

    walk(entry)
    if not spots:
        return "nothing"
    tree, key, value = spots[rng.integers(len(spots))]
    change = [lambda v: v + 1, lambda v: -v, lambda v: 10 * v, lambda v: v / 1000, lambda v: v + 0.3, lambda v: 0]
    tree[key] = change[rng.integers(len(change))](value)
    return f"{place}: {key}: {value} -> {tree[key]}"


def _geometry(contents, rng, folder):
    """One object, or all of them, written in another way."""
    size = {e.get("id"): (e.get("width"), e.get("height")) for e in contents["images"] if type(e.get("id")) is int}
    changes = [
        lambda e, w, h: e.update(
            bbox=[e["bbox"][0], e["bbox"][1], e["bbox"][0] + e["bbox"][2], e["bbox"][1] + e["bbox"][3]]
        ),
        lambda e, w, h: e.update(bbox=[v / s for v, s in zip(e["bbox"], (w, h, w, h))]),
        lambda e, w, h: e.update(bbox=[e["bbox"][1], e["bbox"][0], e["bbox"][3], e["bbox"][2]]),
        lambda e, w, h: e.update(
            segmentation=[[v for x, y in zip(p[::2], p[1::2]) for v in (y, x)] for p in e["segmentation"]]
        ),
        lambda e, w, h: e.update(segmentation=[[v / s for v, s in zip(p, (w, h) * len(p))] for p in e["segmentation"]]),
        lambda e, w, h: e.update(segmentation=[[v + 9 for v in p] for p in e["segmentation"]]),
        lambda e, w, h: e.update(segmentation={"size": [h, w], "counts": [h * w]}),
        lambda e, w, h: e.update(segmentation={"size": [h, w], "counts": [0, h * w]}),
        lambda e, w, h: e.update(segmentation=[[x, y, x + 1e-3, y, x, y + 1e-3] for x, y in [e["bbox"][:2]]]),
        lambda e, w, h: e.update(segmentation=[[0, 0, w, h] * 300 + [0, h, w, 0] * 300]),
        lambda e, w, h: e.update(keypoints=[v for p in range(3) for v in (1, 1, 2)]),
        lambda e, w, h: e.update(bbox=[*e["bbox"][:2], 10.0 ** -rng.integers(9), 10.0 ** -rng.integers(9)]),
        lambda e, w, h: e.pop("area", None),
    ]
    number = rng.integers(len(changes))
    everywhere = rng.random() < 0.4
    entries = (
        contents["annotations"] if everywhere else [contents["annotations"][rng.integers(len(contents["annotations"]))]]
    )
    for entry in entries:
        try:
            changes[number](entry, *size[entry["image_id"]])
        except (TypeError, KeyError, ValueError, AttributeError, ZeroDivisionError, OverflowError):
            pass  # there is nothing to change
    return f"geometry {number}{' everywhere' if everywhere else ''}"


def _reference(contents, rng, folder):
    entry = contents["annotations"][rng.integers(len(contents["annotations"]))]
    name = ("image_id", "category_id")[rng.integers(2)]
    if isinstance(entry, dict):
        entry[name] = [3, 7, 10, 20, 30, 12, 99, 0, "7"][rng.integers(9)]
    return f"{name} = {entry.get(name)}"


def _entries(contents, rng, folder):
    """Entries twice, under new ids, with the names of others, or gone."""
    place, entry = _pick(contents, rng)
    choice = rng.integers(5)
    twin = copy.deepcopy(entry)
    if choice == 0:
        contents[place].remove(entry)
    elif choice == 1:
        contents[place].append(twin)
    elif choice == 2:
        contents[place].append(twin | {"id": 77})
    elif choice == 3 and place == "categories":
        contents[place].insert(0, {"id": 0, "name": ["cat", "background", "", "$x$", "N/A"][rng.integers(5)]})
    elif place == "annotations":
        contents[place] = [e for e in contents[place] if rng.random() < 0.3] if choice == 3 else []
    else:
        contents[place].append(twin | {"name": "other", "file_name": "d.png"})
    return f"entries {place} {choice}"


def _file(contents, rng, folder):
    """The file of a picture: cut off, of another kind or shape, gone."""
    entry = contents["images"][rng.integers(len(contents["images"]))]
    try:
        path, size = folder / entry["file_name"], (int(entry["width"]), int(entry["height"]))
        whole = path.read_bytes()
        picture = Image.open(io.BytesIO(whole)).convert("RGB").resize((min(size[0], 99), min(size[1], 99)))
    except (TypeError, KeyError, ValueError, OSError):
        return "nothing"
    choice, memory = rng.integers(9), io.BytesIO()
    if choice == 0:
        path.write_bytes(whole[: int(len(whole) * rng.random())])
    elif choice == 1:
        picture.save(memory, "JPEG")
        path.write_bytes(memory.getvalue()[: int(len(memory.getvalue()) * rng.uniform(0.3, 1))])
    elif choice == 2:
        damaged = bytearray(whole)
        for _ in range(8):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
    elif choice == 3:
        path.unlink()
    elif choice == 4:
        side = rng.integers(2)
        shape = [(1600, 2), (2, 1600)][side]
        Image.new("L", shape).save(path, "PNG")
        entry |= {"width": shape[0], "height": shape[1]}
        for a in contents["annotations"]:
            if isinstance(a, dict) and a.get("image_id") == entry.get("id"):
                a |= annotated.annotation(a.get("id"), a.get("image_id"), a.get("category_id"), [0, 0, 2, 2])
                a.pop("keypoints", None), a.pop("num_keypoints", None)
    elif choice == 5:
        picture.convert(["1", "L", "P", "LA", "RGBA", "CMYK"][rng.integers(6)]).save(path, "TIFF")
    elif choice == 6:
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.float32)).save(path, "TIFF")
    elif choice == 7:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(0, 10))
        picture.save(path, "PNG", exif=exif)
    else:
        path.write_bytes(b"")
    return f"file {choice}"
