"""The networks, by name: a family and its sizes, as in `lenet-300-100` or `conv-4`."""

from winnow.models.conv import conv
from winnow.models.initialize import initialize
from winnow.models.lenet import lenet
from winnow.models.registry import build, families, register
from winnow.models.resnet import resnet
from winnow.models.vgg import vgg

__all__ = ["build", "conv", "families", "initialize", "lenet", "register", "resnet", "vgg"]
