"""The page in a browser: it draws, filters, zooms and tells, and runs nothing that a message brings along."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor.__main__ import main
from stentor.recording import record
from stentor.report import write_report
from stentor.testing.generators import random_pair, random_pattern, random_topic
from tests.recording.programs import on_virtual_clock, town
from tests.report.browsing import browser, complaints, open_page, settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHARTS = ("overview", "graph", "matrix", "timeline", "sequence", "latency", "depth")
# Where a chart is drawn there are colours, and not one alone.
COLOURS = """
return arguments[0].map((id) => {
    const canvas = document.querySelector(`#chart-${id} canvas`);
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(pixels.buffer)).size;
});
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """One browser for all."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run in which everything happens."""
    path = tmp_path_factory.mktemp("page") / "town.stentor"
    on_virtual_clock(town, path, seed=1, steps=60)
    return write_report(path)


def shown(driver: Any) -> tuple[int, int]:
    """How many deliveries are shown, and of how many."""
    some, _, every, _ = driver.find_element("id", "shown").text.split(" ")
    return int(some.replace(",", "")), int(every.replace(",", ""))


def type_in(driver: Any, name: str, text: str) -> None:
    """Type into a field, in place of what is there."""
    field = driver.find_element("id", name)
    field.clear()
    field.send_keys(text)
    settle(driver)  # the page waits for 150 ms without a key


def click_in(driver: Any, chart: str, finder: str, at: list[int]) -> None:
    """Click into a chart where it has a point."""
    from selenium.webdriver import ActionChains  # noqa: PLC0415 - it may not be there

    x, y = driver.execute_script(f"return stentorReport.charts.{chart}.convertToPixel({finder}, arguments[0])", at)
    element = driver.find_element("id", f"chart-{chart}")
    size = element.rect
    actions = ActionChains(driver)
    actions.move_to_element_with_offset(element, x - size["width"] / 2, y - size["height"] / 2)
    actions.click().perform()
    settle(driver)


def test_every_chart_is_drawn_in_light_and_dark(driver: Any, page: Path, tmp_path: Path) -> None:
    open_page(driver, page)
    settle(driver)
    first, every = shown(driver)
    assert first == every > 300
    assert all(colours > 10 for colours in driver.execute_script(COLOURS, CHARTS))
    assert driver.save_screenshot(str(tmp_path / "light.png"))
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    driver.find_element("id", "theme").click()
    settle(driver)
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") != ground
    assert all(colours > 10 for colours in driver.execute_script(COLOURS, CHARTS))
    assert driver.save_screenshot(str(tmp_path / "dark.png"))
    assert (tmp_path / "light.png").read_bytes() != (tmp_path / "dark.png").read_bytes()
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert complaints(driver) == []


def test_a_topic_pattern_and_an_agent_filter(driver: Any, page: Path) -> None:
    open_page(driver, page)
    _, every = shown(driver)
    counts = []
    for pattern in ("news.*", "news.[0-1]", "**.odd", "story", "nothing.at.all"):
        type_in(driver, "topic", pattern)
        counts.append(shown(driver)[0])
    assert every > counts[0] > counts[1] > 0
    assert counts[2] > 0
    assert counts[3] > 0
    assert counts[4] == 0
    type_in(driver, "topic", "news.[")
    assert "wrong" in driver.find_element("id", "topic").get_attribute("class")
    driver.find_element("id", "reset").click()
    assert shown(driver) == (every, every)
    type_in(driver, "agent", "thinker")
    assert 0 < shown(driver)[0] < every
    type_in(driver, "topic", "ask.*")
    assert 0 < shown(driver)[0] < every / 4
    assert complaints(driver) == []


def test_a_click_into_a_chart_filters(driver: Any, page: Path) -> None:
    open_page(driver, page)
    settle(driver)
    _, every = shown(driver)
    names = driver.execute_script("return stentorReport.charts.matrix.getOption().xAxis[0].data")
    cell = next(each for each in driver.execute_script("return stentorReport.charts.matrix.getOption().series[0].data"))
    click_in(driver, "matrix", "{seriesIndex: 0}", cell[:2])
    assert driver.find_element("id", "agent").get_attribute("value") == names[cell[0]]
    assert 0 < shown(driver)[0] < every
    driver.find_element("css selector", ".chip").click()
    settle(driver)
    pressed = driver.find_element("css selector", ".chip").get_attribute("aria-pressed")
    assert pressed == "false"
    assert complaints(driver) == []


def test_a_failure_tells_its_causes(driver: Any, page: Path) -> None:
    open_page(driver, page)
    type_in(driver, "topic", "ask.*")
    row = driver.find_element("css selector", "#table-failures tbody tr")
    assert "LookupError: no idea" in row.text
    row.click()
    details = driver.find_element("id", "details")
    assert details.is_displayed()
    assert "Why it failed, after 2 attempts" in details.text
    assert "LookupError: no idea" in details.text
    type_in(driver, "topic", "story")
    driver.find_element("css selector", "#table-failures tbody tr").click()
    step = driver.find_element("css selector", "#details .step")
    assert step.text.startswith("news.")
    step.click()
    assert driver.find_element("css selector", "#details h2").text.startswith("news.")
    driver.find_element("css selector", "#details .close").click()
    assert not details.is_displayed()


def test_a_zoom_is_followed_everywhere(driver: Any, page: Path) -> None:
    open_page(driver, page)
    _, every = shown(driver)
    driver.execute_script(
        "stentorReport.charts.overview.dispatchAction({type: 'dataZoom', startValue: 10, endValue: 30})"
    )
    settle(driver)
    some, _ = shown(driver)
    assert 0 < some < every / 2
    assert driver.execute_script("return stentorReport.charts.timeline.getOption().dataZoom[0].startValue") == 10
    button = driver.find_element("id", "window")
    assert button.text.startswith("10 s")
    button.click()
    settle(driver)
    assert shown(driver) == (every, every)
    driver.execute_script(
        "stentorReport.charts.timeline.dispatchAction({type: 'dataZoom', startValue: 5, endValue: 9})"
    )
    settle(driver)
    assert 0 < shown(driver)[0] < some
    assert complaints(driver) == []


def test_patterns_match_as_they_do_on_the_bus(driver: Any, page: Path) -> None:
    open_page(driver, page)
    dice = Random(7)
    pairs = [random_pair(dice) for _ in range(400)]
    pairs += [(random_pattern(dice), random_topic(dice)) for _ in range(400)]
    pairs = [pair for pair in pairs if "/" not in "".join(pair)]
    found = driver.execute_script("return arguments[0].map(([pattern, topic]) => matcher(pattern, [])(topic))", pairs)
    assert found == [stentor.Pattern(pattern).matches(topic) for pattern, topic in pairs]
    assert {True, False} == set(found)


def test_what_a_message_brings_is_never_run(driver: Any, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"

    async def main() -> None:
        async def fail(_: stentor.Message) -> None:
            raise ValueError(evil)

        with record(tmp_path / "evil.stentor", about={evil: evil}) as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:
                bus.register(evil.replace(".", ""), fail).subscribe("**")
                await bus.publish(evil.replace(".", ""), evil, sender=evil)
                await trio.sleep(1)

    on_virtual_clock(main)
    open_page(driver, write_report(tmp_path / "evil.stentor", title=evil))
    driver.find_element("css selector", "#table-failures tbody tr").click()
    settle(driver)
    assert driver.find_element("css selector", "h1").text == evil
    assert evil in driver.find_element("id", "details").text
    assert driver.execute_script("return document.querySelectorAll('img').length") == 0
    assert complaints(driver) == []


def test_an_empty_recording_has_a_page(driver: Any, tmp_path: Path) -> None:
    record(tmp_path / "empty.stentor").close()
    open_page(driver, write_report(tmp_path / "empty.stentor"))
    assert shown(driver) == (0, 0)
    assert complaints(driver) == []


def test_the_karate_club_has_a_report(driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--simulate", "--quiet", "--rounds", "5", "--record", "club.stentor"]) == 0
    assert main(["report", "club.stentor", "--title", "Zachary's karate club"]) == 0
    open_page(driver, tmp_path / "club.html")
    settle(driver)
    assert shown(driver) == (5 * 259, 5 * 259)
    assert driver.execute_script("return stentorReport.model.run.agents.length") == 34 + 3
    assert driver.execute_script("return stentorReport.charts.graph.getOption().series[0].data.length") == 34 + 3
    assert all(colours > 10 for colours in driver.execute_script(COLOURS, [each for each in CHARTS if each != "depth"]))
    assert driver.save_screenshot(str(tmp_path / "club.png"))
    assert (tmp_path / "club.png").stat().st_size > 100_000
    assert complaints(driver) == []
