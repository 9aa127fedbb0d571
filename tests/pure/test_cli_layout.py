"""Tables keep to their width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshwatch.cli.layout import Cell, Column, fit, paint, table, width_of

COLUMNS = (
    Column("NAME"),
    Column("NUMBER", 1, right=True),
    Column("WORD", 3),
    Column("MORE", 2),
)
ROWS = [
    [Cell("anna"), Cell("7"), Cell("a"), Cell("x")],
    [Cell("ben"), Cell("12345678"), Cell("bcd"), Cell("y")],
]


def test_columns_line_up() -> None:
    assert table(COLUMNS, ROWS, width=None, color=False) == [
        "NAME    NUMBER  WORD  MORE",
        "anna         7  a     x",
        "ben   12345678  bcd   y",
    ]


def test_the_highest_rank_goes_first_when_width_is_short() -> None:
    assert table(COLUMNS, ROWS, width=25, color=False)[0] == "NAME    NUMBER  MORE"
    assert table(COLUMNS, ROWS, width=19, color=False)[0] == "NAME    NUMBER"
    assert table(COLUMNS, ROWS, width=13, color=False)[0] == "NAME"
    assert table(COLUMNS, ROWS, width=3, color=False) == ["NA…", "an…", "ben"]


def test_a_column_keeps_its_least_width() -> None:
    columns = [Column("A", width=6), Column("B")]
    assert table(columns, [[Cell("1"), Cell("2")]], width=None, color=False) == [
        "A       B",
        "1       2",
    ]


def test_colors_do_not_move_columns() -> None:
    rows = [[Cell("anna", "bold"), Cell("7", "good"), Cell("a"), Cell("x")]]
    plain = table(COLUMNS, rows, width=None, color=False)[1]
    colored = table(COLUMNS, rows, width=None, color=True)[1]
    for code in ("\x1b[1m", "\x1b[32m", "\x1b[m"):
        assert code in colored
        colored = colored.replace(code, "")
    assert colored == plain


def test_wide_characters_take_two_columns() -> None:
    assert width_of("学校") == 4
    assert fit("学校", 3) == "学…"
    assert width_of("e\u0301") == 1


def test_no_paint_for_nothing() -> None:
    assert paint("", "bold", color=True) == ""
    assert paint("a", "", color=True) == "a"


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(categories=["L", "N"]), max_size=12)] * 4), max_size=4
    ),
    st.integers(1, 60),
)
def test_no_line_is_wider_than_asked(rows: list[tuple[str, ...]], width: int) -> None:
    lines = table(COLUMNS, [[Cell(t) for t in row] for row in rows], width=width, color=False)
    assert len(lines) == len(rows) + 1
    assert all(width_of(line) <= width for line in lines)
