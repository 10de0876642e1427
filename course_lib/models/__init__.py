"""Models, one file each; the smallest blocks come first in every file."""

from torch import nn

from course_lib.models.backbones import BACKBONES, Backbone, backbone
from course_lib.models.code_prior import CodeGenerator, CodePrior
from course_lib.models.cvae import CVAE
from course_lib.models.dcgan import DCGANDiscriminator, DCGANGenerator
from course_lib.models.deeplab import DeepLabV3, DeepLabV3Plus
from course_lib.models.fcn import FCN, DilatedFCN
from course_lib.models.flow import Flow
from course_lib.models.inversion import InverseEncoder, Inversion, invert
from course_lib.models.latent_flow import LatentFlow
from course_lib.models.mask_rcnn import MaskRCNN
from course_lib.models.patch_transformer import PatchTransformer
from course_lib.models.pixelwise import PixelwiseClassifier
from course_lib.models.point_field import PointField
from course_lib.models.point_gan import PointDiscriminator, PointGenerator
from course_lib.models.resnet_unet import ResNetUNet
from course_lib.models.sample_features import SampleFeatures
from course_lib.models.simple_cnn import SimpleCNN
from course_lib.models.simple_gan import SimpleGANDiscriminator, SimpleGANGenerator
from course_lib.models.stylegan import StyleGANDiscriminator, StyleGANGenerator
from course_lib.models.time_unet import TimeUNet
from course_lib.models.unet import UNet
from course_lib.models.vae import VAE
from course_lib.models.vaegan import VAEGAN, FeatureDiscriminator
from course_lib.models.vqvae import VQVAE

__all__ = [
    "BACKBONES",
    "CVAE",
    "FCN",
    "MODELS",
    "VAE",
    "VAEGAN",
    "VQVAE",
    "Backbone",
    "CodeGenerator",
    "CodePrior",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DeepLabV3",
    "DeepLabV3Plus",
    "DilatedFCN",
    "MaskRCNN",
    "FeatureDiscriminator",
    "Flow",
    "InverseEncoder",
    "Inversion",
    "LatentFlow",
    "PatchTransformer",
    "PixelwiseClassifier",
    "PointDiscriminator",
    "PointField",
    "PointGenerator",
    "ResNetUNet",
    "SampleFeatures",
    "SimpleCNN",
    "SimpleGANDiscriminator",
    "SimpleGANGenerator",
    "StyleGANDiscriminator",
    "StyleGANGenerator",
    "TimeUNet",
    "UNet",
    "backbone",
    "generator_of",
    "invert",
]

# What a checkpoint may hold: name in its card, class. A new network is added here and nowhere else.
MODELS: dict[str, type[nn.Module]] = {
    model.__name__: model
    for model in (
        CVAE,
        CodeGenerator,
        CodePrior,
        DCGANDiscriminator,
        DCGANGenerator,
        DeepLabV3,
        DeepLabV3Plus,
        DilatedFCN,
        FCN,
        MaskRCNN,
        FeatureDiscriminator,
        Flow,
        InverseEncoder,
        LatentFlow,
        PatchTransformer,
        PixelwiseClassifier,
        ResNetUNet,
        SampleFeatures,
        SimpleCNN,
        SimpleGANDiscriminator,
        SimpleGANGenerator,
        StyleGANDiscriminator,
        StyleGANGenerator,
        TimeUNet,
        UNet,
        VAE,
        VAEGAN,
        VQVAE,
    )
}


def generator_of(model: nn.Module) -> nn.Module:
    """Return the part of a model that turns codes (B, latent_dim) into pictures.

    Raises:
        ValueError: for a model that draws nothing.
    """
    generator = model.decoder if isinstance(model, VAE | CVAE | VAEGAN) else model
    if not hasattr(generator, "latent_dim") or isinstance(generator, InverseEncoder):
        more = " Give it a prior of its codes: a CodeGenerator." if isinstance(model, VQVAE) else ""
        raise ValueError(f"A {type(model).__name__} draws no pictures from codes.{more}")
    return generator
