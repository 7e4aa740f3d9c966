"""The table of a check: aligned, cut where it is asked for, and short where many lines say the same."""

import dataclasses

from tinymaskrcnn.data.coco_report import ALIKE, Annotation, Category, Picture, Problem, Report, count

PICTURES = {k: Picture(k, f"{k}.png", 4, 5) for k in (1, 2)}
OBJECTS = {k: Annotation(k, 1, 3, (0.0, 0.0, 1.0, 1.0)) for k in (1, 2, 3)}
SOUND = Report("a.json", {3: Category(3, "cat")}, PICTURES, OBJECTS, total=(2, 3))


def lines(problems, limit=None):
    return dataclasses.replace(SOUND, problems=tuple(problems)).table(limit).splitlines()


def test_records_have_nothing_that_was_not_given():
    one, picture, category, problem = OBJECTS[1], PICTURES[1], Category(3, "cat"), Problem("a", "b", "c")
    assert (one.crowd, one.area, one.segmentation, one.keypoints, one.broken) == (False, None, None, None, frozenset())
    assert picture.upright is True and (category.keypoints, category.other_points) == ((), False)
    assert (problem.part, problem.picture_id) == ("box", None)
    empty = Report("a.json")
    assert (empty.categories, empty.pictures, empty.annotations, empty.lost) == ({}, {}, {}, {})
    assert (empty.problems, empty.total, empty.notes, empty.parts, empty.ok) == ((), (0, 0), (), ("box",), True)


def test_a_sound_file_is_one_line():
    assert SOUND.table() == SOUND.table(1) == "a.json: sound (2 pictures, 3 objects, 1 classes)"
    broken = OBJECTS | {3: dataclasses.replace(OBJECTS[3], broken=frozenset({"mask"}))}
    less = dataclasses.replace(SOUND, annotations=broken, total=(5, 3))
    assert less.table() == "a.json: sound (2 of 5 pictures, 2 of 3 objects, 1 classes)"


def test_columns_are_aligned_and_the_first_two_not_too_wide():
    rows = [Problem("a", "b.png", "what"), Problem("long" * 3, "", "other")]
    head, names, *rest = lines(rows)
    assert head == "a.json: 2 problems (sound: 2 pictures, 3 objects, 1 classes)"
    assert names == "entry         picture  problem"
    assert rest == ["a             b.png    what", "longlonglong           other"]
    assert lines([Problem("a", "b" * 90, "what")])[1] == f"entry  {'picture':<40}  problem"
    assert lines([Problem("a" * 90, "b", "what")])[1] == f"{'entry':<40}  picture  problem"
    assert lines(rows[:1])[0].startswith("a.json: 1 problem (")


def test_a_limit_counts_the_rest():
    rows = [Problem(str(k), "", f"what {k}") for k in range(4)]
    for limit, more in ((1, 3), (3, 1)):
        assert len(lines(rows, limit)) == 2 + limit + 1 and lines(rows, limit)[-1] == f"... and {more} more"
    for limit in (4, 5, None):
        assert len(lines(rows, limit)) == 6 and "more" not in lines(rows, limit)[-1]


def test_what_many_have_in_common_is_listed_a_few_times():
    def alike(number):
        return [
            line for line in lines([Problem(str(k), "", "same") for k in range(number)] + [Problem("z", "", "one")])
        ]

    assert len(alike(2 * ALIKE)) == 2 + 2 * ALIKE + 1
    assert len(alike(2 * ALIKE + 1)) == 2 + ALIKE + 1 + 1
    assert alike(2 * ALIKE + 1)[2 + ALIKE].split("  ")[0] == f"... and {ALIKE + 1} more"
    assert alike(2 * ALIKE + 1)[-1].endswith("one")


def test_one_object_two_objects():
    assert [count(n, "object") for n in (0, 1, 2)] == ["0 objects", "1 object", "2 objects"]
