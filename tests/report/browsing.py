"""A headless Chromium that tests look at pages with."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.services import required_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1500,3000",
)
READY_SECONDS = 120.0
# What a page has put off is known: `testSettled` calls back when there is nothing, and what was drawn is seen.
WATCHED = """
(() => {
  const begin = window.setTimeout, end = window.clearTimeout, waiting = new Set();
  window.setTimeout = (call, wait, ...given) => {
    const timer = begin(() => { waiting.delete(timer); call(...given); }, wait);
    waiting.add(timer);
    return timer;
  };
  window.clearTimeout = (timer) => { waiting.delete(timer); end(timer); };
  const frames = (call) => requestAnimationFrame(() => requestAnimationFrame(call));
  window.testSettled = (done) => {
    const look = () => (waiting.size ? begin(look, 5) : frames(() => (waiting.size ? look() : done())));
    frames(look);
  };
})();
"""


@contextmanager
def browser() -> Iterator[Any]:
    """Start Debian's Chromium with a profile of its own, and end it."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415 - it may not be there

    os.environ["SE_AVOID_STATS"] = "true"
    options = webdriver.ChromeOptions()
    options.binary_location = required_program("chromium", "chromium")
    service = Service(required_program("chromedriver", "chromium-driver"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=service)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCHED})
        try:
            yield driver
        finally:
            driver.quit()


def open_page(driver: Any, page: Path) -> float:
    """Show a report, wait until it is drawn, and return how many seconds the page says that took."""
    driver.get(page.as_uri())
    until = time.monotonic() + READY_SECONDS
    while not driver.execute_script("return document.body.dataset.ready"):
        assert time.monotonic() < until, complaints(driver)
        time.sleep(0.02)
    return float(driver.execute_script("return performance.now() / 1000"))


def complaints(driver: Any) -> list[str]:
    """The errors that the browser has told since it was asked last."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def settle(driver: Any) -> None:
    """Let all be drawn that the page has put off: it waits for no time, and two frames have passed."""
    driver.execute_async_script("testSettled(arguments[0])")
