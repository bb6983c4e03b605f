"""Faults that once went unnoticed by the tests, as changes of text."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of one file, and the tests that must notice it."""

    name: str
    file: str
    before: str
    """Stands exactly once in the file."""
    after: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """The file with the fault."""
        if source.count(self.before) != 1:
            raise ValueError(
                f"{self.name}: {self.file} holds {self.before!r} {source.count(self.before)} times, not once"
            )
        return source.replace(self.before, self.after)


FAULTS = (
    Fault(
        name="best weights never restored",
        file="training/epochs.py",
        before="            outcome.model.load_state_dict(outcome.best_state)\n",
        after="",
        tests=("training/test_run.py",),
    ),
    Fault(
        name="merge reads the attribute, which may be cached",
        file="pathway/merge.py",
        before="result = effective_weight(holder.original, *pathway.terms_of(names))",
        after="result = getattr(holder.module, holder.attribute).detach().clone()",
        tests=("pathway/test_connect.py", "pathway/test_merge.py"),
    ),
    Fault(
        name="a learned pair computed in autocast's precision",
        file="pathway/engines/learned_pair.py",
        before="with torch.autocast(auxiliary.device.type, enabled=False):",
        after="if True:",
        tests=("pathway/engines/test_learned_pair.py",),
    ),
    Fault(
        name="a principal subspace in any rotation",
        file="pathway/fitting/stream.py",
        before="result: Tensor = left @ right @ vectors",
        after="result: Tensor = vectors",
        tests=("pathway/fitting/test_maps.py",),
    ),
    Fault(
        name="λ's gradient summed in half precision",
        file="pathway/engines/combine.py",
        before="wide = torch.promote_types(gradient.dtype, torch.float32)",
        after="wide = gradient.dtype",
        tests=("pathway/engines/test_combine.py", "pathway/test_contract.py"),
    ),
    Fault(
        name="two auxiliaries in half precision not widened",
        file="pathway/engines/combine.py",
        before="return len(overlays) > 1 and weight.dtype in (torch.float16, torch.bfloat16)",
        after="return False",
        tests=("pathway/engines/test_combine.py", "pathway/test_contract.py"),
    ),
    Fault(
        name="class label dropped from a split's seed",
        file="data/splits.py",
        before="(SPLIT_SEED, sum(map(ord, name)), int(label), ",
        after="(SPLIT_SEED, sum(map(ord, name)), ",
        tests=("data/test_splits.py",),
    ),
    Fault(
        name="part's name dropped from a split's seed",
        file="data/splits.py",
        before="(SPLIT_SEED, sum(map(ord, name)), int(label), ",
        after="(SPLIT_SEED, int(label), ",
        tests=("data/test_splits.py",),
    ),
    Fault(
        name="part's name dropped from a hashed split's key",
        file="data/splits.py",
        before='f"{SPLIT_SEED} {name} " if',
        after='f"{SPLIT_SEED} " if',
        tests=("data/test_splits.py",),
    ),
    Fault(
        name="top-5 reported at five classes",
        file="objectives/metrics.py",
        before="logits_NK.shape[-1] > TOP",
        after="logits_NK.shape[-1] >= TOP",
        tests=("objectives/test_metrics.py",),
    ),
    Fault(
        name="the scale of series comes from the held-out samples",
        file="modalities/calibration.py",
        before="modality_of(recipe).calibrate(recipe.data, data.train)",
        after="modality_of(recipe).calibrate(recipe.data, data.test)",
        tests=("modalities/test_series.py",),
    ),
    Fault(
        name="missing values of series are filled in silence",
        file="data/readers/series.py",
        before="self.counts.add(signal, np.isnan(values_CT), filled_CT.shape[1], places)",
        after="self.counts.add(signal, np.isnan(filled_CT), filled_CT.shape[1], places)",
        tests=("data/readers/test_series.py",),
    ),
)
