"""How blocks of stacks and training runs are divided into pages."""

import pytest

from actdiag.view.paging import ROWS_A_PAGE, ROWS_OF_A_TITLE, RUNS_A_PAGE, block_pages, run_pages


def sizes(*blocks):
    return [[len(part) for part in page] for page in block_pages([range(block) for block in blocks])]


def test_blocks_stay_whole_where_they_fit_a_page():
    assert sizes(1) == [[1]]
    assert sizes(5, 5, 5) == [[5, 5], [5]]
    assert sizes(14, 14) == [[14], [14]]
    assert sizes(*[1] * 9) == [[1] * 8, [1]]
    assert sizes(15, 3) == [[14], [1, 3]]


@pytest.mark.parametrize("blocks", [(1,), (30,), (5,) * 22, (40, 1, 2, 16), (3, 14, 7, 29)])
def test_every_stack_is_on_one_page_in_its_order(blocks):
    stacks = [[(block, row) for row in range(rows)] for block, rows in enumerate(blocks)]
    pages = block_pages(stacks)
    assert [one for page in pages for part in page for one in part] == [one for block in stacks for one in block]
    for page in pages:
        assert sum(len(part) + ROWS_OF_A_TITLE for part in page) <= ROWS_A_PAGE


@pytest.mark.parametrize(("runs", "expected"), [(1, [1]), (40, [40]), (41, [21, 20]), (100, [34, 34, 32])])
def test_runs_are_shared_out_evenly(runs, expected):
    pages = run_pages(range(runs))
    assert [len(page) for page in pages] == expected
    assert max(expected) <= RUNS_A_PAGE
    assert [run for page in pages for run in page] == list(range(runs))
