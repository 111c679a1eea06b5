"""How sphinx builds the pages. The API reference comes from the docstrings of the installed package."""

from __future__ import annotations

import importlib.metadata

project = "stentor"
author = "the stentor authors"
copyright = "the stentor authors"  # noqa: A001 - sphinx's name for it
release = importlib.metadata.version("stentor")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"stentor {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"  # a handle has no public constructor to show
napoleon_numpy_docstring = False
myst_heading_anchors = 3

# Only a name of our own must lead somewhere: other projects' pages are not read when these are built.
nitpick_ignore_regex = [("py:.*", r"(?!stentor\.).*")]
