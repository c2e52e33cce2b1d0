"""A small network over courses of a coarse grid: it sees fifteen frames and a few cells around."""

from __future__ import annotations

from torch import Tensor, nn


class CourseNetwork(nn.Module):
    """``b c t rows columns`` to ``b out t rows columns``; its last layer begins at zero, and so does what it says."""

    def __init__(self, num_inputs: int, num_outputs: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv3d(num_inputs, width, 1)]
        for apart in (1, 2, 4):
            layers += [
                nn.LeakyReLU(0.1),
                nn.Conv3d(width, width, 3, padding=(apart, 1, 1), dilation=(apart, 1, 1), padding_mode="replicate"),
            ]
        self.body = nn.Sequential(*layers, nn.LeakyReLU(0.1))
        self.last = nn.Conv3d(width, num_outputs, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, courses: Tensor) -> Tensor:
        """See the class."""
        result: Tensor = self.last(self.body(courses))
        return result
