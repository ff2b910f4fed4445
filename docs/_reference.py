"""How the class reference is laid out."""

import re

#: A group of parameters in a docstring: "- Network: `network`, `widths`, ...".
_GROUP = re.compile(r"^- (\w+): ((?:`\w+`,?\s*)+)\.$", re.MULTILINE)


def group_parameters(app, what, name, value, options, lines):
    """Put a heading above each group of parameters, and link the list of groups to these.

    numpydoc knows one list of parameters, and so do ``help`` and scikit-learn's HTML; the groups
    are a list of their own, in the order of the parameters.
    """
    if what != "class":
        return
    text = "\n".join(lines)
    for group in _GROUP.finditer(text):
        title, anchor = group[1], f"{name.rpartition('.')[2]}-{group[1]}".lower()
        first = re.search(r"`(\w+)`", group[2])[1]
        heading = f"    .. _{anchor}:\n\n    .. rubric:: {title}\n\n"
        text = text.replace(f"    **{first}** : ", f"{heading}    **{first}** : ", 1)
        text = text.replace(f"- {title}: ", f"- `{title} <#{anchor}>`__: ", 1)
    lines[:] = text.split("\n")
