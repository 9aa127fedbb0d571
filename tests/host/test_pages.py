"""The manual pages and the README say what the programs are, and what they say works."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshwatch import (
    asking,
    cli,
    config,
    echoes,
    hooks,
    measuring,
    poke,
    probes,
    questions,
    runner,
    table,
)
from meshwatch.claimed import MOST_CLAIMS, MOST_OF_ONE_USER
from meshwatch.claims import BURST, NOBODY, PERIOD_NS, Claims
from meshwatch.cli import view
from meshwatch.cli.exits import Exit
from meshwatch.observations import ClaimMade, Poked
from meshwatch.poking import DISCARD_PORT
from meshwatch.protocol.claims import MAX_CLAIM, MAX_LIFETIME_S, Claim, Service
from tools.fresh import steps

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "man").glob("*.scd"))
# scdoc begins every section and paragraph with a paragraph macro, one more than mandoc likes.
SCDOC_HABIT = "WARNING: skipping paragraph macro"


def page(name: str) -> str:
    return (ROOT / "man" / f"{name}.scd").read_text()


def section(text: str, title: str) -> str:
    return text.partition(f"\n# {title}\n")[2].partition("\n# ")[0]


def heads(text: str) -> list[str]:
    """The lines that head an indented explanation."""
    return re.findall(r"^(\S.*)\n\t\S", text, flags=re.MULTILINE)


def help_of(program: str, *words: str) -> str:
    module = {"meshwatch": "meshwatch.cli", "meshwatchd": "meshwatch.daemon"}[program]
    command = [sys.executable, "-m", module, *words, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@functools.cache
def options_of(program: str) -> frozenset[str]:
    """Every option that some --help of the program lists."""
    helps = [help_of(program)]
    if program == "meshwatch":
        helps += [help_of(program, verb) for verb in cli.VERBS]
        helps += [help_of(program, verb, "add") for verb in ("monitor", "address")]
    listed = re.findall(r"^  (-.+?)(?:  |$)", "\n".join(helps), flags=re.MULTILINE)
    return frozenset(o for line in listed for o in re.findall(r"(?:^|\s)(--?[a-z-]+)", line))


def documented_options(text: str) -> set[str]:
    return {option for head in heads(text) for option in re.findall(r"\*(--?[a-z-]+)\*", head)}


@pytest.mark.parametrize("program", ["meshwatch.1", "meshwatchd.8"])
def test_options(program: str) -> None:
    options = options_of(program.partition(".")[0])
    assert {"--help", "--version", "--runtime-directory"} <= options
    assert documented_options(page(program)) == options


def test_options_of_the_agent() -> None:
    listed = re.findall(r"^  (-.+?)(?:  |$)", help_of("meshwatch", "agent"), flags=re.MULTILINE)
    options = {option for line in listed for option in re.findall(r"(?:^|\s)(--?[a-z-]+)", line)}
    assert {"--no-poke", "--no-names", "--no-hooks"} <= options
    assert documented_options(page("meshwatch-agent.8")) == options


def test_claims() -> None:
    """The examples are taken as what they are, and the bounds are those of the code."""
    text = section(page("meshwatchd.8"), "CLAIMS")
    examples = re.findall(r"^\{.+\}$", text, flags=re.MULTILINE)
    claims = Claims({"mesh0": 3}.get)
    poked, claimed = [claims.receive(example.encode(), NOBODY, 0) for example in examples]
    assert poked == Poked(3, "02:00:00:00:00:01")
    assert isinstance(claimed, ClaimMade)
    keys = set(Claim.__struct_fields__ + Service.__struct_fields__)
    assert keys <= set(re.findall(r"\*(\w+)\*", text))
    bounds = [int(number) for number in re.findall(r"\d+", text.partition("All else")[2])]
    for number in (63, 253, 255, 128, 16):
        assert number in bounds
    assert f"at most {MAX_LIFETIME_S}," in text
    assert (MOST_CLAIMS, MOST_OF_ONE_USER) == (8, 4)
    assert "eight claims are kept, four of one user" in text
    assert f"at most {MAX_CLAIM} bytes" in " ".join(text.split())
    rate = f"more than {10**9 // PERIOD_NS} a second ({BURST} at once)"
    assert rate in " ".join(text.split())


def test_accounts() -> None:
    """What may be sent at most is written in words."""
    each = questions.PROBE_BURST, questions.PROBE_PERIOD_NS
    probes_ = (*each, table.PROBE_BURST, table.PROBE_PERIOD_NS)
    pokes = (poke.BURST, poke.PERIOD_NS, poke.BURST_OF_ALL, poke.PERIOD_OF_ALL_NS)
    assert probes_ == (8, 60 * 10**9, 30, 10**9)
    assert pokes == (3, 60 * 10**9, 30, 10**9)
    for name, burst in (("meshwatchd.8", "eight"), ("meshwatch-agent.8", "three")):
        text = " ".join(section(page(name), "WHAT IS SENT").split())
        assert f"at most one a minute and neighbor, {burst} at once; and to all" in text
        assert "together one a second, thirty at once" in text


def test_what_is_sent() -> None:
    text = " ".join(section(page("meshwatchd.8"), "WHAT IS SENT").split())
    assert f"a data frame of {probes.FRAME_BYTES} bytes" in text
    assert f"Six data frames of {measuring.FRAME_BYTES} bytes" in text
    assert (measuring.FRAMES, measuring.IDLE_NS) == (6, 600 * 10**9)
    agent = " ".join(section(page("meshwatch-agent.8"), "WHAT IS SENT").split())
    least, most = poke.LEAST_GAP_NS // 10**6, poke.MOST_GAP_NS // 10**6
    assert f"between {least} and {most} ms" in agent
    assert f"port {DISCARD_PORT}" in agent
    assert poke.MOST_POKES == 3


def test_questions() -> None:
    """How often neighbors are asked for their names is written in words."""
    text = " ".join(section(page("meshwatch-agent.8"), "WHAT IS SENT").split())
    assert (asking.FIRST_GAP_NS, asking.TRIES) == (50 * 10**6, 11)
    assert "after 50 ms, and then after twice as long each time, eleven questions in 51 s" in text
    assert (asking.FOLLOW_UPS_NS, asking.AGAIN_NS) == ((2 * 10**9, 10**10), 1200 * 10**9)
    assert "two and ten seconds later" in text
    assert "every twenty minutes as long as the neighbor is present" in text
    assert asking.LIFETIME_S == 3600
    assert "claimed for an hour" in text
    accounts = (asking.BURST, asking.PERIOD_NS, asking.BURST_OF_ALL, asking.PERIOD_OF_ALL_NS)
    assert accounts == (24, 5 * 10**9, 100, 10**9 // 20)
    assert "one in five seconds and neighbor, 24 at once; and to all" in text
    assert "together twenty a second, a hundred at once" in text
    assert asking.MOST_ANSWERS == 8


def test_echoes() -> None:
    """When they are sent, and how many at most."""
    text = " ".join(section(page("meshwatchd.8"), "WHAT IS SENT").split())
    *first, last = (ns // 10**6 for ns in echoes.TRIES_NS)
    assert f"{', '.join(map(str, first))} and {last} ms after that" in text
    assert f"{10**9 // echoes.PERIOD_NS} a second, {echoes.BURST} at once" in text
    assert (echoes.REST_NS, echoes.LOCAL_REST_NS) == (10 * 10**9, 600 * 10**9)
    assert "for ten seconds at least" in text
    assert "at most every ten minutes" in text


def test_hooks() -> None:
    """Every event and variable, every ready-made hook, and the limits."""
    text = page("meshwatch-hooks.7")
    assert heads(section(text, "EVENTS")) == [f"*{event}*" for event in hooks.EVENTS]
    head_lines = heads(section(text, "VARIABLES"))
    documented = {name for head in head_lines for name in re.findall(r"MESHWATCH_\w+", head)}
    code = (ROOT / "meshwatch/hooks.py").read_text()
    known = set(re.findall(r"MESHWATCH_\w\w+", code)) | {
        f"MESHWATCH_{key}" for key in re.findall(r'^        "([A-Z_]+)": ', code, re.MULTILINE)
    }
    assert documented == known
    in_passing = {name for head in head_lines for name in re.findall(r"(\w+)\* \\\*", head)}
    assert in_passing == hooks.IN_PASSING
    ready_made = {head.strip("*") for head in heads(section(text, "READY-MADE HOOKS"))}
    assert ready_made == {path.name for path in (ROOT / "hooks").iterdir()} - {"meson.build"}
    limits = section(text, "LIMITS")
    assert f"may run for {runner.TIME_LIMIT_S:g} s" in limits
    assert f"up to {runner.MOST_OUTPUT} bytes" in limits
    assert (hooks.MOST_AT_ONCE, runner.GRACE_S) == (8, 2)


def test_verbs() -> None:
    verbs = section(page("meshwatch.1"), "VERBS").partition("The verbs take")[0]
    documented = [re.findall(r"^\*(\w+)\*", head)[0] for head in heads(verbs)]
    assert documented == list(cli.VERBS)
    synopsis = section(page("meshwatch.1"), "SYNOPSIS")
    assert re.findall(r"\] \*(\w+)\*", synopsis) == list(cli.VERBS)


def test_exit_statuses() -> None:
    documented = heads(section(page("meshwatch.1"), "EXIT STATUS"))
    assert documented == [f"*{status.value}*" for status in Exit]


def test_columns() -> None:
    output = section(page("meshwatch.1"), "OUTPUT").partition("A line of *watch*")[0]
    by_rank = sorted([*view.COLUMNS, view.ADDRESS], key=lambda column: column.rank)
    assert heads(output) == [f"*{column.heading}*" for column in (view.NEIGHBOR, *by_rank)]


def test_settings() -> None:
    text = section(page("meshwatchd.8"), "CONFIGURATION")
    documented = {key for head in heads(text) for key in re.findall(r"\*(\w+)\* =", head)}
    only_options = {"record", "replay", "family", "speed", "verbose"}
    assert documented == set(config.Config.__struct_fields__) - only_options


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_clean(path: Path, tmp_path: Path) -> None:
    made = tmp_path / path.stem
    with path.open("rb") as source, made.open("wb") as target:
        subprocess.run(["scdoc"], stdin=source, stdout=target, check=True)
    lint = ["mandoc", "-T", "lint", "-W", "warning", str(made)]
    complaints = subprocess.run(lint, capture_output=True, text=True, check=False).stdout
    assert [line for line in complaints.splitlines() if SCDOC_HABIT not in line] == []


def test_pages_refer_to_pages() -> None:
    """Whatever is ours and mentioned exists."""
    ours = {path.stem for path in PAGES}
    for path in PAGES:
        for name, number in re.findall(
            r"\*((?:org\.)?meshwatch[a-z-]*)\*\((\d)\)", path.read_text()
        ):
            assert f"{name}.{number}" in ours, path


# ---- README -------------------------------------------------------------------------------------

README = (ROOT / "README.md").read_text()
# tests/strangers takes the steps of this section.
TAKEN = README[README.index(f"## {steps.SECTION}\n") : README.index("## Run it always\n")]


def shell_lines() -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", README.replace(TAKEN, ""), flags=re.DOTALL):
        yield from (line for line in re.sub(r"\\\n", " ", block).splitlines() if line.strip())


def test_readme_shell_is_shell() -> None:
    for line in shell_lines():
        subprocess.run(["bash", "-n", "-c", line], check=True)


def test_readme_steps_are_shell() -> None:
    taken = steps.read(README)
    for step in (*taken.online, *taken.mesh):
        subprocess.run(["bash", "-n", "-c", step], check=True)


def commands() -> Iterator[list[str]]:
    """The words of each program call in the README."""
    for line in shell_lines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        call: list[str] = []
        for word in [*words, "|"]:
            if word in {"|", "&&"}:
                yield call
                call = []
            elif word != "sudo":
                call.append(word)


def test_readme_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for call in commands():
        program = Path(call[0]).name
        if program == "make":
            assert set(call[1:]) <= targets, call
        elif program in {"meshwatch", "meshwatchd"}:
            assert {word for word in call if word[:1] == "-"} <= options_of(program), call
        else:
            assert shutil.which(call[0], path=path), call


def test_readme_links() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_readme_python_is_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")
