"""Where results lie: content-addressed, atomic, verified whenever they are read."""

from winnow.store.manifest import Failure, Making, Manifest
from winnow.store.store import Store, default_store

__all__ = ["Failure", "Making", "Manifest", "Store", "default_store"]
