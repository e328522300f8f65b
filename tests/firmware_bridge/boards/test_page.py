import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.page import BEGIN, END, write_page


def test_a_table_replaces_the_one_before(tmp_path):
    page = tmp_path / "firmware.md"
    page.write_text(f"# Boards\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n")
    write_page("| new |", page)
    assert page.read_text() == f"# Boards\n\n{BEGIN}\n\n| new |\n\n{END}\n\nafter\n"


@pytest.mark.parametrize("text", ["# Boards\n", f"{BEGIN}\n"])
def test_a_page_without_marks_is_refused_and_kept(tmp_path, text):
    page = tmp_path / "firmware.md"
    page.write_text(text)
    with pytest.raises(FirmwareError, match="needs the lines"):
        write_page("| new |", page)
    assert page.read_text() == text
