"""transformers' Trainer: log λ, save plain files in every checkpoint, resume exactly, merge at the end.

```
crosspath.connect(model, auxiliary)
trainer = Trainer(model, args, train_dataset=data, optimizers=(optimizer_for(model, args), None))
trainer.add_callback(PathwayCallback(trainer, merge_at_end=True))
trainer.train()
```
"""

import warnings
from functools import wraps
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crosspath.integrations.restore import accept_plain_state, restore
from crosspath.integrations.scales import scales_to_log
from crosspath.pathway import PathwayError, Receipt, merge, param_groups, pathways, save_pathway
from crosspath.pathway.engines.engine import engine_of
from crosspath.pathway.safeguards import guard_saving, release_saving

STATE = "trainer_state.json"
"""The file in which the Trainer keeps its own state, in every checkpoint."""


class PathwayCallback(TrainerCallback):  # type: ignore[misc]
    """What a connected model needs while transformers' Trainer trains it. Connect before `train()`.

    - λ is logged through `Trainer.log` at every logging step, one number per weight and auxiliary.
    - A checkpoint holds the plain target as `model.safetensors`, which `from_pretrained` reads, and λ and W' in
      `pathway.safetensors` and `pathway.json` beside it, which `crosspath.load_pathway` reads.
    - A run resumes from these files bit-identically: the Trainer loads first, then the callback fills every tensor.
    - A model connected with `engine="optimizer"` is attached to the optimizer as soon as that is made. The Trainer then
      clips the gradients of the weights alone, as for a plain model.
    - With `load_best_model_at_end`, λ and W' of the best checkpoint are restored together with its target.

    `Trainer.save_model` does none of this: merge first, or use `crosspath.save_pathway`. Models sharded by FSDP or
    DeepSpeed are not supported: saving them raises `PathwayError`.
    """

    def __init__(self, trainer: Trainer, *, merge_at_end: bool = False, resume_from: str | Path | None = None) -> None:
        """
        Parameters
        ----------
        trainer
            Whose model is connected.
        merge_at_end
            Merge when training ends: `trainer.model` is then plain, and `receipt` holds what was merged.
        resume_from
            The checkpoint passed to `trainer.train(resume_from_checkpoint=...)`, where it is not in the output
            folder.
        """
        self.trainer = trainer
        self.merge_at_end = merge_at_end
        self.resume_from = None if resume_from is None else Path(resume_from)
        self.receipt: Receipt | None = None
        """Of the merge at the end."""
        self._attach_when_made()
        # The Trainer loads a checkpoint's plain target before it calls any callback. With `model_init` the model does
        # not exist yet; the Trainer then warns about missing keys, and the callback fills them all the same.
        self._accepting = accept_plain_state(trainer.model) if isinstance(trainer.model, nn.Module) else None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Refuse a plain model, warn about weight decay on λ, and fill the model of a resumed run."""
        pathways(self._model)
        self._warn_about_decay(kwargs["optimizer"])
        # What the Trainer writes with it, `on_save` replaces.
        release_saving(self._model)
        if state.global_step > 0:
            folder = self.resume_from or _checkpoint(args, state)
            if not _is_of_run(folder, state):
                expected = "the checkpoint that training resumes from"
                todo = "name it with PathwayCallback(resume_from=...)"
                raise PathwayError(folder, expected, "none or another one", todo)
            restore(self._model, folder)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Log λ whenever the Trainer logs its loss."""
        if logs is not None and "loss" in logs:
            names, values = scales_to_log(self._model)
            self.trainer.log(dict(zip(names, values.tolist(), strict=True)))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Replace the Trainer's model file, whose keys do not fit a plain model, by the files of `save_pathway`."""
        folder = _checkpoint(args, state)
        if not args.should_save:
            return
        if not folder.is_dir():
            raise PathwayError(folder, "the checkpoint just saved", "none", "save into args.output_dir")
        for file in (*folder.glob("model*.safetensors"), *folder.glob("model.safetensors.index.json")):
            file.unlink()
        save_pathway(self._model, folder)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Restore the best checkpoint and merge, where asked to."""
        if args.load_best_model_at_end and state.best_model_checkpoint is not None:
            restore(self._model, state.best_model_checkpoint)
        if self._accepting is not None:
            self._accepting.remove()
        guard_saving(self._model)
        if self.merge_at_end:
            self.receipt = merge(self._model)

    @property
    def _model(self) -> nn.Module:
        model = self.trainer.model
        assert isinstance(model, nn.Module)
        return model

    def _attach_when_made(self) -> None:
        """Attach the optimizer before the Trainer makes a scheduler for it and loads its state."""
        trainer = cast(Any, self.trainer)
        plain_method = trainer.create_optimizer

        @wraps(plain_method)
        def create_optimizer(*args: Any, **kwargs: Any) -> torch.optim.Optimizer:
            optimizer: torch.optim.Optimizer = plain_method(*args, **kwargs)
            if engine_of(self._model) == "optimizer":
                pathways(self._model).attach(optimizer)
            return optimizer

        trainer.create_optimizer = create_optimizer

    def _warn_about_decay(self, optimizer: torch.optim.Optimizer) -> None:
        scales = {id(scale) for scale in pathways(self._model).scales().values()}
        parameters = [p for group in optimizer.param_groups if group.get("weight_decay") for p in group["params"]]
        if any(id(parameter) in scales for parameter in parameters):
            warnings.warn(
                "crosspath: this optimizer applies weight decay to λ; "
                "pass Trainer(optimizers=(optimizer_for(model, args), None))",
                stacklevel=2,
            )


def optimizer_for(
    model: nn.Module,
    args: TrainingArguments,
    *,
    layer_decay: float | None = None,
    scale_lr: float | None = None,
) -> torch.optim.Optimizer:
    """The optimizer of `args` over `crosspath.param_groups`: pass it as `Trainer(optimizers=(this, None))`.

    Learning rate and weight decay are those of `args`; `layer_decay` and `scale_lr` as in `param_groups`.

    Raises
    ------
    PathwayError
        For an optimizer that chooses its own parameters (such as GaLore's), or `layer_decay` on an unknown layout.
    """
    kind, options = Trainer.get_optimizer_cls_and_kwargs(args, cast(Any, model))
    if not issubclass(kind, torch.optim.Optimizer) or {"params", "model", "optimizer_dict"} & options.keys():
        raise PathwayError("optim", "an optimizer of parameter groups", str(args.optim), "choose another one")
    groups = param_groups(
        model, lr=args.learning_rate, weight_decay=args.weight_decay, layer_decay=layer_decay, scale_lr=scale_lr
    )
    optimizer: torch.optim.Optimizer = kind(groups, **options)
    return optimizer


def _checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    assert args.output_dir is not None
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def _is_of_run(folder: Path, state: TrainerState) -> bool:
    """Whether the Trainer's state is that of this checkpoint."""
    file = folder / STATE
    return file.is_file() and TrainerState.load_from_json(str(file)).log_history == state.log_history
