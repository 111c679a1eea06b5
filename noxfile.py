"""The gates of the project: `nox` runs them all, `nox -s lint` one of them, `nox -l` tells what there is.

The session `package` makes the sdist; from that alone a wheel is built in release for each Python, since the pump needs
more of CPython than the stable ABI gives. Every other session installs the wheel for its Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import nox

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
TARGET = ROOT / "target"
MATURIN = "maturin>=1.16,<2"
PYTHONS = ["3.11", "3.12", "3.13"]
GROUPS = nox.project.load_toml("pyproject.toml")

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False  # a machine has the Pythons it has
nox.options.sessions = ["package", "lint", "typing", "docs", "rust", "tests", "reference"]


def _offer_pyenv_versions() -> None:
    """Lets pyenv's shims answer for the newest of each Python of `PYTHONS`, not for one alone."""
    pyenv = shutil.which("pyenv")
    if pyenv is None or "PYENV_VERSION" in os.environ:
        return
    lines = subprocess.check_output([pyenv, "versions", "--bare"], text=True).split()  # noqa: S603 - a path looked up
    releases = sorted(tuple(map(int, line.split("."))) for line in lines if line.replace(".", "").isdigit())
    newest = {f"{major}.{minor}": f"{major}.{minor}.{micro}" for major, minor, micro in releases}
    os.environ["PYENV_VERSION"] = ":".join([newest[python] for python in PYTHONS if python in newest] + ["system"])


_offer_pyenv_versions()


def _group(name: str) -> list[str]:
    return [*nox.project.dependency_groups(GROUPS, name)]


def _wheel(session: nox.Session) -> Path:
    """The wheel for the session's Python, built from the sdist that `package` made, if it is not there yet."""
    tag = session.run("python", "-c", "import sys; print('cp%d%d' % sys.version_info[:2])", silent=True)
    name = f"*-{str(tag).strip()}-*.whl"
    if not list(DIST.glob(name)):
        _build(session)
    (wheel,) = DIST.glob(name)
    return wheel


def _build(session: nox.Session) -> None:
    """Builds the wheel for the session's Python from nothing but the unpacked sdist."""
    sdists = list(DIST.glob("*.tar.gz"))
    if len(sdists) != 1:
        session.error("dist/ must hold one sdist: run `nox -s package` first")
    session.install(MATURIN)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdists[0]) as archive:
            archive.extractall(folder, filter=_as_new)  # noqa: S202 - the filter is a safe one
        (source,) = Path(folder).iterdir()
        with session.chdir(source):
            env = {"CARGO_TARGET_DIR": str(TARGET)}
            build = ("maturin", "build", "--release", "--locked", "--interpreter", "python", "--out", str(DIST))
            session.run(*build, env=env)


def _install(session: nox.Session, *extras: str, groups: tuple[str, ...] = ()) -> None:
    """Installs the wheel with extras and dependency groups, and nothing of the source tree."""
    wanted = f"[{','.join(extras)}]" if extras else ""
    session.install(
        f"stentor{wanted} @ {_wheel(session).as_uri()}", *(name for group in groups for name in _group(group))
    )


def _as_new(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """A safe member that is as old as now: cargo takes what is older than its last build for built."""
    return tarfile.data_filter(member, folder).replace(mtime=time.time())


@nox.session
def package(session: nox.Session) -> None:
    """Makes the sdist, builds the wheel from it alone, and tries the wheel in an empty folder."""
    session.install(MATURIN)
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("maturin", "sdist", "--out", str(DIST))
    _install(session)
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        session.run("python", "-P", "-W", "error", str(ROOT / "tests" / "smoke.py"))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Runs the tests, and each benchmark once, against the wheel; arguments go to pytest."""
    _install(session, "test")
    session.run("pytest", *session.posargs)


@nox.session
def reference(session: nox.Session) -> None:
    """Runs the tests of the bus once more, with the dispatcher in Python that the native one is compared with."""
    _install(session, "test")
    session.run("pytest", "--dispatcher", "python", "tests/bus", "tests/delivery", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Checks style and format, and that the changelog's fragments are well formed."""
    session.install(*_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session
def typing(session: nox.Session) -> None:
    """Checks the types with two checkers, the public API for completeness, and the native stub for truth."""
    _install(session, "test", groups=("typing",))
    session.install("nox")
    session.run("mypy")
    session.run("pyright")
    with session.chdir(session.create_tmp()):
        session.run("pyright", "--verifytypes", "stentor", "--ignoreexternal")
        session.run("stubtest", "stentor._native")


@nox.session
def docs(session: nox.Session) -> None:
    """Builds the pages; a warning is an error."""
    _install(session, "test", groups=("docs",))
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "-b", "html", "docs", "site")


@nox.session(venv_backend="none")
def rust(session: nox.Session) -> None:
    """Checks the Rust half: format, clippy, tests, and that the fuzz targets still compile."""
    fuzz = "rust/core/fuzz/Cargo.toml"
    session.run("cargo", "fmt", "--all", "--check")
    session.run("cargo", "fmt", "--manifest-path", fuzz, "--check")
    session.run("cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings")
    session.run("cargo", "test", "--package", "stentor-core", "--locked")
    session.run("cargo", "test", "--package", "stentor-python", "--test", "estimate", "--locked")
    session.run("cargo", "check", "--manifest-path", fuzz, "--locked")
