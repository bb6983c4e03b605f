"""Features to predictions: pooling, then linear layers."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from crosspath.errors import InputError

Pooling = Literal["mean", "cls", "cls+max"]
HEAD = "head."
"""What the names of the weights of any model's head start with."""


class ClassificationHead(nn.Module):
    """Logits from features.

    Pooling: `mean` over all tokens but the class token's; `cls`, the class token's row; `cls+max`, that row beside the
    maximum over the other tokens (2D wide, Point-MAE). `norm` normalises what was pooled (MAE's `fc_norm`). Each
    `hidden` width adds a linear layer, batch normalisation, ReLU and dropout (Point-MAE: 256, 256); without any, the
    one linear layer reads the pooled features after dropout. `init_std` is the spread of that last layer's weights.
    `batch_norm` normalises each pooled feature over the batch, without weights of its own (MAE's linear probe).

    Keys: `norm`, `batch_norm`, `hidden.*`, `linear`.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        pooling: Pooling,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        *,
        norm: bool,
        norm_eps: float = 1e-6,
        init_std: float = 0.02,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.classes = classes
        pooled_width = 2 * width if pooling == "cls+max" else width
        self.norm = nn.LayerNorm(pooled_width, eps=norm_eps) if norm else nn.Identity()
        self.batch_norm = nn.BatchNorm1d(pooled_width, affine=False, eps=1e-6) if batch_norm else nn.Identity()
        layers: list[nn.Module] = []
        for before, after in zip((pooled_width, *hidden), hidden, strict=False):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*layers) if layers else nn.Dropout(dropout)
        self.linear = nn.Linear(hidden[-1] if hidden else pooled_width, classes)
        for layer in layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        if init_std > 0:
            nn.init.trunc_normal_(self.linear.weight, std=init_std)
        else:
            nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features_BND: Tensor, has_cls: bool, real_BN: Tensor | None = None) -> Tensor:
        """Logits (B, K) of features (B, N, D); with `has_cls`, row 0 is the class token's, which `real_BN` leaves out.

        Raises
        ------
        InputError
            When the pooling needs a class token and there is none, or a training batch of one sample meets batch
            normalisation.
        """
        return self.classify(self.pool(features_BND, has_cls, real_BN))

    def classify(self, pooled_BD: Tensor) -> Tensor:
        """Logits (B, K) of pooled features (B, D), or (B, 2D) for `cls+max`. Raises `InputError`: see `forward`."""
        by_batch = isinstance(self.hidden, nn.Sequential) or isinstance(self.batch_norm, nn.BatchNorm1d)
        if by_batch and self.training and pooled_BD.shape[0] == 1:
            expected = "at least 2 samples to normalise over the batch in the head"
            raise InputError("batch", expected, "1", "make batches larger")
        logits_BK: Tensor = self.linear(self.hidden(self.normalise(pooled_BD)))
        return logits_BK

    def normalise(self, pooled_BD: Tensor) -> Tensor:
        """What the head's layers read of pooled features."""
        normal_BD: Tensor = self.batch_norm(self.norm(pooled_BD))
        return normal_BD

    def pool(self, features_BND: Tensor, has_cls: bool, real_BN: Tensor | None = None) -> Tensor:
        """Features (B, N, D) to (B, D), or (B, 2D) for `cls+max`; those of tokens that are not real count nothing."""
        tokens_BND = features_BND[:, 1:] if has_cls else features_BND
        if self.pooling == "mean":
            return tokens_BND.mean(dim=1) if real_BN is None else mean_of_real(tokens_BND, real_BN)
        if not has_cls:
            raise InputError("model.pooling", "an encoder with a class token", "none", "use pooling `mean`")
        if self.pooling == "cls":
            return features_BND[:, 0]
        if real_BN is not None:
            tokens_BND = tokens_BND.masked_fill(~real_BN[:, :, None], -torch.inf)
        return torch.cat([features_BND[:, 0], tokens_BND.amax(dim=1)], dim=1)


def mean_of_real(tokens_BND: Tensor, real_BN: Tensor) -> Tensor:
    """The mean (B, D) of each sample's real tokens."""
    counted_BND = tokens_BND.masked_fill(~real_BN[:, :, None], 0.0)
    return counted_BND.sum(dim=1) / real_BN.sum(dim=1, keepdim=True).clamp(min=1)
