"""`stentor match`: its answers and its exit statuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stentor.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "status", "answer"),
    [
        (
            ["ai.*", "ai.models", "ai.models.gpt4"],
            0,
            "'ai.models'       matches, found by shape\n'ai.models.gpt4'  does not match\n",
        ),
        (["ai.models", "ai.models"], 0, "'ai.models'  matches, found by exact\n"),
        (["**.gpt?.**", "ai.gpt4"], 0, "'ai.gpt4'  matches, found by trie\n"),
        (["ai.**.**", "nature"], 1, "'ai.**.**' is 'ai.**'\n'nature'  does not match\n"),
        (["sport/#", "sport", "--dialect", "mqtt"], 0, "'sport'  matches, found by shape\n"),
        (["ai*", "ai.models", "--dialect", "redis"], 0, "'ai.models'  matches, found by prefix\n"),
        (["a", "b", "a", "--quiet"], 0, ""),
        (["a", "b", "--quiet"], 1, ""),
    ],
)
def test_it_answers_explains_and_exits_like_grep(
    arguments: list[str], status: int, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["match", *arguments]) == status
    assert capsys.readouterr() == (answer, "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["a..b", "a"], "invalid pattern 'a..b' at offset 2: empty segment"),
        (["a", "a", "b."], "invalid topic 'b.' at offset 2: empty segment"),
        (["a/#/b", "a", "--dialect", "mqtt"], "invalid pattern 'a/#/b' at offset 2: '#' must be the last segment"),
    ],
)
def test_what_is_not_of_the_dialect_is_a_mistake(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["match", *arguments]) == 2
    assert capsys.readouterr() == ("", f"stentor match: error: {error}\n")


@pytest.mark.parametrize("arguments", [[], ["a"], ["a", "b", "--dialect", "smtp"]])
def test_a_mistake_on_the_command_line_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["match", *arguments])
    assert capsys.readouterr().err.startswith("usage: stentor match")


@pytest.mark.parametrize(("topic", "status"), [("ai.models", 0), ("nature", 1), ("", 2)])
def test_a_process_exits_with_the_status(topic: str, status: int) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "stentor", "match", "ai.**", topic], capture_output=True, check=False, timeout=60
    )
    assert process.returncode == status
