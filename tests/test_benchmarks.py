"""The machinery of the benchmarks: turns, ratios, rows, exponents, peaks and the list. What is timed is made up."""

import argparse
import ast
import functools
import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from benchmarks import __main__ as listing
from benchmarks import compare_torchvision, measure, memory, peak, scaling, table, training, versions

from tinymaskrcnn.config import Config

FOLDER = Path(compare_torchvision.__file__).parent


class Clock:
    """Stands still but for what the contestants take."""

    def __init__(self):
        self.now, self.said = 0.0, []

    def __call__(self):
        return self.now

    def contestant(self, name, seconds):
        def call(turn):
            self.said.append((name, turn))
            self.now += seconds(turn) if callable(seconds) else seconds

        return call


# ---------------------------------------------------------------- turns and ratios


def test_contestants_take_turns_and_who_begins_alternates():
    clock = Clock()
    calls = {"ours": clock.contestant("ours", 1.0), "peer": clock.contestant("peer", 2.0)}
    seconds = measure.race(calls, pairs=3, warm=1, clocks=(clock,))
    first, second = [("ours", 0), ("peer", 0)], [("peer", 1), ("ours", 1)]
    assert clock.said == [("ours", -1), ("peer", -1), *first, *second, ("ours", 2), ("peer", 2)]
    assert seconds["ours"].tolist() == [[1.0]] * 3 and seconds["peer"].tolist() == [[2.0]] * 3


def test_short_calls_are_repeated_after_one_that_does_not_count():
    clock = Clock()
    costs = iter([0.03, 9.0, 0.01, 0.02, 0.03, 0.04])  # a warm-up, one that does not count, four that do
    seconds = measure.race(
        {"ours": clock.contestant("ours", lambda turn: next(costs))}, pairs=1, warm=1, clocks=(clock,)
    )
    assert seconds["ours"].item() == pytest.approx(0.025)
    assert measure.repeats_of(measure.TURN) == 1 and measure.repeats_of(0.0) == measure.MOST


def test_the_ratio_is_the_median_of_the_pairs_ratios():
    ours = np.array([[1.0, 5.0], [2.0, 5.0], [30.0, 5.0], [4.0, 5.0], [5.0, 5.0]])
    peer = np.array([[2.0, 7.0], [2.0, 7.0], [10.0, 7.0], [5.0, 7.0], [2.0, 7.0]])  # ratios 0.5 1 3 0.8 2.5
    row = measure.timing_row("walk", {"ours": ours, "peer": peer})
    assert (row["work"], row["ours_s"], row["peer_s"], row["pairs"]) == ("walk", 4.0, 2.0, 5)
    assert (row["ratio_25"], row["ratio"], row["ratio_75"]) == pytest.approx((0.8, 1.0, 2.5))  # not 4 / 2
    assert (row["ours_cpu_s"], row["peer_cpu_s"]) == (5.0, 7.0)


# ---------------------------------------------------------------- rows in a file


def arguments(path, **given):
    return argparse.Namespace(
        **({"only": None, "threads": 1, "load": 0.0, "channels_last": False, "json": path} | given)
    )


def time_row(name):
    return measure.timing_row(name, {"ours": np.full((2, 2), 0.25), "peer": np.full((2, 2), 0.5)})


def memory_row(name, **more):
    measured = {"growth_mb": 50.0, "peak_mb": 80.0, "program_pages_mb": 1.0, "reset": True} | more
    return memory.comparison_row(name, {"ours": measured, "peer": measured | {"growth_mb": 100.0, "peak_mb": 400.0}})


def test_rows_are_written_after_every_work_and_a_failure_stops_no_other(tmp_path, capsys):
    path, seen = tmp_path / "rows.json", []

    def first(bench, name):
        return time_row(name)

    def fails(bench, name):
        seen.append(json.loads(path.read_text())["rows"])
        raise measure.Mismatch("other boxes")

    works = {"nms_1000": first, "nms_6000": fails, "memory_step": lambda bench, name: memory_row(name)}
    assert compare_torchvision.run_works(works, None, arguments(path)) == 1
    assert [row["work"] for row in seen[0]] == ["nms_1000"]  # what was there when the second began
    rows = json.loads(path.read_text())["rows"]
    assert [row["work"] for row in rows] == list(works)
    assert {"work", "ours_s", "peer_s", "ratio"} <= set(rows[0]) and rows[0]["ratio"] == 0.5
    assert rows[1]["error"] == "Mismatch: other boxes"
    assert {"work", "ours_mb", "peer_mb", "ratio"} <= set(rows[2])
    assert (rows[2]["ratio"], rows[2]["process_ratio"]) == (0.5, 0.2)
    out, err = capsys.readouterr()
    assert "[1/3] nms_1000: ours 250 ms, torchvision 500 ms, ratio 0.500 (0.500 to 0.500) of 2 pairs" in err
    assert "[2/3] nms_6000: Mismatch: other boxes" in err and "ours 50 MB, torchvision 100 MB, ratio 0.50" in err
    assert [line.split()[0] for line in out.splitlines()] == ["work", *works]


def test_only_the_works_that_were_asked_for(tmp_path):
    works = {name: lambda bench, name: time_row(name) for name in ("a", "b", "c")}
    assert compare_torchvision.run_works(works, None, arguments(tmp_path / "x.json", only=["c", "a"])) == 0
    assert [row["work"] for row in json.loads((tmp_path / "x.json").read_text())["rows"]] == ["a", "c"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "rows.json"
    measure.write_rows(path, {}, [{"work": "a"}])
    with pytest.raises(TypeError):
        measure.write_rows(path, {}, [{"work": "a"}, {"work": object()}])
    monkeypatch.setattr(measure.os, "replace", lambda *paths: open(tmp_path / "none" / "full"))
    with pytest.raises(OSError):
        measure.write_rows(path, {}, [{"work": "b"}])
    monkeypatch.undo()
    assert json.loads(path.read_text())["rows"] == [{"work": "a"}] and list(tmp_path.iterdir()) == [path]


def test_the_environment_says_where_figures_come_from(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    where = measure.environment(threads=2, load=0.1, channels_last=True)
    assert where["numpy"] == np.__version__ and where["threads"] == 2 and where["channels_last"] is True
    assert where["blas"] and where["processor"] and where["cores"] >= 1
    assert where["held_back_by"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert any("OPENBLAS_CORETYPE=Haswell is set: OpenBLAS is held" in note for note in measure.warnings())
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    assert not any("OPENBLAS_CORETYPE" in note for note in measure.warnings())


def test_a_busy_machine_is_said(monkeypatch):
    monkeypatch.setattr(measure, "load_average", lambda: 1.5)
    assert "other programs keep 1.5 cores busy; times will mislead" in measure.warnings()


# ---------------------------------------------------------------- the comparison's words


def test_the_names_of_works_and_forms_agree_everywhere():
    names = {
        node.targets[0].id: [key.value for key in node.value.keys]
        for node in ast.parse((FOLDER / "works.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    }
    assert names["WORKS"] == list(compare_torchvision.NAMES) == list(table.NAMES)
    assert names["FORMS"] == list(compare_torchvision.FORMS)


def test_without_a_subcommand_all_works_run():
    args = compare_torchvision.parse(["--only", "nms_1000", "--pairs", "3", "--json", "x"])
    assert args.run is compare_torchvision.compare_works
    assert (args.only, args.pairs, args.threads, args.json) == (["nms_1000"], 3, 2, "x")
    for name in ("train", "step"):
        args = compare_torchvision.parse([name, "--threads", "1"])
        assert args.run is compare_torchvision.run_training and (args.command, args.threads) == (name, 1)


class Learner:
    """A contestant whose figures are made up: so many thousandths of AP as it made steps."""

    def __init__(self, name):
        self.name, self.steps = name, 0

    def step(self, batch):
        self.steps += 1
        return 1.0


def test_rows_of_one_contestant_join_those_of_the_file(tmp_path, monkeypatch, capsys):
    made = []

    def contestants(args, seed):
        made.append([Learner("ours"), Learner("torchvision")])
        return Config(), *made[-1]

    def figures(learner, config, scenes):
        return {name: learner.steps / 1000 for name in training.NUMBERS[:-2]}

    monkeypatch.setattr(training, "contestants", contestants)
    monkeypatch.setattr(training, "average_precision", figures)
    monkeypatch.setattr(training, "stream_of", lambda config, split: types.SimpleNamespace(batch=lambda i: i))
    monkeypatch.setattr(training, "count", lambda contestant: 7)
    path = tmp_path / "rows.json"

    def train(*words):
        words = ["train", "--at", "2", "--until", "5", "--json", str(path), *words]
        args = compare_torchvision.parse(words)
        args.load = 0.0
        training.compare_training(args)
        rows = json.loads(path.read_text())["rows"]
        return {(row["seed"], row["model"], row["at"]): row["box_AP"] for row in rows}, capsys.readouterr().out

    first, said = train("--seeds", "2", "--only", "torchvision")
    assert first == {(seed, "torchvision", at): at / 1000 for seed in (0, 1) for at in (2, 5)}
    assert [[one.steps for one in both] for both in made] == [[0, 5], [0, 5]] and "difference" not in said
    rows, said = train("--seeds", "1", "--only", "ours")
    assert rows == first | {(0, "ours", at): at / 1000 for at in (2, 5)}
    assert said.count("difference") == 4  # of the seed and of the mean, at both
    assert "box AP +0.000 (95 %: -inf to +inf), ours ahead with 0 of 1 seeds" in said
    both, said = train("--seeds", "2")
    assert len(both) == 8 and [one.steps for one in made[-1]] == [5, 5]
    assert "mask AP +0.000 (95 %: +0.000 to +0.000), ours ahead with 0 of 2 seeds" in said


@pytest.mark.parametrize("words, message", [(["--pairs", "0"], "at least 1; got '0'"), (["--only", "x"], "'nms_1000'")])
def test_bad_words_are_told(words, message, capsys):
    with pytest.raises(SystemExit):
        compare_torchvision.parse(words)
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------- scaling


@pytest.mark.parametrize(
    ("constant", "factor", "exponent"), [(0.0, 0.2, 1.7), (3.0, 0.2, 1.7), (5.0, 0.01, 2.0), (2.0, 0.0, None)]
)
def test_a_constant_and_a_power_are_found_again(constant, factor, exponent):
    """A power alone, fitted to the logarithms, passes by points whose small ones are mostly a constant part."""
    x = np.array([1.0, 2.0, 3.0, 6.0, 10.0, 40.0])
    y = constant + factor * x ** (exponent or 1)
    found = scaling.fit(x, y)
    assert found["off"] < 0.01
    assert scaling.line(x, **found) == pytest.approx(y, rel=0.01)
    if exponent:
        assert found["exponent"] == pytest.approx(exponent, abs=0.05)
        alone = np.exp(np.polyval(np.polyfit(np.log(x), np.log(y), 1), np.log(x)))
        assert constant == 0 or np.abs(alone / y - 1).max() > 0.1


def test_nothing_that_was_fitted_is_below_zero(rng):
    for _ in range(20):
        found = scaling.fit([1, 2, 4, 8, 16, 32], rng.uniform(1, 2, 6))
        assert min(found["constant"], found["factor"]) >= 0 and found["off"] < 1


def test_an_axis_is_measured_round_by_round(monkeypatch):
    clock = Clock()
    costs = {kind: lambda value: 3.0 * value for kind in scaling.KINDS} | {"step": lambda value: value**2.0}

    def subject(axis, value):
        made = {kind: clock.contestant(kind, cost(value)) for kind, cost in costs.items()}
        return scaling.Subject(float(value), {kind: lambda call=call: call(value) for kind, call in made.items()})

    monkeypatch.setattr(scaling, "subject", subject)
    monkeypatch.setattr(scaling, "race", functools.partial(measure.race, clocks=(clock, clock)))
    row = scaling.measure_axis("batch", 2)
    values = scaling.AXES["batch"][1]
    there = [(kind, value) for value in values for kind in costs]
    assert clock.said == there + there + there[::-1]  # a round to warm up, two that count
    assert (row["work"], row["x"], row["rounds"]) == ("scaling_batch", list(values), 2)
    assert row["step_cpu_s"] == row["step_s"] == pytest.approx([value**2 for value in values])
    assert row["step_exponent"] == pytest.approx(2.0, abs=0.03) and row["step_off"] < 0.02
    for kind in ("inference", "data", "predict", "evaluation", "drawing"):
        assert scaling.line_of(row, kind, values) == pytest.approx([3.0 * value for value in values], rel=0.02)


@pytest.mark.parametrize("axis, value, x", [("rois", 128, 128), ("anchors", 2, 2 * 1364), ("classes", 31, 31)])
def test_a_setting_has_what_its_axis_says(axis, value, x):
    one = scaling.subject(axis, value)
    assert one.x == x
    assert len(one.calls["inference"]()) == scaling.START["batch"]


def test_all_that_is_done_with_pictures_is_there():
    one = scaling.subject("objects", 16)
    assert one.calls.keys() == scaling.KINDS.keys()
    batch = one.calls["data"]()
    assert batch.targets.valid.sum(axis=1).tolist() == [scaling.MOST_DIGITS] * scaling.START["batch"]
    assert not np.array_equal(one.calls["data"]().images, batch.images), "other scenes every time"
    assert len(one.calls["predict"]()) == scaling.START["batch"]
    assert 0 <= one.calls["evaluation"]()["AP"] <= 1
    one.calls["drawing"]()


def test_inference_finds_the_full_number_and_a_step_changes_weights():
    one = scaling.subject("batch", 1)
    assert len(one.calls["inference"]()[0]) == 20
    before = one.calls["inference"]()[0].scores
    one.calls["step"]()
    assert not np.array_equal(one.calls["inference"]()[0].scores, before)


def test_the_boxes_of_a_scene_are_those_of_its_masks(rng):
    image, target = scaling.scene(rng, 64, 5, 11)
    target.validate(height=64, width=64, num_classes=11)
    assert image.shape == (64, 64, 1) and len(target) == 5
    assert (target.masks.sum(axis=(1, 2)) == np.prod(target.boxes[:, 2:] - target.boxes[:, :2], axis=1)).all()


def scaling_rows():
    rows = []
    for axis, (label, values) in scaling.AXES.items():
        row = {"work": f"scaling_{axis}", "axis": axis, "label": label, "x": list(values), "rounds": 1}
        for kind, power in (("step", 1.5), ("inference", 0.25)):
            seconds = 0.003 + 0.01 * np.array(values, float) ** power
            row |= {f"{kind}_s": seconds.tolist(), f"{kind}_exponent": power, f"{kind}_factor": 0.01}
            row |= {f"{kind}_constant": 0.003, f"{kind}_off": 0.04}
        rows.append(row)
    return rows


def test_the_picture_labels_every_axis_and_draws_what_was_fitted():
    figure = scaling.scaling_figure(scaling_rows())
    panels = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_xlabel() for ax in panels] == [label for label, _ in scaling.AXES.values()]
    for ax, (_, values) in zip(panels, scaling.AXES.values()):
        legend = [text.get_text() for text in ax.get_legend().get_texts()]
        assert legend == [
            "training step: 3 ms + power 1.50",
            "inference: 3 ms + power 0.25",
        ]
        line, points = ax.get_lines()[:2]
        assert points.get_ydata() == pytest.approx(3 + 10 * np.array(values, float) ** 1.5)
        assert line.get_ydata() == pytest.approx(3 + 10 * line.get_xdata() ** 1.5)
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == pytest.approx((min(values), max(values)))
    figure.canvas.draw()
    assert "training step" in scaling.table(scaling_rows()) and "1.50" in scaling.table(scaling_rows())


# ---------------------------------------------------------------- memory


def test_the_growth_is_what_the_work_takes(tmp_path, monkeypatch):
    np.savez(tmp_path / "arrays.npz", weight=np.zeros(3))

    def way(arrays, args):
        assert list(arrays) == ["weight"]
        np.ones(90_000_000, np.uint8)  # what was needed only to prepare is no part of it
        return lambda: [int(np.ones(40_000_000, np.uint8)[-1]), 7]

    monkeypatch.setitem(peak.WAYS, ("ours", "full_size"), way)
    args = argparse.Namespace(who="ours", what="full_size", arrays=str(tmp_path / "arrays.npz"))
    found = peak.measure(args)
    assert found["found"] == 7
    assert found["growth_mb"] == pytest.approx(found["peak_mb"] - found["level_mb"])
    if found["reset"]:
        assert 35 < found["growth_mb"] < 60


def test_memory_of_ours_alone_has_no_ratio():
    measured = {"growth_mb": 50.0, "peak_mb": 80.0, "program_pages_mb": 1.0, "reset": False}
    row = memory.comparison_row("memory_step", {"ours": measured})
    assert (row["ours_mb"], row["ours_process_mb"], row["peak_was_reset"]) == (50.0, 80.0, False)
    assert "ratio" not in row and "peer_mb" not in row


def test_different_numbers_of_detections_are_not_compared():
    assert memory_row("memory_r50", found=100)["ours_detections"] == 100
    measured = {"growth_mb": 50.0, "peak_mb": 80.0, "program_pages_mb": 1.0, "reset": True}
    with pytest.raises(measure.Mismatch, match="ours 100, torchvision 3"):
        memory.comparison_row("memory_r50", {"ours": measured | {"found": 100}, "peer": measured | {"found": 3}})


def test_a_layer_is_spread_to_the_deviation(rng):
    from tinymaskrcnn.nn.layers import Linear

    layer, x = Linear(8, 3, rng=rng), rng.standard_normal((500, 8)).astype(np.float32)
    layer.bias.value = np.array([5, 0, -5], np.float32)
    memory.spread(layer, layer.forward(x)[0], 2.5)
    y, _ = layer.forward(x)
    assert y.std() == pytest.approx(2.5, rel=1e-4) and np.abs(y.mean(axis=0)).max() < 1e-4


def test_the_stages_of_a_step_are_in_its_report():
    stage = argparse.Namespace(stage="mask head", kept=25_800_000, peak=80_800_000)
    profile = argparse.Namespace(stages=[stage], peak=80_800_000, model=17_900_000)
    parts = memory.parts_row("memory_step", profile)
    assert parts["work"] == "memory_step_parts"
    assert parts["parts"] == [{"part": "mask head", "kept_mb": 25.8, "in_use_mb": 80.8}]
    text = memory.report(parts, memory_row("memory_step"))
    assert "mask head" in text and "grows by 50 MB" in text and "ours / torchvision: 0.50" in text


# ---------------------------------------------------------------- tables and the list


def test_ratios_become_a_table():
    document = {"environment": measure.environment(threads=2, load=0.1)}
    document["rows"] = [time_row("nms_1000"), memory_row("memory_step"), {"work": "nms_6000", "error": "Mismatch: a|b"}]
    lines = table.table(document).splitlines()
    assert lines[2] == "| NMS at 0.7, 1,000 boxes | 250 ms | 500 ms | **0.50** | 0.50 to 0.50 | at most 0.80 |"
    assert lines[3] == "| memory of a training step | 50 MB | 100 MB | **0.50** |  | at most 1.00 |"
    assert lines[4] == "| NMS at 0.7, 6,000 boxes | | | Mismatch: a/b | | |"
    assert f"numpy {np.__version__}" in lines[-1] and "Load at the start: 0.1." in lines[-1]
    slow = table.ratios_table([time_row("roi_align_backward")])
    assert "at most 0.10: **missed**" in slow
    formed = table.ratios_table([time_row("nms_1000") | {"peer_form": "compiled"}])
    assert "| 250 ms | 500 ms (compiled) |" in formed


@pytest.mark.parametrize("folder", ["speed", "speed/later", "speed/haswell", "speed/avx2"])
def test_the_page_shows_the_runs_that_are_kept(folder):
    docs = Path(__file__).parents[1] / "docs"
    runs = [json.loads((docs / f"results/{folder}/{number}.json").read_text())["rows"] for number in (1, 2, 3)]
    assert table.runs_table(runs) in (docs / "performance.md").read_text()


def test_runs_stand_side_by_side(tmp_path, capsys):
    """Medians of the times, every ratio, a gap where a run has no such row, and how many missed what is required."""
    fast, slow = time_row("tiny_step_b8") | {"ratio": 0.39, "ours_s": 0.1}, time_row("tiny_step_b8") | {"ours_s": 0.2}
    runs = [[fast, memory_row("memory_step")], [slow], [fast | {"error": "busy"}, memory_row("memory_step")]]
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for file, rows in zip(files, runs):
        measure.write_rows(file, measure.environment(threads=2, load=0.1), rows)
    assert table.main([str(file) for file in files]) == 0
    _, _, step, memory, _, *origins = capsys.readouterr().out.splitlines()
    step_in_words = "training step, batch 8, 128x128"
    assert step == f"| {step_in_words} | 150 ms | 500 ms | 0.39, 0.50, – | at most 0.40: **missed** in 1 of 2 |"
    assert memory == "| memory of a training step | 50 MB | 100 MB | 0.50, –, 0.50 | at most 1.00 |"
    assert sum("Load at the start: 0.1." in line for line in origins) == 3


def test_exponents_become_a_table():
    assert table.KINDS == scaling.KINDS
    lines = table.table({"environment": measure.environment(threads=2, load=0.1), "rows": scaling_rows()}).splitlines()
    assert lines[2] == "| pixels along a side | 64 .. 512 | 3 ms + x^1.50 (4%) | 3 ms + x^0.25 (4%) |"


def test_the_list_names_every_program_with_what_it_does(capsys):
    found = listing.programs()
    assert {"compare_torchvision", "scaling", "memory", "ops", "evaluation"} <= set(found)
    assert "measure" not in found and "works" not in found  # parts, not programs
    assert all(found.values()), [name for name, what in found.items() if not what]
    assert listing.main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in found) and max(map(len, out.splitlines())) <= 120


def test_a_program_runs_by_its_name(tmp_path):
    path = tmp_path / "rows.json"
    measure.write_rows(path, measure.environment(threads=1, load=0.0), scaling_rows())
    words = [sys.executable, "-m", "tests.benchmarks", "table", str(path)]
    done = subprocess.run(words, cwd=FOLDER.parents[1], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "| classes | 2 .. 1,001 |" in done.stdout


def test_an_unknown_program_names_the_closest(capsys):
    assert listing.main(["scalling"]) == 2
    assert "did you mean scaling?" in capsys.readouterr().err


# ---------------------------------------------------------------- the works themselves, where torch is installed


@pytest.fixture
def works():
    torch = pytest.importorskip("torch", reason="needs torch", exc_type=Exception)
    pytest.importorskip("torchvision", reason="needs torchvision", exc_type=Exception)
    from benchmarks import works

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield works
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["tiny_step_b8", "tiny_inference_b1", "roi_align_backward", "nms_1000"])
def test_both_do_the_same_work(works, name):
    row = works.WORKS[name](works.Bench(threads=1, pairs=1, warm_steps=1, forms=["channels-last"]), name)
    assert row["work"] == name and row["pairs"] == 1
    assert row.get("peer_form", "channels-last") == "channels-last"
    assert row["ratio"] == pytest.approx(row["ours_s"] / row["peer_s"])
    if name == "tiny_step_b8":
        assert row["ours_rois_per_image"] == pytest.approx(row["peer_rois_per_image"], rel=0.1)


def test_the_peer_takes_part_in_its_fastest_form(works, monkeypatch, capsys):
    """One that does not work here is named and left out, unless it was asked for by name."""
    now, costs = [0.0], {"default": 3.0, "channels-last": 2.0, "compiled": None, "compiled, channels-last": 2.5}
    monkeypatch.setattr(works.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(works, "FORMS", {form: {"cost": cost} for form, cost in costs.items()})

    def call(cost, turn):
        if cost is None:
            raise RuntimeError("no compiler\nand much more")
        now[0] += cost + (100 if turn < 2 else 0)  # warming up counts for nothing

    peer, columns = works.Bench(threads=1).fastest(lambda cost: cost, call, calls=5)
    assert (peer, columns["peer_form"]) == (2.0, "channels-last")
    assert columns["peer_forms_s"] == pytest.approx({name: cost for name, cost in costs.items() if cost})
    assert "compiled: left out, RuntimeError: no compiler\n" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="no compiler"):
        works.Bench(threads=1, forms=["compiled"]).fastest(lambda cost: cost, call, calls=1)
    monkeypatch.setattr(works, "FORMS", {form: {"cost": None} for form in costs})
    with pytest.raises(works.Mismatch, match="none of its forms: default, channels-last"):
        works.Bench(threads=1).fastest(lambda cost: cost, call, calls=1)


def test_going_back_to_weights_forgets_the_steps_since(works):
    bench = works.Bench(threads=1, warm_steps=1, forms=["default"])
    batch = works.stream_of(bench.config, "train").batch(0)
    peer = works.Torchvision(bench.config, start=bench.trained)
    losses = [peer.step(batch), peer.step(batch)]
    peer.begin(bench.trained, 0)
    before = {name: value.clone() for name, value in peer.model.state_dict().items()}
    assert peer.steps_done == 0 and losses[0] != losses[1] and not peer.optimizer.state
    fresh = works.Torchvision(bench.config, start=bench.trained).model.state_dict()
    assert all((before[name] == value).all() for name, value in fresh.items() if "num_batches" not in name)


def test_other_work_has_no_ratio(works, monkeypatch):
    bench = works.Bench(threads=1, pairs=1)
    monkeypatch.setattr(works.nms, "nms", lambda boxes, scores, **options: np.ones(len(boxes), bool))
    with pytest.raises(works.Mismatch, match="different boxes"):
        works.WORKS["nms_1000"](bench, "nms_1000")
    with pytest.raises(works.Mismatch, match="2 were asked for"):
        works.Bench(threads=2, pairs=1).time("a", {}, pairs=1)
    for ours, peer in ((1.0, 1.6), (np.nan, 1.0), (0.0, 1.0), (-1.0, 1.0)):
        with pytest.raises(works.Mismatch, match="loss: ours"):
            works.require_similar("loss", ours, peer, within=1.5)
    works.require_similar("loss", 1.0, 1.4, within=1.5)


# ---------------------------------------------------------------- two versions


class FakeVersion:
    def __init__(self, seconds, loss=1.0):
        self.cpu, self.seconds, self.loss, self.asked = 0.0, seconds, loss, []

    def call(self, work, turn):
        self.asked.append((work, turn))
        self.cpu += self.seconds
        return self.loss


def test_two_versions_are_compared_by_what_their_own_processes_took():
    named = {"peer": FakeVersion(2.0), "ours": FakeVersion(3.0)}
    rows = versions.compare(named, pairs=2)
    assert [(row["work"], row["peer_cpu_s"], row["ours_cpu_s"]) for row in rows] == [
        (title, pytest.approx(2.0), pytest.approx(3.0)) for title in versions.WORKS.values()
    ]
    assert {work for work, _ in named["ours"].asked} == set(versions.WORKS)


def test_versions_that_do_not_compute_the_same_are_not_compared():
    with pytest.raises(measure.Mismatch, match="first losses are 1.01 and 1.0: not the same work"):
        versions.compare({"peer": FakeVersion(1.0), "ours": FakeVersion(1.0, loss=1.01)}, pairs=1)


def test_a_version_computes_with_the_package_of_its_folder():
    root = Path(versions.__file__).parents[2]
    version = versions.Version(root, 1)
    try:
        assert version.call("detect", 0) >= 0 and version.cpu > 0
        with pytest.raises(measure.Mismatch, match="a version ended with 1"):
            version.call("nonsense", 0)
    finally:
        version.process.kill()
        version.process.wait()
