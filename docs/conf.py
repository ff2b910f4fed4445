"""How the documentation site is built: ``sphinx-build -W --keep-going docs docs/_build``."""

import importlib
import inspect
import os
import re
import sys
import warnings
from pathlib import Path

# Before torch is imported: the networks are so small that a second thread only waits, and waits
# long where other work has the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib
from sphinx.util import logging

import fer_sklearn

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside it
from _gallery import to_run
from _notebook import write_notebook_page
from _reference import group_parameters

project = "fer_sklearn"
author = "the fer_sklearn developers"
copyright = f"2026, {author}"
version = release = fer_sklearn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb"]
templates_path = ["_templates"]
# Docstrings name things in single backticks, as scikit-learn's do.
default_role = "py:obj"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state types, and shapes besides
autosummary_ignore_module_all = False
numpydoc_show_class_members = False  # the template of classes lists them
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "fer_sklearn"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
# One page a section: nothing to navigate in.
html_sidebars = {
    page: []
    for page in (
        "index",
        "install",
        "model-card",
        "licences",
        "contribute",
        "changelog",
        "design",
        "decisions",
    )
} | {"coming_from/*": []}
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}

matplotlib.use("agg")
warnings.filterwarnings("error", module=r"fer_sklearn")
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": to_run(),
    "ignore_pattern": r"^(?!plot_)",
    "image_scrapers": ("_gallery",),
    "subsection_order": "_gallery.section_order",
    "backreferences_dir": "api/generated/examples",
    "doc_module": ("fer_sklearn",),
    "abort_on_example_error": False,
    "download_all_examples": False,
    "min_reported_time": 1e9,
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "_gallery.reading_order",
}


def public_names():
    """Map the full name of everything public to the object."""
    homes = [fer_sklearn]
    homes += [importlib.import_module(f"fer_sklearn.{name}") for name in fer_sklearn._MODULES]
    return {
        f"{home.__name__}.{name}": getattr(home, name) for home in homes for name in home.__all__
    }


PUBLIC = public_names()
MODULES = {name for name, value in PUBLIC.items() if inspect.ismodule(value)}


def check_that_all_is_documented(app, env):
    """Warn, which fails the build, of public names that the API reference lacks."""
    known = env.domains["py"].objects
    seen = {id(PUBLIC[name]) for name in known if name in PUBLIC}
    for name, value in PUBLIC.items():
        if name not in known and id(value) not in seen:
            logging.getLogger(__name__).warning("public, but not in the API reference: %s", name)


def resolve_short_name(app, env, node, contnode):
    """Link `FERClassifier`, in whichever module it is named, to its page."""
    end = "." + node.get("reftarget", "")
    domain = env.domains["py"]
    # A parameter may be called as a method is: those need their class before them.
    names = domain.objects if "." in end[1:] else PUBLIC
    found = [name for name in names if name.endswith(end) and name in domain.objects]
    if node.get("refdomain") != "py" or len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, contnode)


def skip_generated(app, what, name, value, skip, options):
    """Leave out scikit-learn's generated methods, and torch's `forward`."""
    return skip or bool(re.fullmatch(r"set_\w+_request|forward", name)) or None


def read_markdown(app, docname, source):
    """Drop the blank lines that pytest needs after doctests, link public names, keep 2 % whole."""
    text = re.sub(r"(```python\n>>> .*?)\n+```\n", r"\1\n```\n", source[0], flags=re.DOTALL)
    if Path(app.env.doc2path(docname)).suffix != ".md":
        return
    parts = re.split(r"^(```.*?^```)$", text, flags=re.DOTALL | re.MULTILINE)
    names = "|".join(name.rpartition(".")[2] for name in PUBLIC if name not in MODULES)
    call = re.compile(rf"(?<![`\[}}])`(({names})(\([^`<]*\))?)`(?![`\]])")
    parts[::2] = [call.sub(r"{py:obj}`\1 <\2>`", part) for part in parts[::2]]
    parts[::2] = [re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", part) for part in parts[::2]]
    source[0] = "".join(parts)


def inherited_methods(*, ours):
    """Map each public estimator to the methods that it has from this package, or from others."""
    return {
        name: [
            method
            for method in sorted(dir(value))
            if not method.startswith("_")
            and method not in vars(value)
            and inspect.isfunction(inspect.getattr_static(value, method))
            and getattr(value, method).__module__.startswith("fer_sklearn.") == ours
        ]
        for name, value in PUBLIC.items()
        if inspect.isclass(value) and hasattr(value, "get_params")
    }


autosummary_context = {
    "inherited": inherited_methods(ours=False),
    "shared": inherited_methods(ours=True),
}


def help_keyboards_and_readers(app, page, template, context, doctree):
    """Let keys scroll the tables that examples show, and screen readers say what is not text.

    The empty corner of a table is not a heading; the arrows of the side bar have no name.
    """
    body = context.get("body", "")
    wide = 'rendered_html output_result"'
    body = body.replace(wide, wide + ' tabindex="0"')
    context["body"] = re.sub(r'<th( class="head")?>(<p></p>)?</th>', "<td></td>", body)
    side_bar, name = context["generate_toctree_html"], 'aria-label="Pages of this section"'
    context["generate_toctree_html"] = lambda *args, **kwargs: str(
        side_bar(*args, **kwargs)
    ).replace("<summary>", f"<summary {name}>")


def setup(app):
    """Connect the functions above."""
    app.connect("builder-inited", write_notebook_page)
    app.connect("html-page-context", help_keyboards_and_readers, priority=600)  # after the theme
    app.connect("env-check-consistency", check_that_all_is_documented)
    app.connect("missing-reference", resolve_short_name)
    app.connect("source-read", read_markdown)
    app.connect("autodoc-skip-member", skip_generated)
    app.connect("autodoc-process-docstring", group_parameters, priority=600)  # after numpydoc
