"""An assembler for a function in WebAssembly's text format, into a library that Emscripten's dlopen takes.

It knows the flat form, one instruction after another (`local.get $x`, `loop $name … end`), and those in CODES.
"""

import itertools

CODES = {
    "loop": b"\x03\x40",
    "end": b"\x0b",
    "br_if": b"\x0d",
    "select": b"\x1b",
    "local.get": b"\x20",
    "local.set": b"\x21",
    "i32.const": b"\x41",
    "i32.lt_s": b"\x48",
    "i32.add": b"\x6a",
    "i32.sub": b"\x6b",
    "i32.mul": b"\x6c",
    "v128.load": b"\xfd\x00",
    "v128.load32_splat": b"\xfd\x09",
    "v128.store": b"\xfd\x0b",
    "v128.const": b"\xfd\x0c",
    "f32x4.add": b"\xfd\xe4\x01",
    "f32x4.mul": b"\xfd\xe6\x01",
}
TYPES = {"i32": b"\x7f", "v128": b"\x7b"}
FLOATS = b"\x02"  # the power of two that addresses are multiples of


def library(name, parameters, local, text):
    """The bytes of a library with one function, which takes i32s, returns nothing and sees the program's memory.

    "name", ["parameter", ...], {"variable": "i32" or "v128"}, "instructions"  ->  bytes
    """
    function = number(1) + _name(name) + b"\x00" + number(0)
    memory = number(1) + _name("env") + _name("memory") + b"\x02\x00" + number(0)
    signature = b"\x60" + _vector([TYPES["i32"]] * len(parameters)) + _vector([])
    kinds = [number(1) + TYPES[kind] for kind in local.values()]
    body = _vector(kinds) + assemble(text, [*parameters, *local]) + CODES["end"]
    loader = _section(1, b"\x00\x00\x00\x00")  # it needs no memory and no table of its own
    return b"".join(
        [
            b"\x00asm\x01\x00\x00\x00",
            _section(0, _name("dylink.0") + loader),
            _section(1, _vector([signature])),
            _section(2, memory),
            _section(3, _vector([number(0)])),
            _section(7, function),
            _section(10, _vector([_sized(body)])),
        ]
    )


def assemble(text, variables):
    """Instructions, as text  ->  their bytes; `variables` by their numbers. KeyError, ValueError: what is unknown."""
    out, words, loops = [], iter(text.split()), []
    for word in words:
        out.append(CODES[word])
        if word.startswith("local."):
            out.append(number(variables.index(next(words).removeprefix("$"))))
        elif word == "i32.const":
            out.append(signed(int(next(words))))
        elif word == "v128.const":  # of four floats, all of them zero
            assert [next(words) for _ in range(5)] == ["f32x4", "0", "0", "0", "0"]
            out.append(bytes(16))
        elif word.startswith(("v128.load", "v128.store")):
            out.append(FLOATS + number(int(next(words).removeprefix("offset="))))
        elif word == "loop":
            loops.append(next(words))
        elif word == "br_if":  # counts from the innermost loop
            out.append(number(loops[::-1].index(next(words))))
        elif word == "end":
            loops.pop()
    return b"".join(out)


def number(value):
    """A whole number from 0 on, seven bits to a byte, the lowest first (LEB128)."""
    out = []
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def signed(value):
    """A whole number, as `number` but with its sign in the highest bit that is written."""
    for count in itertools.count(1):
        if -(1 << 7 * count - 1) <= value < 1 << 7 * count - 1:
            bits = [value >> 7 * k & 127 for k in range(count)]
            return bytes([*(bit | 128 for bit in bits[:-1]), bits[-1]])


def _sized(content):
    return number(len(content)) + content


def _section(kind, content):
    return bytes([kind]) + _sized(content)


def _name(text):
    return _sized(text.encode())


def _vector(items):
    return number(len(items)) + b"".join(items)
