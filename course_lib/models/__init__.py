"""Models, one file each; the smallest blocks come first in every file."""

from course_lib.models.pixelwise import PixelwiseClassifier
from course_lib.models.simple_cnn import SimpleCNN
from course_lib.models.unet import UNet

__all__ = ["PixelwiseClassifier", "SimpleCNN", "UNet"]
