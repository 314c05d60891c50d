"""The networks, by name: a family and its sizes, as in `lenet-300-100` or `conv-4`; or from elsewhere."""

from winnow.models.conv import conv
from winnow.models.drawing import tied, trained
from winnow.models.foreign import foreign
from winnow.models.imagenet_resnet import imagenet_resnet
from winnow.models.inception import inception
from winnow.models.initialize import initialize
from winnow.models.lenet import lenet
from winnow.models.registry import build, draw_own, families, plain, register
from winnow.models.resnet import resnet
from winnow.models.squeezenet import squeezenet
from winnow.models.vgg import vgg

__all__ = [
    "build",
    "conv",
    "draw_own",
    "families",
    "foreign",
    "imagenet_resnet",
    "inception",
    "initialize",
    "lenet",
    "plain",
    "register",
    "resnet",
    "squeezenet",
    "tied",
    "trained",
    "vgg",
]
