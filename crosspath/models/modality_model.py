"""The one classifier: tokenizer, encoder, head."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from huggingface_hub import ModelHubMixin
from torch import Tensor, nn

from crosspath.models.about import About
from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead
from crosspath.tokenizers import Tokenizer, Tokens, select_tokens

PARAMETRIZATIONS = "parametrizations"
"""What PyTorch calls the part of a layer that computes a weight."""


class ModalityModel(nn.Module, ModelHubMixin):
    """A classifier of one modality. Keys: `tokenizer.*`, `encoder.*`, `head.*`.

    `save_pretrained(folder)` and `push_to_hub("OWNER/NAME")` are huggingface_hub's, for models that say what they are
    in `about`. Pathways stay connected through saving and loading.
    """

    about: About | None = None
    """What the model is; `build_model` and `load_checkpoint` fill it in."""
    saves_pathways: ClassVar[bool] = True
    """Whether `save_pretrained` writes pathways too; `connect` lets that of other classes warn."""

    def __init__(self, tokenizer: Tokenizer, encoder: Encoder, head: ClassificationHead) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.head = head
        self.register_load_state_dict_pre_hook(_notice_connected_state)  # type: ignore[no-untyped-call]

    def forward(self, batch: Tensor, visible_BV: Tensor | None = None) -> Tensor:
        """Logits (B, K) of a prepared batch, whose shape the tokenizer names.

        `visible_BV` are the tokens that the encoder sees of each sample; all of them when not given.
        """
        tokens = self._tokens(batch, visible_BV)
        logits_BK: Tensor = self.head(self.encoder(tokens), self.encoder.has_cls, tokens.real_BN)
        return logits_BK

    def features(self, batch: Tensor, visible_BV: Tensor | None = None) -> Tensor:
        """The encoder's features (B, N, D), or (B, N + 1, D) with the class token's first."""
        features_BND: Tensor = self.encoder(self._tokens(batch, visible_BV))
        return features_BND

    def pooled(self, batch: Tensor) -> Tensor:
        """What the head reads of the features, (B, D) or (B, 2D): a frozen body gives it once and for all."""
        tokens = self._tokens(batch, None)
        return self.head.pool(self.encoder(tokens), self.encoder.has_cls, tokens.real_BN)

    def _tokens(self, batch: Tensor, visible_BV: Tensor | None) -> Tokens:
        tokens: Tokens = self.tokenizer(batch)
        return tokens if visible_BV is None else select_tokens(tokens, visible_BV)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # its keywords, and no others
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        auxiliaries: Mapping[str, str | Path] | None = None,
    ) -> "ModalityModel":
        """The model in a folder (saved, run or merged) or in a hub repository, on the CPU, in evaluation mode.

        Only safetensors are read. `auxiliaries` ({name: checkpoint}) name frozen auxiliaries that were saved by
        reference and have moved since; the other options are huggingface_hub's.

        Raises
        ------
        crosspath.InputError
            For a folder or repository that holds no such model, cannot be reached, or is damaged.
        """
        import crosspath

        return crosspath.load_pretrained(
            pretrained_model_name_or_path,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            auxiliaries=auxiliaries,
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        # People look for these two methods on the model. Their work is done on a floor above, where models and
        # pathways meet: it is reached through the package's own public names, as users reach it.
        import crosspath

        crosspath.save_pretrained(self, save_directory)


def _notice_connected_state(module: nn.Module, state: Mapping[str, Any], prefix: str, *others: object) -> None:
    """Warn of a state dict whose weights stand under torch's parametrizations where this model has plain ones: with
    `strict=False` PyTorch passes over them in silence.
    """
    sums = f".{PARAMETRIZATIONS}."
    # Where an optimizer holds the sums, only the model's own state dict shows that it is connected.
    if any(sums in name for name in state) and not any(sums in name for name in module.state_dict(keep_vars=True)):
        warnings.warn(
            "crosspath: load_state_dict of a plain model: the state dict is a connected model's, and its matrices are "
            "not loaded; call crosspath.merge before it is saved, or load it with crosspath.load_checkpoint",
            stacklevel=4,
        )
