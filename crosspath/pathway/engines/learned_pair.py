"""P·W'·Q with P and Q that train: an auxiliary's matrix in its own shape, brought to the target's at every read."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from crosspath.pathway.engines.overlay import Overlay


class LearnedPair(nn.Module):
    """P and Q of each piece of one W'; a piece is what one role takes of the auxiliary.

    W' holds the pieces as the auxiliary has them, (outputs, inputs), one under the other. A piece whose outputs or
    inputs are the target's already has no P or no Q.
    """

    def __init__(
        self, rows: Sequence[int], left: Mapping[int, nn.Parameter], right: Mapping[int, nn.Parameter], overlay: Overlay
    ) -> None:
        """
        Parameters
        ----------
        rows
            Outputs of each piece, in the auxiliary's shape.
        left, right
            {piece: P (ours, theirs)} and {piece: Q (theirs, ours)}.
        overlay
            How what is computed lies on W.
        """
        super().__init__()
        self.rows = tuple(rows)
        self.left = nn.ParameterDict({str(index): value for index, value in left.items()})
        self.right = nn.ParameterDict({str(index): value for index, value in right.items()})
        self.along, self.groups = overlay.along, overlay.groups

    def forward(self, auxiliary: Tensor) -> Tensor:
        """What W' stands for: of the target's shape, in the order in which it stores its rows.

        In the parameters' own number type, whatever autocast says, so that what is merged is what was computed.
        """
        with torch.autocast(auxiliary.device.type, enabled=False):
            parts = torch.split(auxiliary, list(self.rows))
            pieces = [self._piece(str(index), part) for index, part in enumerate(parts)]
            if self.groups > 1:
                grouped = torch.cat([torch.unflatten(piece, 0, (self.groups, -1)) for piece in pieces], 1)
                joined = grouped.flatten(0, 1)
            else:
                joined = torch.cat(pieces)
            return joined.T.contiguous() if self.along else joined

    def _piece(self, index: str, part: Tensor) -> Tensor:
        left, right = self.left._parameters.get(index), self.right._parameters.get(index)
        if left is not None:
            part = left @ part
        return part if right is None else part @ right

    def entries(self) -> dict[str, nn.Parameter]:
        """{`left.0`, `right.0`, ...: P or Q}, as files name them."""
        return dict(self.named_parameters())
