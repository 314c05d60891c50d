"""Data sets: found, fetched and verified (`load`), split (`split`), and kept on a device (`Resident`).

>>> arrays = load("digits")
>>> arrays.train_images.shape, arrays.test_images.shape
((1200, 1, 8, 8), (597, 1, 8, 8))
"""

from winnow.data.arrays import Arrays
from winnow.data.augment import Draws, draw
from winnow.data.cache import cache_directory, fetch, load, where
from winnow.data.catalogue import Entry, entry, names
from winnow.data.described import Described, described, is_here, opened
from winnow.data.images import image_facts, image_pictures, is_images
from winnow.data.inputs import OwnArrays, from_arrays
from winnow.data.materialize import materialized
from winnow.data.resident import Resident
from winnow.data.shard import WHOLE, Shard
from winnow.data.split import Split, held_out, split
from winnow.data.streamed import Streamed
from winnow.data.table import Table

__all__ = [
    "WHOLE",
    "Arrays",
    "Described",
    "Draws",
    "Entry",
    "OwnArrays",
    "Resident",
    "Shard",
    "Split",
    "Streamed",
    "Table",
    "cache_directory",
    "described",
    "draw",
    "entry",
    "fetch",
    "from_arrays",
    "held_out",
    "image_facts",
    "image_pictures",
    "is_here",
    "is_images",
    "load",
    "materialized",
    "names",
    "opened",
    "split",
    "where",
]
