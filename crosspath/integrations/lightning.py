"""Lightning: log λ, save plain files beside checkpoints, merge at the end. For `lightning` and `pytorch_lightning`.

```
crosspath.connect(module.model, auxiliary)
trainer = lightning.Trainer(callbacks=[PathwayCallback(merge_at_end=True)])
trainer.fit(module, loader)
```
In the module's `configure_optimizers`: `torch.optim.AdamW(crosspath.param_groups(self, lr=..., weight_decay=...))`.
"""

import shutil
from pathlib import Path
from typing import Any

from torch import nn

from crosspath.integrations.scales import scales_to_log
from crosspath.pathway import PathwayError, Receipt, merge, pathways, save_pathway
from crosspath.pathway.engines.engine import held_weights
from crosspath.pathway.origins import ORIGINS
from crosspath.pathway.save import DESCRIPTION

try:
    from lightning.pytorch import Callback
except ModuleNotFoundError:
    from pytorch_lightning import Callback  # type: ignore[assignment]


class PathwayCallback(Callback):  # type: ignore[misc]
    """What a connected model needs while Lightning trains it. Connect before `fit`.

    - λ is logged at every step that Lightning logs, one number per weight and auxiliary.
    - A model connected with `engine="optimizer"` is attached to each optimizer that holds weights of it. Where a
      scheduler is made with the optimizer, λ needs a group there already: `crosspath.param_groups`.
    - A `.ckpt` holds W, λ and W' under the live module's keys, as Lightning writes it: `fit(ckpt_path=...)` resumes
      bit-identically in a module that is connected in the same way; loading it into a plain module is an error.
    - Beside each `NAME.ckpt` is the folder `NAME.pathway`, without pickle: the connected model's own plain
      `model.safetensors`, and λ and W' (except frozen ones) for `crosspath.load_pathway`. It is deleted together with
      the checkpoint.

    A checkpoint of a connected model does not load into the merged one: with `merge_at_end` do not call
    `test(ckpt_path="best")`, or merge yourself after it.
    """

    def __init__(self, *, merge_at_end: bool = False, save_beside: bool = True) -> None:
        """
        Parameters
        ----------
        merge_at_end
            Merge when `fit` ends: the module is then plain, and `receipt` holds what was merged.
        save_beside
            Write the folder beside each checkpoint; False for checkpoints that are not in a local folder.
        """
        super().__init__()
        self.merge_at_end = merge_at_end
        self.save_beside = save_beside
        self.receipt: Receipt | None = None
        """Of the merge at the end."""

    def setup(self, trainer: Any, pl_module: nn.Module, stage: str) -> None:
        """Refuse a plain module, and wrap the trainer's checkpoint writer."""
        if stage == "fit":
            pathways(pl_module)
            if self.save_beside:
                trainer.strategy.checkpoint_io = _WriterBeside(
                    trainer.strategy.checkpoint_io, _connected_target(pl_module)
                )

    def on_fit_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Attach the optimizers, before Lightning loads their states."""
        parameters = {id(weight.parameter) for weight in held_weights(pl_module)}
        for optimizer in trainer.optimizers:
            if any(id(parameter) in parameters for group in optimizer.param_groups for parameter in group["params"]):
                pathways(pl_module).attach(optimizer)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log λ."""
        names, values = scales_to_log(pl_module)
        pl_module.log_dict(dict(zip(names, values, strict=True)), on_step=True, on_epoch=False, batch_size=1)

    def on_fit_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Merge after the last checkpoint is written."""
        if self.merge_at_end:
            self.receipt = merge(pl_module)

    def teardown(self, trainer: Any, pl_module: nn.Module, stage: str) -> None:
        """Restore the trainer's own checkpoint writer."""
        if isinstance(trainer.strategy.checkpoint_io, _WriterBeside):
            trainer.strategy.checkpoint_io = trainer.strategy.checkpoint_io.inner


class _WriterBeside:
    """The trainer's own checkpoint writer, which also writes a folder of `save_pathway` beside each checkpoint."""

    def __init__(self, inner: Any, target: nn.Module) -> None:
        self.inner = inner
        self.target = target

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        self.inner.save_checkpoint(checkpoint, path, storage_options)
        save_pathway(self.target, _folder_beside(path))

    def load_checkpoint(self, path: str | Path, *args: Any, **options: Any) -> dict[str, Any]:
        checkpoint: dict[str, Any] = self.inner.load_checkpoint(path, *args, **options)
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        self.inner.remove_checkpoint(path)
        folder = _folder_beside(path)
        if (folder / DESCRIPTION).is_file():
            shutil.rmtree(folder)

    def teardown(self) -> None:
        self.inner.teardown()


def _folder_beside(path: str | Path) -> Path:
    if "://" in str(path):
        todo = "use PathwayCallback(save_beside=False)"
        raise PathwayError(path, "a checkpoint in a local folder", "an address", todo)
    return Path(path).with_suffix(".pathway")


def _connected_target(module: nn.Module) -> nn.Module:
    """The module that `connect` was called with: the Lightning module itself, or the one model inside it."""
    targets = [part for part in module.modules() if ORIGINS in part.__dict__]
    if len(targets) != 1:
        todo = "use PathwayCallback(save_beside=False) and save each with save_pathway"
        raise PathwayError(type(module).__name__, "one connected model inside it", str(len(targets)), todo)
    return targets[0]
