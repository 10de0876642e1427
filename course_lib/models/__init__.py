"""Models, one file each; the smallest blocks come first in every file."""

from torch import nn

from course_lib.models.backbones import BACKBONES, Backbone, backbone
from course_lib.models.dcgan import DCGANDiscriminator, DCGANGenerator
from course_lib.models.deeplab import DeepLabV3, DeepLabV3Plus
from course_lib.models.fcn import FCN, DilatedFCN
from course_lib.models.mask_rcnn import MaskRCNN
from course_lib.models.pixelwise import PixelwiseClassifier
from course_lib.models.point_gan import PointDiscriminator, PointGenerator
from course_lib.models.resnet_unet import ResNetUNet
from course_lib.models.sample_features import SampleFeatures
from course_lib.models.simple_cnn import SimpleCNN
from course_lib.models.simple_gan import SimpleGANDiscriminator, SimpleGANGenerator
from course_lib.models.stylegan import StyleGANDiscriminator, StyleGANGenerator
from course_lib.models.unet import UNet

__all__ = [
    "BACKBONES",
    "FCN",
    "MODELS",
    "Backbone",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DeepLabV3",
    "DeepLabV3Plus",
    "DilatedFCN",
    "MaskRCNN",
    "PixelwiseClassifier",
    "PointDiscriminator",
    "PointGenerator",
    "ResNetUNet",
    "SampleFeatures",
    "SimpleCNN",
    "SimpleGANDiscriminator",
    "SimpleGANGenerator",
    "StyleGANDiscriminator",
    "StyleGANGenerator",
    "UNet",
    "backbone",
]

# What a checkpoint may hold: name in its card, class. A new network is added here and nowhere else.
MODELS: dict[str, type[nn.Module]] = {
    model.__name__: model
    for model in (
        DCGANDiscriminator,
        DCGANGenerator,
        DeepLabV3,
        DeepLabV3Plus,
        DilatedFCN,
        FCN,
        MaskRCNN,
        PixelwiseClassifier,
        ResNetUNet,
        SampleFeatures,
        SimpleCNN,
        SimpleGANDiscriminator,
        SimpleGANGenerator,
        StyleGANDiscriminator,
        StyleGANGenerator,
        UNet,
    )
}
