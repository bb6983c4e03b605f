"""The `data` section: which files become samples, and what one sample looks like. One class a modality.

`digits` (scikit-learn's handwritten digits), `sounds`, `solids` and `dyck` (generated) need no files.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
    model_validator,
)

from crosspath.config.kinds import typed_data
from crosspath.config.section import Section
from crosspath.errors import InputError

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Channels = tuple[float, float, float]
PositiveChannels = tuple[PositiveFloat, PositiveFloat, PositiveFloat]


class DataSection(Section):
    """The fields that all modalities share."""

    folder: Path | None = None
    """The user's own data (`*/folder` recipes); shipped sets are found below the data root."""
    memory: str | None = None
    """Of samples given in memory (`crosspath.train(data=(X, y))`), the sha256; no file is then read."""
    classes: PositiveInt | None = None
    """Published number of classes, so that a dry run needs no data. Checked against the data when they are read; with
    few-shot episodes it is that of the set or `way`."""
    train_samples: PositiveInt | None = None
    """Published number of training samples after the validation part is held out; only a dry run reads it."""
    labels_per_class: PositiveInt | None = None
    """Training samples kept per class, drawn by `train.seed`; a smaller class gives all it has."""
    unlabelled: bool = False
    """Samples beyond `labels_per_class` stay in the training part: for masked modelling, which reads no labels."""
    validation_fraction: Fraction = 0.1
    """Share of training that is held out, stratified, if the set has no validation part."""
    test_fraction: Fraction = 0.2
    """Stratified part held out where a folder names no test part."""
    split_seed: NonNegativeInt | None = None
    """Redraws the held-out parts that the set does not name itself; one fixed split when not given."""
    held_out_fold: tuple[NonNegativeInt, PositiveInt] | None = None
    """(k, n): the validation part is the k-th, from 0, of n stratified folds of the labelled samples that are not in
    the test part, instead of `validation_fraction`; `labels_per_class` counts those of all folds."""
    way: Annotated[int, Field(ge=2)] | None = None
    """Few-shot episodes: classes drawn for `fold`, with `shot` training and `query` test samples each."""
    shot: PositiveInt | None = None
    query: PositiveInt | None = None
    """Few-shot episodes: test samples of each class, and validation samples at most. The published 20 when not given,
    or all that a class has."""
    fold: NonNegativeInt = 0
    """Few-shot episodes: which draw, from 0; published are ten."""
    skip_damaged: bool = False
    """Leave damaged files out, named and counted; otherwise the first pass ends with an error that names them."""
    cache_folder: Path | None = None
    """Where decoded samples are kept; the user's cache folder when not given. Never the data folder."""
    stream: bool = False
    """Decode samples on access, in `train.workers` processes, instead of once into the cache: for sets that are too
    large to store decoded, and for augmentations that need the complete file."""
    train_shards: str | None = None
    """`shards` sets: webdataset tar files of the training part, such as `train-{000000..000146}.tar`, below `folder`
    or at an address; the two below name the held-out parts."""
    validation_shards: str | None = None
    test_shards: str | None = None
    modality: str
    dataset: str = "folder"
    """A shipped set, `shards`, or `folder`: the user's own data."""

    @property
    def several_labels(self) -> bool:
        """Whether a sample may have several labels."""
        return False

    @property
    def few_shot(self) -> bool:
        """Whether few-shot episodes are drawn instead of the whole set."""
        return self.way is not None

    @property
    def model_classes(self) -> int | None:
        """Number of classes that a model tells apart, if it is known without the data."""
        return self.way or self.classes

    @model_validator(mode="after")
    def _draws_agree(self) -> Self:
        self.require_one_draw()
        return self

    def require_one_draw(self) -> None:
        """Raise `InputError` for a few-shot setting without the others, and for two rules of what trains."""
        settings = {"data.way": self.way, "data.shot": self.shot}
        missing = [name for name, value in settings.items() if value is None]
        if len(missing) == 1:
            raise InputError(missing[0], "both data.way and data.shot", "none", f"set it with --set {missing[0]}=10")
        for name, value in {"data.query": self.query, "data.fold": self.fold or None}.items():
            if missing and value is not None:
                raise InputError(name, "data.way and data.shot beside it", "neither", "set both, or leave it out")
        others = {"data.labels_per_class": self.labels_per_class, "data.held_out_fold": self.held_out_fold}
        for name, other in others.items():
            if not missing and other is not None:
                expected = "none beside data.way and data.shot, which say what trains"
                raise InputError(name, expected, str(other), "leave one of them out")

    @property
    def procedural(self) -> bool:
        """Whether a rule made the samples, so that they are of no modality to a comparison."""
        return False


class ImageData(DataSection):
    """Colour images, resized and centre-cropped to a square."""

    modality: Literal["image"] = "image"
    dataset: Literal["cifar10", "digits", "imagenet", "shards", "folder"] = "folder"
    image_size: PositiveInt = 32
    resize: PositiveInt | None = None
    """Short side before the centre crop of held-out images; `image_size` when not given (published: 256 for 224)."""
    multi_label: bool = False
    """A sample may have several labels: sigmoid outputs, mean average precision."""
    mean: Channels = (0.5, 0.5, 0.5)
    """Subtracted from values in [0, 1]; the sum is divided by `std`. The defaults give [-1, 1]."""
    std: PositiveChannels = (0.5, 0.5, 0.5)

    @property
    def several_labels(self) -> bool:
        """As `multi_label` says."""
        return self.multi_label


class AudioData(DataSection):
    """Recordings, resampled and turned into log-mel frames of 25 ms every 10 ms."""

    modality: Literal["audio"] = "audio"
    dataset: Literal[
        "esc10",
        "fsdd",
        "sounds",
        "audioset-20k",
        "audioset-2m",
        "esc50",
        "speechcommands",
        "shards",
        "folder",
    ] = "folder"
    multi_label: bool = False
    """A sample may have several labels: sigmoid outputs, mean average precision."""
    fbank_folder: Path | None = None
    """Log-mel frames computed elsewhere, `<stem>.npy` a recording; they are read instead of the recordings."""
    sample_rate_hz: PositiveInt = 16000
    mels: PositiveInt = 128
    frames: PositiveInt = 512
    """Frames a sample is padded or cut to."""
    spectrogram: Literal["kaldi", "whisper"] = "kaldi"
    """How a recording becomes log-mel frames: as in Kaldi; or as Whisper reads it, at 16 kHz."""
    mean: float = -6.6268077
    """Subtracted from log-mel values; the sum is divided by `2 * std`."""
    std: PositiveFloat = 5.358466
    csv: str | None = None
    """A table inside `folder` instead of class folders; the three columns below name its parts."""
    file_column: str = "file"
    label_column: str = "label"
    split_column: str | None = None
    """A column holding `train`, `val` or `test`."""
    encoding: str | None = None
    """Of the table, such as `cp1252`; its byte order mark says it, else it is UTF-8, when not given."""
    test_fold: PositiveInt = 5
    """ESC layout: the fold that is the test part."""
    validation_fold: PositiveInt = 4
    """ESC layout: the fold that is the validation part."""

    @property
    def several_labels(self) -> bool:
        """As `multi_label` says."""
        return self.multi_label


class PointData(DataSection):
    """Point clouds, centred on their mean and scaled into the unit sphere unless `normalise` is off."""

    modality: Literal["point"] = "point"
    dataset: Literal[
        "modelnet10",
        "solids",
        "modelnet40",
        "scanobjectnn-objbg",
        "scanobjectnn-objonly",
        "scanobjectnn-hardest",
        "shapenet55",
        "shapenetpart",
        "shards",
        "folder",
    ] = "folder"
    points: PositiveInt = 1024
    """Points of each cloud that the model sees, and that are drawn from the surface of each mesh."""
    stored_points: PositiveInt | None = None
    """Points stored of each cloud, from which every step draws `points`; the same as `points` by default."""
    normalise: bool = True
    """Centre each cloud on its mean and scale it into the unit sphere; ScanObjectNN is used as it is stored."""


class VideoData(DataSection):
    """Clips: frames spread evenly over the chosen range, resized and centre-cropped to a square."""

    modality: Literal["video"] = "video"
    dataset: Literal["grid", "k400", "ssv2", "ucf101", "hmdb51", "shards", "folder"] = "folder"
    frames: PositiveInt = 8
    image_size: PositiveInt = 56
    resize: PositiveInt | None = None
    """Short side before the crop of held-out clips; `image_size` when not given."""
    mean: Channels = (0.5, 0.5, 0.5)
    """Subtracted from values in [0, 1]; the sum is divided by `std`. The defaults give [-1, 1]."""
    std: PositiveChannels = (0.5, 0.5, 0.5)
    sampling: Literal["spread", "dense", "uniform"] = "spread"
    """`spread`: frames evenly over the whole range. Published: `dense`, frames `frame_step` apart in a window at a
    random place of training clips; `uniform`, one frame at a random place of each of `frames` equal segments."""
    frame_step: PositiveInt = 4
    """`dense` sampling: frames from one sampled frame to the next."""
    slot: Literal["command", "color", "preposition", "letter", "digit", "adverb"] = "digit"
    """GRID: the spoken word that is the label."""
    span: Literal["word", "clip"] = "word"
    """GRID: the frames of that word only, or the whole clip."""
    csv: str | None = None
    """A table inside `folder` instead of class folders; the columns below name its parts."""
    file_column: str = "file"
    label_column: str = "label"
    split_column: str | None = None
    encoding: str | None = None
    """Of the table, such as `cp1252`; its byte order mark says it, else it is UTF-8, when not given."""


class TextData(DataSection):
    """Texts as token numbers; or brackets, which a rule makes."""

    modality: Literal["text"] = "text"
    dataset: Literal["dyck", "sentences", "banking77", "folder"] = "dyck"
    """`dyck`: well-nested brackets of several kinds, drawn by a rule (`generated/brackets.py`). `sentences`: questions
    and statements of a small grammar (`generated/sentences.py`). Both need no files."""
    length: Annotated[int, Field(gt=0, multiple_of=2)] = 64
    """Tokens of a sequence, at most: longer texts are cut, and how many is said. Even, since every bracket that opens
    is closed inside it."""
    tokenizer: Path | None = None
    """A folder with a tokenizer of `transformers` (`tokenizer.json`, or a WordPiece `vocab.txt`), or such a file. A
    copy goes with every checkpoint. The bytes of UTF-8 are the tokens when not given."""
    tokenizer_sha256: str | None = None
    """Of the tokenizer that a model was trained with; a run fills it in."""
    vocabulary_size: PositiveInt | None = None
    """Rows of the table of tokens; a run fills in those of the tokenizer. A checkpoint may have more."""
    table: str | None = None
    """A table inside `folder` (.csv, .tsv, .jsonl or .parquet) instead of `train.csv`, `test.csv` or class folders."""
    text_column: str | None = None
    """The column that holds the texts. It and the next two are recognised by common names when not given; the run's
    notes say which."""
    label_column: str | None = None
    split_column: str | None = None
    """A column holding `train`, `val` or `test`."""
    encoding: str | None = None
    """Of tables and text files, such as `cp1252`; the byte order mark says it, else it is UTF-8, when not given."""
    train_samples: PositiveInt | None = None
    """`dyck`: training sequences that are drawn, 20,000 when not given. Validation and test part have 1,000 each."""
    kinds: PositiveInt = 64
    """`dyck`: kinds of brackets; the vocabulary holds an opener and a closer of each."""
    open_probability: Fraction = 0.5
    """`dyck`: chance that the next bracket opens, wherever it may as well close."""
    max_depth: PositiveInt | None = None
    """`dyck`: most brackets that are open at once; as many as `length` has room for when not given."""

    @property
    def procedural(self) -> bool:
        """Whether the sequences are generated by a rule: text for the model, and no natural language."""
        return self.dataset == "dyck"


class SeriesData(DataSection):
    """Time series: signals of one or several channels, brought to one length."""

    modality: Literal["series"] = "series"
    dataset: Literal["plaid", "vowels", "motions", "machines", "folder"] = "folder"
    channels: PositiveInt | None = None
    """Of every series; that of the first file of the user's own data when not given."""
    length: PositiveInt = 256
    """Values of each channel that the model sees."""
    lengths: Literal["resample", "pad"] = "resample"
    """How a series of another length gets there. `resample`: stretched or averaged over its whole length. `pad`: cut at
    the end, or its last value repeated, so that a value lasts as long in every series."""
    rate_hz: PositiveFloat | None = None
    """Every series is resampled to this rate before its length is matched."""
    file_rate_hz: PositiveFloat | None = None
    """With `rate_hz`: the rate of files that do not state theirs."""
    scaling: Literal["training", "series", "none"] = "training"
    """What is subtracted and divided by: `mean` and `std`; each series' own, channel by channel; or nothing."""
    mean: tuple[float, ...] | None = None
    """Of each channel; that of the run's training samples when not given, and then written into its recipe."""
    std: tuple[PositiveFloat, ...] | None = None
    """As `mean`."""
    axes: Literal["channel,time", "time,channel"] | None = None
    """Of arrays; the longer axis is time when not given, and one that could be either is refused."""
    array: str | None = None
    """Which array of an `.npz` file holds the signal, where there are several."""
    columns: tuple[str, ...] | None = None
    """Of csv and parquet files: the channels, in order; all columns that no other setting names when not given."""
    time_column: str | None = None
    """Seconds or dates in ascending order, from which the rate follows; a column called time, timestamp, date or t when
    not given. Never a channel."""
    table: str | None = None
    """A csv, parquet or npz file inside `folder` with all series, instead of one file a series. Of a csv or parquet
    a row is a series; with `id_column` a row is a moment."""
    id_column: str | None = None
    """Of `table`: which series a row belongs to."""
    csv: str | None = None
    """A table inside `folder` of the files instead of class folders; `file_column` names them."""
    file_column: str = "file"
    label_column: str = "label"
    """Of `table` or `csv`."""
    split_column: str | None = None
    """Of `table` or `csv`, holding `train`, `val` or `test`."""
    encoding: str | None = None
    """Of csv files, such as `cp1252`; the byte order mark says it, else it is UTF-8, when not given."""


Data = Annotated[SerializeAsAny[DataSection], BeforeValidator(typed_data)]
"""Of the class that its `modality` names."""
