"""The handwritten digits that come with scikit-learn."""

from actdiag.datasets.entry import SOURCES, Source
from actdiag.datasets.parts import Part, Raw
from actdiag.errors import InvalidField


@SOURCES.register()
def digits() -> Source:
    """1797 images of 8 x 8 pixels from 0 to 16, ten classes; scikit-learn brings them along.

    Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository.
    """
    return Source("digits", lambda seed: _read())


def _read() -> Raw:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        missing = (error.name or "").split(".")[0] == "sklearn"
        reason = "is missing" if missing else f"does not import ({' '.join(str(error).split())})"
        install = "pip install scikit-learn, or the extra `data` from a checkout: pip install '.[data]'"
        problem = f"must be data that are there, got 'digits': scikit-learn {reason}: {install}"
        raise InvalidField(field="data", problem=problem) from None
    images, labels = load_digits(return_X_y=True)
    return Raw(Part(images, labels, ("the images of digits", "the labels of digits")), classes=10, images=True)
