"""Squeeze-and-excitation: channels weighed by a small network that sees their means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netsim.layers.base import Composite, Count, Layer
from netsim.layers.convolution import Convolution
from netsim.layers.elementwise import Activation, Scale
from netsim.layers.pooling import GlobalPooling


@dataclass(frozen=True, kw_only=True)
class SqueezeExcitation(Composite):
    """Means of D channels, to `squeezed` and back to D, and each channel times its weight (Hu et al. 2018).

    MACs = 2 D R, parameters = 2 D R + D + R with R squeezed channels.
    """

    axes: ClassVar[tuple[int, int]] = (2, 4)

    squeezed: Count

    @property
    def parts(self) -> tuple[Layer, ...]:
        channels = self.input_shape[0]
        means = GlobalPooling(input_shape=self.input_shape, name=f"{self.name}.mean", size=1)
        down = Convolution(input_shape=means.output_shape, name=f"{self.name}.reduce", filters=self.squeezed, kernel=1)
        relu = Activation(input_shape=down.output_shape, name=f"{self.name}.relu")
        up = Convolution(input_shape=down.output_shape, name=f"{self.name}.expand", filters=channels, kernel=1)
        gate = Activation(input_shape=up.output_shape, name=f"{self.name}.gate", flop=4)
        return means, down, relu, up, gate, Scale(input_shape=self.input_shape, name=f"{self.name}.scale")
