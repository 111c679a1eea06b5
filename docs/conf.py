"""How sphinx builds the pages. The API reference comes from the docstrings of the installed package."""

from __future__ import annotations

import importlib.metadata
import pkgutil
from typing import TYPE_CHECKING

from sphinx.pycode import ModuleAnalyzer

import stentor

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "stentor"
author = "the stentor authors"
copyright = "the stentor authors"  # noqa: A001 - sphinx's name for it
release = importlib.metadata.version("stentor")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"stentor {release}"

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True}
napoleon_numpy_docstring = False
myst_heading_anchors = 3

# Only a public name must lead somewhere: other projects' pages are not read when these are built.
nitpick_ignore_regex = [("py:.*", r"(?!stentor\.[A-Za-z]).*"), ("py:class", r".*\._\w+\.T")]

HANDLES = {
    "stentor.Agent",
    "stentor.Bus",
    "stentor.Delivery",
    "stentor.Feed",
    "stentor.Subscription",
    "stentor.recording.Recorder",
    "stentor.recording.Recording",
    "stentor.testing.Expectation",
}
"""What is given and never made: its constructor is nobody's business."""


CORE = ("stentor._values", "stentor._mechanisms", "stentor._machine", "stentor._bus")
EXTENSIONS = ("stentor.recording",)
"""Those that re-export classes with documented fields."""


def gather_fields(package: str, *parts: str) -> None:
    """Lets sphinx find the docstrings of fields: it looks in the package, which only re-exports the classes."""
    public = ModuleAnalyzer.for_module(package)
    public.analyze()
    for module in pkgutil.walk_packages(stentor.__path__, "stentor."):
        if module.name.startswith(parts):
            part = ModuleAnalyzer.for_module(module.name)
            part.analyze()
            public.attr_docs.update(part.attr_docs)
            public.tagorder.update(part.tagorder)


def without_constructor(_app: Sphinx, _what: str, name: str, *_rest: object) -> tuple[str, str] | None:
    """The signature of a handle: none."""
    return ("", "") if name in HANDLES else None


def setup(app: Sphinx) -> None:
    """Called by sphinx before it reads the pages."""
    gather_fields("stentor", *CORE)
    for extension in EXTENSIONS:
        gather_fields(extension, f"{extension}._")
    app.connect("autodoc-process-signature", without_constructor)
