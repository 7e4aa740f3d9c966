"""Folds the answer to a "Predict" away until a reader asks for it: what the cell prints, and what is said about it."""

from docutils import nodes

QUESTION = "Predict."
OPEN = '<details class="tmr-answer"><summary>Show what happens</summary>\n'


def fold_answers(app, doctree):
    """Every paragraph that begins with a bold "Predict." and is followed by a cell gets its answer folded."""
    for paragraph in list(doctree.findall(nodes.paragraph)):
        if _is_question(paragraph):
            _fold(paragraph)


def _is_question(node):
    said = [child for child in node.children if child.astext()] if isinstance(node, nodes.paragraph) else []
    return bool(said) and isinstance(said[0], nodes.strong) and said[0].astext() == QUESTION


def _fold(question):
    """Put outputs and the first paragraph after them between the tags of <details>; the code itself stays in sight."""
    parent = question.parent
    rest = parent.children[parent.index(question) + 1 :]
    answer, within = [], []  # what follows as a whole, and what comes out of the first cell
    for node in rest:
        if isinstance(node, nodes.section) or _is_question(node) or (not within and "<details" in node.astext()):
            break  # the next subject, or an answer that is folded as it was written
        if _has(node, "cell"):
            outputs = [child for child in node.children if _has(child, "cell_output")]
            if within:
                answer.append(node)
            elif outputs and "tmr-touch" not in outputs[0].astext():
                within = outputs
            elif outputs:
                within = [None]  # to be touched, so it is not an answer, but what is said about it is
        elif within:
            answer.append(node)
            break
    _wrap(question, [node for node in within if node is not None], answer)


def _wrap(question, outputs, answer):
    moved = outputs + answer
    if not moved:
        return
    parent = question.parent
    place = parent.index(outputs[0].parent) + 1 if outputs else parent.index(answer[0])
    for node in moved:
        node.parent.remove(node)
    for node in outputs:
        node["classes"].append("tmr-loose")  # no longer in the frame of its cell
    tags = [nodes.raw("", OPEN, format="html")], [nodes.raw("", "</details>\n", format="html")]
    parent[place:place] = [*tags[0], *moved, *tags[1]]


def _has(node, name):
    return isinstance(node, nodes.container) and name in node.get("classes", ())


def setup(app):
    app.connect("doctree-read", fold_answers)
    return {"parallel_read_safe": True}
