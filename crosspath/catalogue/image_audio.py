"""Published sets of images and recordings. Sizes and checksums are given only if public records agree on them."""

from crosspath.catalogue.published_set import Archive, Piece, PublishedSet

ESC50_COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"
ESC50 = Archive(
    address=f"https://github.com/karolpiczak/ESC-50/archive/{ESC50_COMMIT}.zip",
    name="ESC-50.zip",
    size=645_832_161,
    sha256="661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
)
FSDD_COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
ESC_TREE = (
    Piece("meta/esc50.csv", "one row for each recording: filename, fold, target, category"),
    Piece("audio/*", "the recordings that the table lists"),
)

IMAGE = (
    PublishedSet(
        name="cifar10",
        modality="image",
        datasets=("cifar10",),
        classes=10,
        samples={"train": 50_000, "test": 10_000},
        licence="none stated; offered for research, cite A. Krizhevsky (2009)",
        terms="https://www.cs.toronto.edu/~kriz/cifar.html",
        tree=(
            Piece("train.zip", "train/<class>/<number>.png (or .jpg)"),
            Piece("test.zip", "test/<class>/<number>.png (or .jpg)"),
        ),
        marks={"train.zip": "airplane/", "test.zip": "truck/"},
        archives=(
            Archive(
                address="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                name="cifar-10-binary.tar.gz",
                size=170_052_171,
                sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
        note="The binary version is downloaded, which has no pickles; its images are stored losslessly as PNG.",
    ),
    PublishedSet(
        name="ade20k",
        modality="image",
        datasets=("ade20k",),
        classes=150,
        samples={"training": 20_210, "validation": 2_000},
        licence="ADE20K terms of use: non-commercial research and teaching; the images belong to their owners",
        terms="https://groups.csail.mit.edu/vision/datasets/ADE20K/terms/",
        tree=(
            Piece("images/training/*", "ADE_train_<number>.jpg"),
            Piece("images/validation/*", "ADE_val_<number>.jpg"),
            Piece("annotations/training/*", "ADE_train_<number>.png, the class number of each pixel"),
            Piece("annotations/validation/*", "the same of the validation pictures"),
        ),
        marks={"objectInfo150.txt": "wall"},
        steps=(
            "Read the terms at https://groups.csail.mit.edu/vision/datasets/ADE20K/terms/.",
            "Download ADEChallengeData2016.zip, the set of the scene parsing benchmark, from "
            "http://sceneparsing.csail.mit.edu/ (not the full set, whose masks are colours).",
            "Unpack it as it is: objectInfo150.txt, which names the classes, lies beside images/ and annotations/.",
        ),
        note="Results are reported on validation, which is the test part here; a validation part is held out.",
    ),
    PublishedSet(
        name="coco",
        modality="image",
        datasets=("coco",),
        classes=80,
        samples={"train2017": 118_287, "val2017": 5_000},
        licence="annotations CC BY 4.0; the images belong to their owners (Flickr terms of use)",
        terms="https://cocodataset.org/#termsofuse",
        tree=(
            Piece("annotations/instances_train2017.json", "boxes of the training pictures"),
            Piece("annotations/instances_val2017.json", "boxes of the validation pictures"),
            Piece("train2017/*", "<number>.jpg"),
            Piece("val2017/*", "<number>.jpg"),
        ),
        steps=(
            "Read the terms at https://cocodataset.org/#termsofuse.",
            "Download train2017.zip, val2017.zip and annotations_trainval2017.zip from https://cocodataset.org/#download.",
            "Unpack all three in one folder: train2017/, val2017/ and annotations/ lie side by side.",
        ),
        note="Results are reported on val2017, which is the test part here; a validation part is held out.",
    ),
    PublishedSet(
        name="imagenet",
        modality="image",
        datasets=("imagenet",),
        classes=1000,
        samples={"train": 1_281_167, "val": 50_000},
        licence="ImageNet terms of access: non-commercial research and teaching; the images belong to their owners",
        terms="https://image-net.org/download.php",
        tree=(
            Piece("train/*/*", "<class>/<image>.JPEG, 1,000 classes (n01440764 and so on)"),
            Piece("val/*/*", "the same class folders, 50 images each"),
        ),
        marks={"train/n[0-9]*[0-9]": "", "val/n[0-9]*[0-9]": ""},
        steps=(
            "Register at https://image-net.org/download.php and accept the terms of access.",
            "Open the page of ILSVRC 2012 there and download ILSVRC2012_img_train.tar (137.7 GiB, md5 "
            "1d675b47d978889d74fa0da5fadfb00e), ILSVRC2012_img_val.tar (6.3 GiB, md5 29b22e2961454d5413ddabcf34fc5622) "
            "and ILSVRC2012_devkit_t12.tar.gz (md5 fa75699e90414af021442c21a62c3abf).",
            "Unpack the training archive into train/. It has a tar for each class: unpack each into its own folder.",
            "Unpack the validation archive and move each image into val/<class>/: "
            "data/ILSVRC2012_validation_ground_truth.txt of the devkit has the class number of each image, "
            "data/meta.mat the class of each number. torchvision.datasets.ImageNet does steps 3 and 4.",
        ),
        note="val is read as the test part, and the validation part is held out of train.",
    ),
)

AUDIO = (
    PublishedSet(
        name="esc10",
        modality="audio",
        datasets=("esc10",),
        classes=10,
        samples={"train": 240, "val": 80, "test": 80},
        licence="CC BY 3.0 (the ESC-10 part of ESC-50; authors of each clip in its LICENSE)",
        terms="https://github.com/karolpiczak/ESC-50#license",
        tree=ESC_TREE,
        archives=(ESC50,),
        note="A part of ESC-50. Five folds of 80; by default fold 4 is validation and fold 5 test.",
    ),
    PublishedSet(
        name="esc50",
        modality="audio",
        datasets=("esc50",),
        classes=50,
        samples={"train": 1200, "val": 400, "test": 400},
        licence="CC BY-NC 3.0 (authors of each clip in its LICENSE)",
        terms="https://github.com/karolpiczak/ESC-50#license",
        variants={
            "as published": ESC_TREE,
            "lists of AST and AudioMAE": (
                Piece("esc_class_labels_indices.csv", "columns index, mid, display_name"),
                Piece("esc_eval_data_*.json", 'the five folds, 1 to 5: {"data": [{"wav": path, "labels": mid}, ...]}'),
            ),
        },
        archives=(ESC50,),
        note="Five folds of 400; by default fold 4 is validation and fold 5 test.",
    ),
    PublishedSet(
        name="fsdd",
        modality="audio",
        datasets=("fsdd",),
        classes=10,
        samples={"train": 2700, "test": 300},
        licence="CC BY-SA 4.0",
        terms="https://github.com/Jakobovski/free-spoken-digit-dataset#license",
        tree=(
            Piece("metadata.csv", "one row for each recording: filename, digit, speaker, index, split"),
            Piece("recordings/*.wav", "<digit>_<speaker>_<index>.wav"),
        ),
        marks={"metadata.csv": "digit", "recordings/[0-9]_*_*.wav": ""},
        archives=(
            Archive(
                address=f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{FSDD_COMMIT}.zip",
                name="free-spoken-digit-dataset.zip",
            ),
        ),
    ),
    PublishedSet(
        name="speechcommands",
        modality="audio",
        datasets=("speechcommands",),
        classes=35,
        samples={"train": 84_843, "val": 9_981, "test": 11_005},
        licence="CC BY 4.0",
        terms="https://arxiv.org/abs/1804.03209",
        variants={
            "as published": (
                Piece("validation_list.txt", "<word>/<name>.wav of the validation part, one on each line"),
                Piece("testing_list.txt", "the same for the test part"),
                Piece("*/*.wav", "a folder for each word"),
            ),
            "lists of AST and AudioMAE": (
                Piece("speechcommands_class_labels_indices.csv", "columns index, mid, display_name"),
                Piece("speechcommand_train_data.json", '{"data": [{"wav": path, "labels": mid}, ...]}'),
                Piece("speechcommand_valid_data.json", "the same for the validation part"),
                Piece("speechcommand_eval_data.json", "the same for the test part"),
            ),
        },
        marks={"yes/*.wav": ""},
        archives=(
            Archive(
                address="https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                name="speech_commands_v0.02.tar.gz",
                size=2_428_923_189,
                sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            ),
        ),
    ),
    PublishedSet(
        name="audioset",
        modality="audio",
        datasets=("audioset-20k", "audioset-2m"),
        classes=527,
        samples={"train (20k)": 22_160, "train (2m)": 2_063_949, "test": 20_371},
        licence="labels CC BY 4.0, ontology CC BY-SA 4.0 (Google); the recordings belong to YouTube and their authors",
        terms="https://research.google.com/audioset/download.html",
        tree=(
            Piece("class_labels_indices.csv", "columns index, mid, display_name"),
            Piece("eval_cleaned.json", 'test part: {"data": [{"wav": path, "labels": "mid,mid"}, ...]}'),
        ),
        variants={
            "audioset-20k": (Piece("train_cleaned.json", "the same for the balanced training part"),),
            "audioset-2m": (Piece("train_all.json", "the same for the whole training part"),),
        },
        steps=(
            "Download class_labels_indices.csv, eval_segments.csv, balanced_train_segments.csv and, for audioset-2m, "
            "unbalanced_train_segments.csv from http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/.",
            "Collect the audio of the ten seconds in each row, where still available under YouTube's terms, as wav or "
            "flac files.",
            "Write the lists above: one entry for each recording, `wav` absolute or relative to the list's folder, "
            "`labels` the row's positive_labels, separated by commas. train_all.json contains both training parts.",
        ),
        note="Fewer recordings are still available than are listed.",
    ),
)
