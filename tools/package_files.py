"""Prints the files of the Python package, one a line: what meson.build installs."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def package_files() -> list[str]:
    """Everything in meshwatch/ except what the build or the interpreter left there, and dotfiles.

    Those are for tools that look at this tree.
    """
    return sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "meshwatch").rglob("*")
        if path.is_file()
        and path.suffix != ".so"
        and "__pycache__" not in path.parts
        and not path.name.startswith(".")
    )


if __name__ == "__main__":
    print("\n".join(package_files()))
