"""kernels/wasm/assembler.py: its bytes are those of the specification's examples, and an engine takes the whole."""

import shutil
import subprocess

import pytest

from tinymaskrcnn.kernels.wasm import assembler, gemm


@pytest.mark.parametrize("value, wanted", [(0, "00"), (127, "7f"), (128, "8001"), (624485, "e58e26")])
def test_numbers_without_a_sign(value, wanted):
    assert assembler.number(value).hex() == wanted


@pytest.mark.parametrize("value, wanted", [(0, "00"), (-1, "7f"), (63, "3f"), (64, "c000"), (-123456, "c0bb78")])
def test_numbers_with_a_sign(value, wanted):
    assert assembler.signed(value).hex() == wanted


def test_instructions_and_what_they_refer_to():
    text = "loop $one loop $two local.get $y i32.const -1 br_if $one br_if $two end end v128.load offset=16"
    assert assembler.assemble(text, ["x", "y"]).hex() == "034003402001417f0d010d000b0bfd000210"


@pytest.mark.parametrize("text", ["i64.add", "local.get $z", "loop $a br_if $b end", "i32.const x"])
def test_what_is_unknown(text):
    with pytest.raises((KeyError, ValueError)):
        assembler.assemble(text, ["x"])


def test_an_engine_takes_the_library(tmp_path):
    if not shutil.which("node"):
        pytest.skip("there is no Node")
    made = assembler.library(gemm.NAME, gemm.PARAMETERS, gemm.LOCALS, gemm.program())
    (tmp_path / "whole").write_bytes(made)
    (tmp_path / "half").write_bytes(made[: len(made) // 2])
    code = "process.argv.slice(1).forEach((f) => console.log(WebAssembly.validate(require('fs').readFileSync(f))))"
    command = ["node", "-e", code, tmp_path / "whole", tmp_path / "half"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["true", "false"]
