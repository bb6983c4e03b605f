"""Boxes from pictures: tokenizer and encoder of every modality model, a feature pyramid, and a detector of torchvision.

B batch, N tokens, D width, M boxes of a sample, Q detections.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from crosspath.data.boxes import CLASS, CORNERS, CROWD
from crosspath.errors import InputError
from crosspath.models.encoder import Encoder
from crosspath.models.modality_model import ModalityModel
from crosspath.tokenizers import ImageTokenizer

DetectorKind = Literal["retinanet", "faster_rcnn"]
SCORE, KIND = 4, 5
"""After the corners of a detection: its score, and its class, -1 in rows after the last detection."""
DETECTION_COLUMNS = 6
LAST_LAYERS = ("cls_logits", "bbox_reg", "bbox_pred", "cls_score")
"""torchvision's names of the layers that score and place boxes."""


class Detector(ModalityModel):
    """Keys: `tokenizer.*`, `encoder.*`, `head.*`; the pyramid's begin with `head.backbone.`.

    The head holds the pyramid. It computes in float32 whatever the precision around it: the coordinates of boxes have
    no room in bfloat16. `detections` are the most of a picture.

    Raises
    ------
    InputError
        For patches that are not square, and pictures of a single patch.
    """

    tokenizer: ImageTokenizer
    head: nn.Module  # type: ignore[assignment]  # another head than a classifier's

    def __init__(
        self,
        tokenizer: ImageTokenizer,
        encoder: Encoder,
        classes: int,
        kind: DetectorKind = "retinanet",
        channels: int = 256,
        detections: int = 100,
    ) -> None:
        from crosspath.models.library_heads import faster_rcnn, retinanet

        patch, size = tokenizer.patch, tokenizer.sizes[0]
        if len(set(patch)) > 1 or min(tokenizer.grid) < 2:
            expected, found = "square patches, two or more along a side", f"{patch[0]} x {patch[1]} of {size} pixels"
            raise InputError("model.tokenizer.patch", expected, found, "change the patch or data.image_size")
        build = retinanet if kind == "retinanet" else faster_rcnn
        head = build(encoder.width, channels, classes, patch[0], size, detections)
        super().__init__(tokenizer, encoder, head)  # type: ignore[arg-type]
        self.detections = detections
        self.first_class = 0 if kind == "retinanet" else 1

    def forward(  # type: ignore[override]  # boxes to train on instead of visible tokens
        self, batch_BCHW: Tensor, boxes_BM9: Tensor | None = None
    ) -> Tensor:
        """Detections (B, Q, 6) of a prepared batch: rows (x0, y0, x1, y1, score, class) in pixels, best first; rows
        after the last one are 0, with class -1. With `boxes_BM9` (see `crosspath.data.boxes`), in training mode, the
        loss of each sample (B,) instead.

        Where the model computes what is not finite, all scores of the picture are NaN: torchvision leaves such boxes
        out, as if there were nothing to see.

        A sample's loss is the sum of what the detector of torchvision gives for this sample alone, so it is divided by
        the sample's own boxes or draws, and does not depend on the others of its batch.
        """
        maps_BDHW = self.maps(batch_BCHW)
        with torch.autocast(maps_BDHW.device.type, enabled=False):
            maps = list(maps_BDHW.float())
            if boxes_BM9 is None:
                return self._detect(maps)
            targets = [self._target(boxes_M9) for boxes_M9 in boxes_BM9]
            losses = [self.head([one], [target]) for one, target in zip(maps, targets, strict=True)]
            return torch.stack([torch.stack(list(parts.values())).sum() for parts in losses])

    def maps(self, batch_BCHW: Tensor) -> Tensor:
        """The encoder's features as a map (B, D, h, w)."""
        features_BND = self.encoder(self.tokenizer(batch_BCHW))
        if self.encoder.has_cls:
            features_BND = features_BND[:, 1:]
        maps_BDHW: Tensor = features_BND.transpose(1, 2).unflatten(2, self.tokenizer.grid)
        return maps_BDHW

    def _target(self, boxes_M9: Tensor) -> dict[str, Tensor]:
        """What torchvision's detectors train on; crowds are left out, as published training does."""
        own_M9 = boxes_M9[boxes_M9[:, CROWD] == 0]
        return {"boxes": own_M9[:, CORNERS], "labels": own_M9[:, CLASS].long() + self.first_class}

    def _detect(self, maps: list[Tensor]) -> Tensor:
        outputs: list[Tensor] = []
        hooks = [
            layer.register_forward_hook(lambda _, __, output: outputs.append(output.isfinite().all()))
            for name, layer in self.head.named_modules()
            if name.endswith(LAST_LAYERS)
        ]
        try:
            rows_BQ6 = self._rows(self.head(maps))
        finally:
            for hook in hooks:
                hook.remove()
        unclear_B = torch.stack([~one.isfinite().all() for one in maps])
        # Where the maps are in order it is the head that is not, for every picture.
        unclear_B = unclear_B | (~torch.stack(outputs).all() & ~unclear_B.any())
        rows_BQ6[unclear_B, :, SCORE] = torch.nan
        return rows_BQ6

    def _rows(self, detections: list[dict[str, Tensor]]) -> Tensor:
        pictures = []
        for one in detections:
            kinds_Q = (one["labels"] - self.first_class).to(one["scores"].dtype)
            rows_Q6 = torch.cat([one["boxes"], one["scores"][:, None], kinds_Q[:, None]], dim=1)
            blank_Q6 = rows_Q6.new_zeros(self.detections - len(rows_Q6), DETECTION_COLUMNS)
            blank_Q6[:, KIND] = -1
            pictures.append(torch.cat([rows_Q6, blank_Q6]))
        return torch.stack(pictures)
