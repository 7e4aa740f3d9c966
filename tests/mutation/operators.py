"""Faults that are planted in a line of source: every operator takes one node of the syntax tree and writes it wrongly.

`mutants(source)` yields them all, in the order of the source. The text around the node stays as it is, so that a
mutant reads as its author would have written it.
"""

import ast
import difflib
import re
from dataclasses import dataclass

PAIRS = """
H/W HO/WO KH/KW KH/HO i/j h/w height/width heights/widths rows/cols rows/columns top/left bottom/right y/x x1/y1 x2/y2
x1/x2 y1/y2 ax/ay gx/gy aw/ah gw/gh wx/wy ww/wh dx/dy dw/dh cx/cy ax1/ay1 ax2/ay2 bx1/by1 bx2/by2 stride_y/stride_x
x/weight dweight/dbias
"""
OTHER = {}
for pair in PAIRS.split():
    first, second = pair.split("/")
    OTHER.setdefault(first, set()).add(second)
    OTHER.setdefault(second, set()).add(first)
SIDES = {"stride", "padding", "dilation", "kernel", "windows", "size", "grid_size", "image_size"}  # pairs (h, w)

COMPARE = {
    ast.Gt: (">=", "<"), ast.GtE: (">", "<="), ast.Lt: ("<=", ">"), ast.LtE: ("<", ">="), ast.Eq: ("!=",),
    ast.NotEq: ("==",), ast.Is: ("is not",), ast.IsNot: ("is",), ast.In: ("not in",), ast.NotIn: ("in",),
}  # fmt: skip
BINARY = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"), ast.Pow: ("**", "*"), ast.MatMult: ("@", "*"), ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"), ast.BitXor: ("^", "|"), ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"),
}  # fmt: skip
OTHER_FUNCTION = {
    "maximum": ("minimum",), "minimum": ("maximum",), "max": ("min", "mean"), "min": ("max",), "sum": ("mean", "max"),
    "mean": ("sum",), "argmax": ("argmin",), "argmin": ("argmax",), "any": ("all",), "all": ("any",),
    "zeros": ("ones", "empty"), "ones": ("zeros",), "zeros_like": ("ones_like",), "ones_like": ("zeros_like",),
    "floor": ("ceil", "round"), "ceil": ("floor", "round"), "round": ("floor", "ceil"), "triu": ("tril",),
    "log1p": ("log",), "log": ("log1p",), "expm1": ("exp",), "exp": ("expm1",), "empty_like": ("zeros_like",),
}  # fmt: skip
NUMBERS = "range", "arange"
NO_FLOATS = {"array_module", "bool", "len"}
NO_ARRAYS = set(  # they make numbers, containers, texts or settings
    "float int str repr set dict list tuple sorted Path compile read_text read_bytes "
    "decode encode format join replace split splitlines strip".split()
)
SYMMETRIC = "maximum", "minimum", "max", "min"


@dataclass(frozen=True)
class Mutant:
    """Source with one fault. name: what was done; line: its number, from 1; before, after: the text that changed."""

    name: str
    line: int
    source: str
    before: str
    after: str

    @property
    def key(self):
        """What a mutant is known by: its changed text, whatever else changes around it."""
        return f"{self.before}  =>  {self.after}"


def mutants(source, *, lines=None):
    """Yield the Mutants of a source, those whose fault lies in lines (first, last) only; no two of them are equal."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    text = Text(source, parents)
    seen = {ast.unparse(tree)}
    nodes = [n for n in ast.walk(tree) if hasattr(n, "lineno") and not _is_words(n, parents)]
    for node in sorted(nodes, key=lambda n: (n.lineno, n.col_offset)):
        if lines and not (lines[0] <= node.lineno and node.end_lineno <= lines[1]):
            continue
        for kind, change in OPERATORS:
            if not isinstance(node, kind):
                continue
            for name, new in change(node, text):
                mutated, meaning = text.replaced(node, new)
                if meaning is not None and meaning not in seen:
                    seen.add(meaning)
                    yield Mutant(name, node.lineno, mutated, *_changed_lines(source, mutated))


def _meaning(source):
    """A source without its layout; None when it is none."""
    try:
        return ast.unparse(ast.parse(source))
    except SyntaxError:
        return None


def _is_words(node, parents):
    """Whether a node is only said, not done: a docstring, an annotation, the text of an error."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    while node in parents:
        above = parents[node]
        if isinstance(above, (ast.Raise, ast.Assert, ast.JoinedStr)) or node in getattr(above, "decorator_list", ()):
            return True
        if isinstance(above, ast.Expr) and isinstance(above.value, ast.Constant):
            return True
        if node is getattr(above, "annotation", None) or node is getattr(above, "returns", None):
            return True
        if isinstance(above, ast.Call) and ast.unparse(above.func) == "isinstance":  # the order of its types is free
            return True
        if isinstance(above, ast.Assign) and ast.unparse(above.targets[0]) == "__all__":
            return True
        node = above
    return False


def _changed_lines(old, new):
    """The lines that differ, as they were and as they are, without comments and white space around them."""
    old, new = ([line.split("  # ")[0] for line in text.splitlines()] for text in (old, new))
    before, after = [], []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            before += old[a:b]
            after += new[c:d]
    return tuple("; ".join(line.strip() for line in part) for part in (before, after))


class Text:
    """A source whose nodes can be read and replaced."""

    def __init__(self, source, parents):
        self.source, self.parents = source, parents
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line.encode()))
        self.bytes = source.encode()

    def __call__(self, node):
        first, last = self._place(node)
        return self.bytes[first:last].decode()

    def names_around(self, node):
        """The names that occur in the function a node stands in."""
        while node in self.parents and not isinstance(node, ast.FunctionDef):
            node = self.parents[node]
        inside = list(ast.walk(node))
        return {n.id for n in inside if isinstance(n, ast.Name)} | {n.arg for n in inside if isinstance(n, ast.arg)}

    def _place(self, node):
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def replaced(self, node, new):
        """The source with other text for a node, and its meaning; without brackets that nobody needs."""
        first, last = self._place(node)
        texts = [new]
        while texts[-1][:1] == "(" and texts[-1][-1:] == ")":
            texts.append(texts[-1][1:-1])
        sources = [(self.bytes[:first] + one.encode() + self.bytes[last:]).decode() for one in texts]
        meanings = [_meaning(source) for source in sources]
        shortest = max((k for k, meaning in enumerate(meanings) if meaning == meanings[0]), default=0)
        return sources[shortest], meanings[0]

    def replaced_inside(self, node, part, new):
        """The text of a node in which a part of it is another."""
        begin, (first, last) = self._place(node)[0], self._place(part)
        return (self.bytes[begin:first] + new.encode() + self.bytes[last : self._place(node)[1]]).decode()

    def of_binary(self, node, operator, left=None, right=None):
        """(left operator right) anew, in brackets."""
        left, right = (_in_brackets(side) for side in (left or self(node.left), right or self(node.right)))
        return f"({left} {operator} {right})"


def _in_brackets(text):
    """A text that stays one thing beside any sign."""
    return text if re.fullmatch(r"[\w.]+(\[[^\[\]]*\])?|[\w.]+\([^()]*\)|\([^()]*\)", text) else f"({text})"


OPERATORS = []


def operator(*kinds):
    """Registers change(node, text) -> (name, new text), ... for nodes of these kinds."""

    def register(change):
        OPERATORS.append((kinds, change))
        return change

    return register


# ---------------------------------------------------------------- guards and comparisons


@operator(ast.Compare)
def comparison(node, text):
    """> becomes >=, and the whole of it always or never true."""
    if len(node.ops) == 1:
        left, right = text(node.left), text(node.comparators[0])
        for other in COMPARE.get(type(node.ops[0]), ()):
            yield "comparison", f"({left} {other} {right})"
    else:
        parts = [node.left, *node.comparators]
        for i, op in enumerate(node.ops):
            for other in COMPARE.get(type(op), ()):
                signs = [other if k == i else COMPARE_SIGN[type(o)] for k, o in enumerate(node.ops)]
                rest = "".join(f" {sign} {text(part)}" for sign, part in zip(signs, parts[1:]))
                yield "comparison", f"({text(parts[0])}{rest})"
    yield "condition always true", "True"
    yield "condition never true", "False"


COMPARE_SIGN = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


@operator(ast.BoolOp)
def boolean_terms(node, text):
    """One term of `and` or `or` is left out; the other word stands between them."""
    word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    values = [text(v) for v in node.values]
    for i in range(len(values)):
        yield f"term of {word} dropped", "(" + f" {word} ".join(values[:i] + values[i + 1 :]) + ")"
    yield f"{word} becomes {other}", "(" + f" {other} ".join(values) + ")"


@operator(ast.If, ast.While, ast.IfExp)
def condition(node, text):
    """The condition holds always or never."""
    for value in ("True", "False"):
        if not (value == "True" and isinstance(node, ast.While)):
            yield f"condition {value}", text.replaced_inside(node, node.test, value)


# ---------------------------------------------------------------- arithmetic


@operator(ast.BinOp)
def arithmetic(node, text):
    """Another sign, one side left out, the sides exchanged, the result written into the left side."""
    sign, other = BINARY[type(node.op)]
    yield f"{sign} becomes {other}", text.of_binary(node, other)
    yield f"right side of {sign} dropped", f"({text(node.left)})"
    yield f"left side of {sign} dropped", f"({text(node.right)})"
    if sign in ("-", "/", "//", "@", "**", "%"):
        yield f"sides of {sign} exchanged", text.of_binary(node, sign, text(node.right), text(node.left))
    if sign in ("/", "//"):
        yield (
            "divisor too large by a little",
            text.of_binary(node, sign, right=f"{_in_brackets(text(node.right))} + 1e-8"),
        )
        if not _is_at_least_1(node.right):
            held = f"__import__('numpy').maximum({text(node.right)}, 1)"
            yield "divisor held at 1", text.of_binary(node, sign, right=held)


def _is_at_least_1(node):
    """Whether a divisor is a number above 0 as it stands, or is held at one."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("max", "maximum"):
        return any(map(_is_at_least_1, node.args))
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and node.value >= 1


@operator(ast.UnaryOp)
def sign_dropped(node, text):
    yield "sign dropped", f"({text(node.operand)})"


@operator(ast.Constant)
def constant(node, text):
    """A number is another one, a truth its opposite."""
    value = node.value
    if isinstance(value, bool):
        yield "truth turned round", str(not value)
    elif isinstance(value, int):
        for other in dict.fromkeys((0, 1, value + 1, value - 1)):
            if other != value:
                yield "other number", f"({other})" if other < 0 else str(other)
    elif isinstance(value, float):
        for other in (0.0, 1.0, value * 2, value / 2, value * 10, value / 10, value + 1e-3):
            if other != value:
                yield "other number", repr(other)


# ---------------------------------------------------------------- names and pairs


@operator(ast.Name)
def pair(node, text):
    """The other one of a pair; a pair (h, w) turned round, or taken for two equal numbers."""
    for other in sorted(OTHER.get(node.id, ())):
        if other in text.names_around(node):
            yield f"{other} for {node.id}", other
    if node.id in SIDES and isinstance(node.ctx, ast.Load):
        yield f"{node.id} turned round", f"{node.id}[::-1]"
        if isinstance(text.parents[node], ast.Subscript):  # one side of it: another index says the rest
            return
        for k in (0, 1):
            yield f"{node.id} taken for symmetric", f"({node.id}[{k}], {node.id}[{k}])"
    if node.id == "padding" and isinstance(node.ctx, ast.Load):  # the one pair that may hold a 0
        yield "padding only when rows have it", "(padding if padding[0] else (0, 0))"
        yield "padding only when columns have it", "(padding if padding[1] else (0, 0))"


@operator(ast.Tuple, ast.List)
def neighbours(node, text):
    """Two neighbours of a tuple are exchanged, or one is written twice."""
    parts = [text(e) for e in node.elts]
    if any(isinstance(e, ast.Slice) for e in node.elts) or len(parts) > 12:
        return
    mark = "[]" if isinstance(node, ast.List) else "()"
    bare = isinstance(node, ast.Tuple) and text(node)[:1] != "("
    in_any_order = isinstance(text.parents[node], ast.ExceptHandler)
    for i in range(len(parts) - 1):
        swapped = [*parts[:i], parts[i + 1], parts[i], *parts[i + 2 :]]
        new = [] if in_any_order else [swapped]
        if isinstance(node.ctx, ast.Load):
            new += [[*parts[:i], parts[i], parts[i], *parts[i + 2 :]], [*parts[:i], parts[i + 1], *parts[i + 1 :]]]
        for one in new:
            inside = ", ".join(one)
            name = "neighbours exchanged" if one is swapped else "one for both"
            yield name, inside if bare else mark[0] + inside + mark[1]
    if isinstance(node.ctx, ast.Load) and len(parts) > 1:
        for i in range(len(parts)):
            inside = ", ".join(parts[:i] + parts[i + 1 :]) + ","
            yield "one left out", inside if bare else mark[0] + inside + mark[1]


@operator(ast.Attribute)
def attribute(node, text):
    """A dtype that is fixed, a transpose that is forgotten."""
    if node.attr == "dtype":
        yield "always float32", '__import__("numpy").dtype("float32")'
        yield "always float64", '__import__("numpy").dtype("float64")'
    elif node.attr in ("float32", "float64"):
        other = {"float32": "float64", "float64": "float32"}[node.attr]
        yield f"{other} for {node.attr}", f"{text(node.value)}.{other}"
    elif node.attr in ("T", "inf"):
        yield f"{node.attr} dropped", f"({text(node.value)})" if node.attr == "T" else "1e9"
    elif node.attr == "size":
        yield "len for size", f"len({text(node.value)})"
    if node.attr in OTHER:
        for other in sorted(OTHER[node.attr]):
            yield f"{other} for {node.attr}", f"{text(node.value)}.{other}"


# ---------------------------------------------------------------- calls


@operator(ast.Call)
def call(node, text):
    """An argument left out, two exchanged, another function, the function forgotten, a count that is held."""
    function = text(node.func)
    values = [text(a) for a in node.args]
    words = [text(k) for k in node.keywords]
    name = node.func.attr if isinstance(node.func, ast.Attribute) else function

    def anew(values=values, words=words, function=function):
        return f"{function}({', '.join([*values, *words])})"

    for i in range(len(words)):
        yield f"argument {node.keywords[i].arg} dropped", anew(words=words[:i] + words[i + 1 :])
    for i in range(len(values)):
        if len(values) + len(words) > 1:
            yield f"argument {i} dropped", anew(values[:i] + values[i + 1 :])
    for i in range(len(values) - 1 if name not in SYMMETRIC else 0):
        yield "arguments exchanged", anew([*values[:i], values[i + 1], values[i], *values[i + 2 :]])
    for value in values:
        yield f"{function} forgotten", f"({value.lstrip('*')})"
    for other in OTHER_FUNCTION.get(name, ()):
        yield f"{other} for {name}", anew(function=function[: len(function) - len(name)] + other)
    if isinstance(node.func, ast.Attribute):
        yield f".{name} forgotten", f"({text(node.func.value)})"
    if name in NUMBERS and values:
        last = min(len(values) - 1, 1)
        for most in (1, 2, 3, 5):
            yield f"at most {most}", anew([*values[:last], f"min({values[last]}, {most})", *values[last + 1 :]])
        yield "one less", anew([*values[:last], f"({values[last]}) - 1", *values[last + 1 :]])
    if name in ("maximum", "minimum", "add", "multiply", "where") and not any("out=" in w for w in words):
        place = values[1 if name == "where" else 0]
        if place.isidentifier() and name != "where":
            yield f"written into {place}", anew(words=[*words, f"out={place}"])
    if name == "astype":
        yield "astype float32", f"({text(node.func.value)}).astype('float32')"


# ---------------------------------------------------------------- places


@operator(ast.Subscript)
def subscript(node, text):
    """The index forgotten; a bound of a slice left out."""
    value = text(node.value)
    if isinstance(node.ctx, ast.Load):
        yield "index forgotten", f"({value})"
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    inside = [text(p) for p in parts]
    for i, part in enumerate(parts):
        if isinstance(part, ast.Slice):
            for which in ("lower", "upper", "step"):
                if getattr(part, which) is not None:
                    bounds = [
                        "" if b is None or w == which else text(b)
                        for w, b in (("lower", part.lower), ("upper", part.upper), ("step", part.step))
                    ]
                    new = bounds[0] + ":" + bounds[1] + (":" + bounds[2] if bounds[2] else "")
                    yield f"{which} bound dropped", f"{value}[{', '.join([*inside[:i], new, *inside[i + 1 :]])}]"
    for i in range(len(parts) - 1):
        swapped = [*inside[:i], inside[i + 1], inside[i], *inside[i + 2 :]]
        yield "indices exchanged", f"{value}[{', '.join(swapped)}]"


# ---------------------------------------------------------------- statements


@operator(ast.Assign, ast.AugAssign, ast.Expr)
def deleted(node, text):
    yield "statement deleted", "pass"


@operator(ast.Return)
def returned(node, text):
    """In place instead of a copy."""
    if isinstance(node.value, ast.BinOp) and isinstance(node.value.left, ast.Name) and type(node.value.op) in BINARY:
        name, sign = node.value.left.id, BINARY[type(node.value.op)][0]
        yield f"written into {name}", f"{name} {sign}= {text(node.value.right)}; return {name}"


@operator(ast.Assign)
def assigned(node, text):
    """In place instead of a copy: a = b + c writes into b; a += where = is meant."""
    value, target = node.value, text(node.targets[0])
    if isinstance(value, ast.BinOp) and isinstance(value.left, ast.Name) and type(value.op) in BINARY:
        name, sign = value.left.id, BINARY[type(value.op)][0]
        yield f"written into {name}", f"{name} {sign}= {text(value.right)}; {target} = {name}"
    if isinstance(node.targets[0], (ast.Subscript, ast.Attribute)):
        yield "+= for =", f"{target} += {text(value)}"
    words = re.findall(r"\w+", text(value))
    maker = text(value.func).rpartition(".")[2].lstrip("_") if isinstance(value, ast.Call) else ""
    may_be_array = maker and not maker[0].isupper() and maker not in NO_ARRAYS  # a name like Workspace is a class
    if isinstance(node.targets[0], ast.Name) and may_be_array and not NO_FLOATS & set(words):
        single = f"getattr({target}, 'dtype', None) == 'float64'"  # a mistake that costs digits, or the dtype
        yield "kept in float32", f"{text(node)}; {target} = {target}.astype('float32') if {single} else {target}"


@operator(ast.AugAssign)
def augmented(node, text):
    """= or another sign for +=; a new array where the given one was meant."""
    target, value = text(node.target), text(node.value)
    sign, other = BINARY[type(node.op)]
    yield f"= for {sign}=", f"{target} = {value}"
    yield f"{other}= for {sign}=", f"{target} {other}= {value}"
    if sign == "+":
        yield "+= twice", f"{target} += 2 * ({value})"
    if isinstance(node.target, ast.Attribute):
        yield "a new array", f"{target} = {target} {sign} {value}"


@operator(ast.For)
def loop(node, text):
    """The first or last rounds are left out, or the loop runs backwards."""
    values = text(node.iter)
    changes = {
        "first round only": f"[*{values}][:1]",
        "two rounds only": f"[*{values}][:2]",
        "three rounds only": f"[*{values}][:3]",
        "without the first round": f"[*{values}][1:]",
        "without the last round": f"[*{values}][:-1]",
        "backwards": f"[*{values}][::-1]",
    }
    for name, new in changes.items():
        yield f"loop: {name}", text.replaced_inside(node, node.iter, new)


@operator(ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
def comprehension(node, text):
    """The first or last rounds are left out; a filter is forgotten."""
    for generator in node.generators:
        values = text(generator.iter)
        for name, new in (("two rounds only", f"[*{values}][:2]"), ("without the last round", f"[*{values}][:-1]")):
            yield f"comprehension: {name}", text.replaced_inside(node, generator.iter, new)
        for test in generator.ifs:
            yield "filter forgotten", text.replaced_inside(node, test, "True")


@operator(ast.Break, ast.Continue)
def leaving(node, text):
    yield "break or continue forgotten", "pass"
