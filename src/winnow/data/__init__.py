"""Data sets: found, fetched and verified (`load`), split (`split`), and kept on a device (`Resident`).

>>> arrays = load("digits")
>>> arrays.train_images.shape, arrays.test_images.shape
((1200, 1, 8, 8), (597, 1, 8, 8))
"""

from winnow.data.arrays import Arrays
from winnow.data.augment import Draws, draw
from winnow.data.cache import cache_directory, fetch, load, where
from winnow.data.catalogue import Entry, entry, names
from winnow.data.images import ImageFacts, described, image_facts, image_pictures, is_here, is_images
from winnow.data.resident import Resident
from winnow.data.shard import WHOLE, Shard
from winnow.data.split import Split, halves, split
from winnow.data.streamed import Streamed

__all__ = [
    "WHOLE",
    "Arrays",
    "Draws",
    "Entry",
    "ImageFacts",
    "Resident",
    "Shard",
    "Split",
    "Streamed",
    "cache_directory",
    "described",
    "draw",
    "entry",
    "fetch",
    "halves",
    "image_facts",
    "image_pictures",
    "is_here",
    "is_images",
    "load",
    "names",
    "split",
    "where",
]
