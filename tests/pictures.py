"""Pictures as tests look at them."""

import warnings
from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg


def drawn(figure):
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas.draw()
    return canvas.get_renderer()


def assert_apart(figure, renderer):
    """No title, label or panel of the figure overlaps another, all are on the page, and no page is too large."""
    assert figure.get_layout_engine() is None
    assert max(figure.bbox.size) <= 3000
    boxes = []
    for axes in figure.axes:
        if axes.axison:
            boxes.append((f"panel {axes.get_title()}", axes.get_tightbbox(renderer)))
    boxes += [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    page = figure.bbox
    for name, box in boxes:
        beyond = max(page.x0 - box.x0, box.x1 - page.x1, page.y0 - box.y0, box.y1 - page.y1)
        assert beyond <= 1, f"{name} leaves the page"
    for (one, a), (other, b) in combinations(boxes, 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width < 2 or height < 2, f"{one!r} overlaps {other!r}"
