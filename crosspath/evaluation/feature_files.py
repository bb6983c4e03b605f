"""The features of every file below a folder: of the file, or of each window of it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.config import Recipe
from crosspath.config.data import DataSection
from crosspath.data.decoding import Progress
from crosspath.data.folder_tree import suffix_of, tree_of
from crosspath.data.folders import missing_samples
from crosspath.data.items import file_stamp
from crosspath.errors import InputError, without_settings
from crosspath.evaluation.devices import Compute, choose_compute
from crosspath.evaluation.feature_folder import FORMATS, FeatureFolder, FileEntry
from crosspath.evaluation.features import choose_pool, features_of
from crosspath.files import sha256_of_tensors
from crosspath.locks import claim, remove_lock
from crosspath.modalities import modality_of
from crosspath.modalities.load import read_windows, read_with_remarks

AT_ONCE = 64
"""Files decoded before the model reads them."""


@dataclass(frozen=True, kw_only=True)
class FeatureReport:
    """What `write_features` wrote."""

    folder: str
    files: int
    """All files with features, those of earlier calls too."""
    written: int
    """Of these, files written now."""
    shape: tuple[int, ...] | None
    """Of the features of the last file written; None where none was."""
    skipped: tuple[str, ...] = ()
    """What is wrong with each damaged file, with its path."""
    unread: tuple[tuple[str, int], ...] = ()
    """(kind, number) of files below the folder that the modality does not read one by one, and of hidden ones, as in
    `Listing.unread`."""
    notes: tuple[str, ...] = ()
    """What reading did to a file, such as missing values that it filled, with its name."""


def write_features(
    checkpoint: str | Path | Checkpoint,
    folder: str | Path,
    out: str | Path,
    *,
    pool: str | None = None,
    window: float | None = None,
    stride: float | None = None,
    file_format: str = "safetensors",
    skip_damaged: bool = False,
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
    progress: Progress | None = None,
) -> FeatureReport:
    """Write the features of every file of the model's modality below `folder` to the same place below `out`.

    Each is one float32 array: (D,) for a file, (W, D) for its W windows; with `pool="tokens"` (N, D) and (W, N, D); of
    a text those of its own tokens. A call that was stopped continues where it ended; files that have changed since are
    read again.

    Parameters
    ----------
    checkpoint
        A classifier, or a model of masked modelling.
    pool
        `head`, what the classifier's layers read (the default, of classifiers only); `mean`, over all tokens (the
        default of other models); `cls`, the class token; `tokens`, all of them.
    window, stride
        Seconds, of recordings and films. With either, a file is read in windows that begin every `stride` seconds (by
        default one after the other) and reach its end; the last one is completed as a file that is too short.
    file_format
        `safetensors` (the tensor `features`) or `npy`.
    progress
        Called with (files done, files in total).

    Raises
    ------
    InputError
        For a folder without such files, a damaged file or a link to none unless `skip_damaged`, windows that the
        modality has not, a pooling that the model has not, features that are not finite, and an `out` that holds other
        features.
    """
    source = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint, recipe, auxiliaries)
    folder, out = Path(folder), Path(out)
    if file_format not in FORMATS:
        raise InputError("file_format", f"one of {', '.join(FORMATS)}", repr(file_format), "choose one of these")
    pooling = choose_pool(source, pool)
    in_windows = window is not None or stride is not None
    section = source.recipe.data
    read: Callable[[Path], Windows] = partial(_read_whole, section)
    if in_windows:
        cut = read_windows(section, window, stride)
        read = lambda path: (cut(path), ())  # noqa: E731
    names, errors, others = _names(source.recipe, folder, out)
    if errors and not skip_damaged:
        raise errors[0]
    compute = choose_compute(source.recipe)
    source.model.to(compute.device).eval()
    faults: list[str] = []
    notes: list[str] = []
    shape = None
    target = FeatureFolder(out, file_format)
    with claim(out):
        target.open(_settings(source, pooling, window, stride, file_format, compute))
        entries = target.entries()
        todo = [name for name in names if name not in entries or entries[name].stamp != file_stamp(folder / name)]
        at_once = 1 if in_windows else AT_ONCE  # a long film has many windows
        for start in range(0, len(todo), at_once):
            samples = list(_samples(folder, todo[start : start + at_once], read, faults if skip_damaged else None))
            if samples:
                where = [folder / sample.name for sample in samples for _ in sample.windows]
                windows = np.concatenate([sample.windows for sample in samples])
                rows = iter(features_of(source, windows, pooling, compute, where))
                features = [list(islice(rows, len(sample.windows))) for sample in samples]
                arrays = [np.stack(own) if in_windows else own[0] for own in features]
                target.write([sample.entry(own) for sample, own in zip(samples, arrays, strict=True)])
                notes += [f"{sample.name}: {remark}" for sample in samples for remark in sample.remarks]
                shape = arrays[-1].shape
            if progress is not None:
                progress(min(start + at_once, len(todo)), len(todo))
        remove_lock(out)
    return FeatureReport(
        folder=str(out),
        files=len(names) - len(faults),
        written=len(todo) - len(faults),
        shape=shape,
        skipped=(*map(str, errors), *faults),
        unread=others,
        notes=tuple(notes),
    )


def _settings(
    source: Checkpoint, pool: str, window: float | None, stride: float | None, file_format: str, compute: Compute
) -> dict[str, Any]:
    """What the features depend on, besides the files."""
    return {
        "checkpoint": sha256_of_tensors(sorted(source.model.state_dict().items())),
        "data": json.loads(source.recipe.data.model_dump_json(exclude={"folder", "cache_folder"})),
        "pool": pool,
        "window_s": window,
        "stride_s": stride,
        "format": file_format,
        "precision": compute.precision,
    }


@dataclass(frozen=True)
class _Sample:
    """A file that was read."""

    name: str
    stamp: str
    windows: NDArray[Any]
    """(W, ...): one for the whole file, or several."""
    remarks: tuple[str, ...]

    def entry(self, features: NDArray[np.float32]) -> tuple[FileEntry, NDArray[np.float32]]:
        return FileEntry(file=self.name, stamp=self.stamp, shape=features.shape), features


Windows = tuple[NDArray[Any], tuple[str, ...]]
"""The windows (W, ...) of a file, and what reading did to it."""


@without_settings()
def _read_whole(section: DataSection, path: Path) -> Windows:
    """A file as its only window (1, ...)."""
    several = modality_of(section).samples
    if several is not None:  # what a table would give a row each; the files here hold one sample
        [(_, sample, remarks)] = several(section, str(path))
    else:
        sample, remarks = read_with_remarks(section, path)
    return sample[None], remarks


def _samples(
    folder: Path, names: Sequence[str], read: Callable[[Path], Windows], faults: list[str] | None
) -> Iterator[_Sample]:
    """Some files, decoded; what is wrong with damaged ones is added to `faults`, or raised."""
    for name in names:
        stamp = file_stamp(folder / name)
        try:
            yield _Sample(name, stamp, *read(folder / name))
        except InputError as error:
            if faults is None:
                raise
            faults.append(str(error))


def _names(recipe: Recipe, folder: Path, out: Path) -> tuple[list[str], list[InputError], tuple[tuple[str, int], ...]]:
    """The files of the recipe's modality below `folder`, by name; what is wrong with links that lead to none; and how
    many files of which kind are not read.
    """
    if not folder.is_dir():
        raise InputError(folder, f"a folder of {modality_of(recipe).content}", "none", "check the path")
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(out, "a folder outside the samples", f"one below {folder}", "choose another --out")
    suffixes = modality_of(recipe).suffixes
    tree = tree_of(folder)
    files = ["/".join(parts) for parts in tree.files]
    names = sorted(name for name in files if suffix_of(name) in suffixes)
    others = Counter(suffix_of(name) or "without suffix" for name in files if suffix_of(name) not in suffixes)
    if tree.hidden_names:
        others["hidden"] = len(tree.hidden_names)
    errors = [
        InputError(path, f"a readable {recipe.modality} file", reason, "restore it, or remove the link")
        for path, reason in missing_samples(tree, suffixes)
    ]
    if not names and not errors:
        expected = f"{modality_of(recipe).content} ({', '.join(suffixes[:4])}, ...)"
        raise InputError(folder, expected, "none", "name a folder of the model's modality")
    return names, errors, tuple(sorted(others.items()))
