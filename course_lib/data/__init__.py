"""Data: scenes drawn by code, real data sets, and batches of them.

from course_lib import data

train = data.load("cifar10", "train")
augment = data.Augment(flip=True, crop=4)
for images, targets in train.batches(64, seed=0, epoch=0, augment=augment):
    ...
"""

from course_lib.data.augment import Augment, to_float, to_uint8
from course_lib.data.binarise import binarise
from course_lib.data.download import fetch
from course_lib.data.loading import available, load
from course_lib.data.names import NAMES
from course_lib.data.points import (
    grid,
    grid_centres,
    mixture,
    mixture_log_density,
    ring,
    ring_centres,
    spiral,
    two_moons,
)
from course_lib.data.sets import DataError, ImageSet
from course_lib.data.verifying import verify
from course_lib.data.workers import StreamedSet

__all__ = [
    "NAMES",
    "Augment",
    "DataError",
    "ImageSet",
    "StreamedSet",
    "available",
    "binarise",
    "fetch",
    "grid",
    "grid_centres",
    "load",
    "mixture",
    "mixture_log_density",
    "ring",
    "ring_centres",
    "spiral",
    "to_float",
    "to_uint8",
    "two_moons",
    "verify",
]
