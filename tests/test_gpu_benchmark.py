"""tests/benchmarks/gpu.py on a pretended card, at very small sizes: every part, its table, its file, its failures."""

import json
import sys

import numpy as np
import pytest
import strict_device
from benchmarks import gpu, gpu_checks, gpu_operations, gpu_speed, gpu_training

from tinymaskrcnn import devices, kernel_lookup
from tinymaskrcnn.models.mask_rcnn import MaskRCNN
from tinymaskrcnn.models.postprocess import paste_masks
from tinymaskrcnn.models.transform import resize_boxes
from tinymaskrcnn.ops import activation, linear
from tinymaskrcnn.testing import checks
from tinymaskrcnn.train.optimizer import SGD

WORKS = {
    "harness": {"gpu_harness"},
    "kernels": {"gpu_kernels"},
    "tf32": {"gpu_tf32"},
    "compare": {"gpu_compare_float64", "gpu_compare_float32", "gpu_detections_float64", "gpu_detections_float32"},
    "repeat": {"gpu_repeat_fp32", "gpu_repeat_tf32"},
    "train": {"gpu_train_digits"},
    "ap90": {"gpu_mnist_ap90", "gpu_digits_ap90"},
    "steps": {"gpu_step_b8_fp32", "gpu_step_b8_tf32", "gpu_step_b64_fp32", "gpu_step_b64_tf32"},
    "r50": {"gpu_r50_800x1333", "gpu_r50_800x1333_tf32"},
}


@pytest.fixture(autouse=True)
def no_digits_of_mnist(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_training.mnist, "candidates", lambda data_dir=None: [tmp_path])


@pytest.fixture
def bench(tmp_path, capsys):
    """bench(words): exit status, rows by work, the file's environment, and what was printed."""

    def run(*words):
        file = tmp_path / "rows.json"
        status = gpu.main(["--pretend", "--json", str(file), *words])
        document, printed = json.loads(file.read_text()), capsys.readouterr()
        return status, {row["work"]: row for row in document["rows"]}, document["environment"], printed

    return run


@pytest.mark.in_turn
@pytest.mark.parametrize("part", gpu.PARTS)
def test_every_part_works(bench, part):
    status, rows, environment, printed = bench("--only", part)
    assert status == 0 and rows.keys() == WORKS[part]
    assert {row["status"] for row in rows.values()} <= {"ok", "skipped", "missed"}
    assert environment["pretended"] and environment["card"] == "strict device array" and environment["numpy"]
    if part == "steps":
        assert all(row["ours_s"] > 0 and row["pairs"] == 2 and "ours_mb" in row for row in rows.values())
        assert all("peer_s" in row or "no ratio: " in row["note"] for row in rows.values())
        assert [row["batch"] for row in rows.values()] == [1, 1, 2, 2]
    lines = printed.out.splitlines()
    assert "card strict device array, cupy pretended" in lines[0]
    for work, line in zip(rows, lines[2:], strict=True):
        assert line.startswith(work) and rows[work]["status"] in line and rows[work]["note"] in line


def test_mnist_is_used_where_it_is_found(bench, monkeypatch):
    monkeypatch.setattr(gpu_training.mnist, "find", lambda: "a folder")
    learned = []

    def learn(run, config, *, evaluate_at, aim):
        learned.append(config.scenes.source)
        last = {"step": 2, "seconds": 5.0, "loss": 1.0, "box_AP": 0.91, "mask_AP": 0.8}
        return gpu_training.Progress(seconds=5.0, losses=[1.0], history=[last])

    monkeypatch.setattr(gpu_training, "learn", learn)
    status, rows, *_ = bench("--only", "ap90", "--recipe", "7,3,0.1")
    row = rows["gpu_mnist_ap90"]
    assert status == 0 and learned == ["mnist"] and rows.keys() == {"gpu_mnist_ap90"}
    assert (row["status"], row["seconds"], row["recipe"]) == ("ok", 5.0, [7, 3, 0.1])


# ---------------------------------------------------------------- failures


def test_without_a_gpu_there_is_one_line_and_status_2(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpu.main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert printed.err.startswith("nothing can be measured: device 'cuda' needs CuPy")


def test_a_part_that_fails_keeps_its_rows_and_says_why(bench, monkeypatch):
    def half(run):
        yield {"work": "gpu_half", "note": "done"}
        raise ValueError("the other\nhalf")

    monkeypatch.setitem(gpu.PARTS, "r50", half)
    status, rows, _, printed = bench("--only", "r50")
    assert status == 1 and rows["gpu_half"]["status"] == "ok"
    assert (rows["gpu_r50"]["status"], rows["gpu_r50"]["note"]) == ("failed", "ValueError: the other half")
    assert "in half" in rows["gpu_r50"]["trace"] and "failed" in printed.out.splitlines()[-1]


def test_a_part_that_crashes_or_hangs_does_not_stop_the_others(bench, monkeypatch):
    """The first writes a row and dies as a crash in the driver would, the second never ends, the third is well."""
    command_of = gpu.command_of

    def command(name, args, file, limit):
        if name == "tf32":
            row = json.dumps({"environment": {}, "rows": [{"work": "gpu_early", "status": "ok"}]})
            return [sys.executable, "-c", f"import os; open({str(file)!r}, 'w').write({row!r}); os.abort()"]
        if name == "compare":
            return [sys.executable, "-c", "import time; time.sleep(600)"]
        return command_of(name, args, file, limit)

    waited = gpu.wait_for

    def wait(process, limit, look):
        limit = 1 if "time.sleep(600)" in process.args[-1] else limit
        return waited(process, limit, look)

    monkeypatch.setattr(gpu, "wait_for", wait)
    monkeypatch.setattr(gpu, "command_of", command)
    status, rows, _, printed = bench("--only", "tf32", "compare", "repeat")
    assert status == 1 and list(rows) == ["gpu_early", "gpu_tf32", "gpu_compare", "gpu_repeat_fp32", "gpu_repeat_tf32"]
    assert rows["gpu_tf32"]["note"] == "the process ended with status -6 (SIGABRT)"
    assert rows["gpu_compare"]["note"] == "stopped after 180 s; --limit and --minutes allow more"
    assert rows["gpu_repeat_fp32"]["status"] == rows["gpu_early"]["status"] == "ok"
    assert len(printed.out.splitlines()) == 2 + len(rows)


def on_the_card(array):
    return type(array) is strict_device.StrictArray


def test_a_wrong_gradient_on_the_card_is_found(bench, monkeypatch):
    backward = MaskRCNN.backward

    def wrong(self, dlosses, cache):
        result = backward(self, dlosses, cache)
        p = self.parameters()[3]
        if on_the_card(p.value):
            p.grad *= 1 + 1e-8
        return result

    monkeypatch.setattr(MaskRCNN, "backward", wrong)
    status, rows, *_ = bench("--only", "compare")
    assert status == 1 and rows["gpu_compare_float64"]["status"] == "failed"
    assert rows["gpu_compare_float32"]["status"] == "ok"  # below what float32 can tell


def test_a_wrong_kernel_is_named(bench, monkeypatch):
    kernel_lookup._load_kernels()
    text = activation.relu_backward.readable
    wrong = [(devices.DEVICE, lambda dy, cache: True, lambda dy, cache: 1.0001 * text(dy, cache))]
    monkeypatch.setitem(kernel_lookup._KERNELS, "relu_backward", wrong)
    status, rows, *_ = bench("--only", "kernels")
    if rows["gpu_kernels"]["status"] == "skipped":
        pytest.skip(rows["gpu_kernels"]["note"])
    assert status == 1 and "furthest from its text: relu_backward, 1.0e-04" in rows["gpu_kernels"]["note"]
    assert rows["gpu_kernels"]["errors"]["conv2d_backward"] < 2e-5


@pytest.mark.parametrize("mode", ["continuous", "integer"])
def test_pasted_bits_are_judged_by_how_far_a_wrong_pixel_is_from_the_threshold(mode):
    """A kernel with the threshold of the text is right; one with another is wrong by as much."""
    rng, sizes = np.random.default_rng(0), [(20, 27), (31, 18)]
    masks = rng.random((2, 3, 7, 7), dtype=np.float32)
    boxes = np.tile(np.float32([[1, 2, 15, 17], [-4, 3, 9, 30], [0, 0, 0, 0]]), (2, 1, 1))

    def errors(kernels_threshold):
        def kernel(masks, boxes, *, old, new, threshold, mode):
            bits = np.zeros((2, 3, 31 * 4), np.uint8)
            for n, (height, width) in enumerate(new):
                size = dict(height=height, width=width)
                moved = resize_boxes(boxes[n], old=old[n], new=new[n])
                full = paste_masks(masks[n], moved, **size, threshold=kernels_threshold, mode=mode)
                rows = np.packbits(full, axis=2).reshape(3, -1)
                bits[n, :, : rows.shape[1]] = rows
            return bits

        found = {}
        judged = gpu_operations.beside_paste_masks(kernel, found.setdefault)
        judged(masks, boxes, old=[(40, 27), (31, 36)], new=sizes, threshold=0.5, mode=mode)
        return found["paste_bits"]

    assert errors(0.5) == [0.0]
    assert 0.05 < errors(0.6)[0] <= 0.1 and gpu_operations.KERNEL_TOLERANCE < errors(0.51)[0] <= 0.01


def test_steps_that_differ_from_run_to_run_are_found(bench, monkeypatch):
    step, noise = SGD.step, np.random.default_rng(0)

    def unsteady(self, learning_rate):
        step(self, learning_rate * (1 + 1e-3 * noise.random()))

    monkeypatch.setattr(SGD, "step", unsteady)
    status, rows, *_ = bench("--only", "repeat")
    assert status == 1 and "differ in" in rows["gpu_repeat_fp32"]["note"]


def test_a_failing_harness_is_named(bench, monkeypatch):
    text = linear.linear_backward

    def wrong(dy, cache):
        dx, dweight, dbias = text(dy, cache)
        return (dx * (1 + 1e-5) if on_the_card(dx) else dx), dweight, dbias

    monkeypatch.setattr(linear, "linear_backward", wrong)
    status, rows, *_ = bench("--only", "harness")
    row = rows["gpu_harness"]
    assert status == 1 and row["status"] == "failed" and row["failures"].keys() == {"linear"}
    assert row["note"].endswith("1 do not: linear") and "differs by" in row["failures"]["linear"]


def test_the_harness_asks_the_card_alone(monkeypatch):
    """Neither NumPy's own checks nor tests of emulated kernels: they say nothing about a card and take its time."""
    called = []
    for name in ("check_structure", "check_ownership", "check_repeatable", "check_linearity", "check_strides"):
        check = getattr(checks, name)
        monkeypatch.setattr(checks, name, lambda case, name=name, check=check: called.append(name) or check(case))
    monkeypatch.setattr("tinymaskrcnn.testing.check_gradients", lambda case: called.append("gradient"))
    run = gpu.Run(gpu.parse(["--pretend"]))
    [row] = gpu_checks.harness(run)
    assert row["status"] == "ok" and set(called) == {"check_ownership"}  # of what was moved to the card


def test_the_harness_ends_in_time():
    run = gpu.Run(gpu.parse(["--pretend", "--limit", "1"]))
    [row] = gpu_checks.harness(run)
    assert row["status"] == "ok" and row["note"].startswith("0 of ") and "there was no time" in row["note"]


# ---------------------------------------------------------------- in time, and again


def test_one_run_fits_in_its_minutes_and_another_goes_on(bench, monkeypatch):
    """What has no time left is skipped, nothing runs beyond the common end, and --resume runs what is not finished."""
    monkeypatch.setattr(gpu, "SHORTEST", 60)
    ran = []

    def pretended_part(name, args, limit, report):
        ran.append((name, limit))
        clock.now += 100
        report([{"work": f"gpu_{name}_early", "part": name, "status": "ok", "note": ""}])
        early = gpu.rows_in(gpu.Path(args.json))
        assert early[-1]["work"] == f"gpu_{name}_early", "written before the part has ended"
        if limit < 100:
            return [gpu.failed(name, f"{gpu.STOPPED} {limit:.0f} s")]
        return [{"work": f"gpu_{name}", "part": name, "status": "ok", "note": ""}]

    clock = type("Clock", (), {"now": 0.0})
    monkeypatch.setattr(gpu.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(gpu, "run_in_a_process", pretended_part)
    words = ["--minutes", "6"]
    _, rows, environment, _ = bench(*words)
    parts = list(gpu.PARTS)
    assert parts[-1] == "harness"
    assert ran == [(parts[0], 180), (parts[1], 180), (parts[2], 160), (parts[3], 60)]
    assert environment["finished"] == parts[:3]
    assert [rows[f"gpu_{name}"]["status"] for name in parts] == ["ok"] * 3 + ["failed"] + ["skipped"] * 5

    del ran[:]
    _, rows, environment, _ = bench(*words, "--resume")
    assert [name for name, _ in ran] == parts[3:7]
    assert [rows[f"gpu_{name}"]["status"] for name in parts] == ["ok"] * 6 + ["failed"] + ["skipped"] * 2


def test_resuming_needs_a_file(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--pretend", "--resume"])
    assert "--resume needs --json FILE" in capsys.readouterr().err


def test_both_libraries_get_the_same_precision(monkeypatch):
    """torch by itself lets its convolutions use TF32, whatever its matrix products do."""
    switches = {}
    torch = type("Torch", (), {})
    torch.backends = type("Backends", (), {"cuda": type("Cuda", (), {"matmul": switches_of(switches, "matmul")})})
    torch.backends.cudnn = switches_of(switches, "cudnn")
    monkeypatch.setitem(sys.modules, "torch", torch)
    run = type("Run", (), {"no_peer": None, "precision": lambda self, tf32: gpu.contextlib.nullcontext()})()
    for tf32 in (True, False):
        with gpu_speed.same_precision(run, tf32):
            assert switches == {"matmul": tf32, "cudnn": tf32}


def switches_of(switches, name):
    class Switch:
        def __setattr__(self, attribute, value):
            assert attribute == "allow_tf32"
            switches[name] = value

    return Switch()
