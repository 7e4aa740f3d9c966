"""Parts of the page that are text, as HTML: what is said of anchors, classes, decisions, digits that are lost."""

from html import escape


def _tag(kind, inside, **attributes):
    said = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{kind}{said}>{inside}</{kind}>"


def _bar(share):
    return _tag("i", "", style=f"width:{100 * share:.2f}%")


def of_cell(title, anchors):
    """The title of a cell, and of each anchor over it [its size, what the network says of it]."""
    told = "".join(f"<dt><i></i>{escape(size)}</dt>{_tag('dd', escape(said))}" for size, said in anchors)
    return _tag("p", escape(title)) + _tag("dl", told)


def of_classes(names, probabilities):
    """A bar for each class, the likeliest marked; the background has a dash for a sign."""
    best = max(probabilities)
    told = ""
    for name, sign, share in zip(names, ["–", *names[1:]], probabilities):
        row = _tag("b", escape(sign), title=name) + _bar(share) + _tag("span", f"{share:.2f}")
        told += f'<div class="best">{row}</div>' if share == best else _tag("div", row)
    return told


def of_steps(steps):
    """The steps of a chain as items of a list: {"name", "text", "others"}"""
    return "".join(
        _tag("li", _tag("b", escape(step["name"])) + _tag("span", escape(step["text"])) + _others(step))
        for step in steps
    )


def _others(step):
    return "".join(_tag("small", f"→ {escape(other)}") for other in step["others"])


NOTHING = "Nothing is missed. Draw a tiny digit, cover one with another, or"


def of_missed(missed):
    """Of each missed digit where it was lost and why; where none is, a button that makes one."""
    told = "".join(_tag("div", _missed(**lost)) for lost in missed)
    return told or f'<p>{NOTHING}</p><button type="button">Add one that is too small</button>'


def _missed(digit, stage, reason, steps, funnel):
    rows = "".join(_tag("span", escape(name)) + _bar(share) + _tag("span", count) for name, share, count in funnel)
    return (
        _tag("h3", f"Digit {digit + 1} was lost at “{escape(stage)}”")
        + (f'<ol class="why">{of_steps(steps)}</ol>' if steps else _tag("p", escape(reason)))
        + '<p class="quiet">Boxes that fit it, after each stage:</p>'
        + f'<div class="funnel">{rows}</div>'
    )
