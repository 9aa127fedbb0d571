"""What the tiers make of a skipped test: told with its reason, and where CI=true a failed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.tiers import PYTEST, ROOT, Result, Tier, run

REASON = "no radio here"
TESTS = {
    "test_one.py": f"""
import pytest

def test_well(): pass

@pytest.mark.skip(reason="{REASON}")
def test_skipped(): pass
""",
    "test_module.py": f"""
import pytest

pytest.skip("{REASON}", allow_module_level=True)
""",
}


def tier_run(directory: Path, *names: str, ci: str) -> Result:
    """Such files as a tier of ours."""
    for name in names:
        (directory / name).write_text(TESTS[name])
    ours = ("-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", str(directory))
    return run(Tier("some", (*PYTEST, *ours), (("CI", ci),)), directory / "tally")


def test_a_skipped_test_is_told_with_its_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By pytest, and to who adds up the tiers."""
    result = tier_run(tmp_path, *TESTS, ci="")
    assert (result.passed, result.failed) == (1, 0)
    one, module = sorted(result.skipped, key=lambda test: "module" in test)
    assert "test_one.py::test_skipped" in one
    assert "test_module.py" in module
    assert all(REASON in test for test in result.skipped)
    printed = [line for line in capfd.readouterr().out.splitlines() if "SKIPPED" in line]
    assert len(printed) == 2
    assert all(REASON in line for line in printed)


@pytest.mark.parametrize(("name", "passed"), [("test_one.py", 1), ("test_module.py", 0)])
def test_in_ci_it_has_failed(tmp_path: Path, name: str, passed: int) -> None:
    """Alone, or with all of its file."""
    result = tier_run(tmp_path, name, ci="true")
    assert (result.passed, result.failed, result.skipped) == (passed, 1, ())


def test_a_tier_without_counts_is_one_test(tmp_path: Path) -> None:
    """A linter, say."""
    for command, passed, failed in (("true", 1, 0), ("false", 0, 1)):
        result = run(Tier("some", (command,)), tmp_path / "tally")
        assert (result.passed, result.failed, result.skipped) == (passed, failed, ())
