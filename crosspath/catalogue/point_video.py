"""Published sets of point clouds and clips. Sizes and checksums are given only if public records agree on them."""

from crosspath.catalogue.published_set import Archive, Piece, PublishedSet

SHAPENET_TERMS = "ShapeNet terms of use: non-commercial research and teaching"
LISTS = (
    Piece("train.csv", "no header, one row for each clip: path label (a number from 0), separated by a blank"),
    Piece("val.csv", "the same for the published test part"),
)
LIST_STEP = (
    "Write train.csv and val.csv: one row for each clip, `path label`, separated by a blank, no header; paths are "
    "absolute or relative to this folder, labels are numbers from 0 in the alphabetical order of the classes."
)

POINT = (
    PublishedSet(
        name="modelnet10",
        modality="point",
        datasets=("modelnet10",),
        classes=10,
        samples={"train": 3991, "test": 908},
        licence="for academic research; the models belong to their authors",
        terms="https://modelnet.cs.princeton.edu/",
        tree=(
            Piece("shape_names.txt", "class names, one on each line"),
            Piece("train_files.txt", "names of the h5 files of the training part, one on each line"),
            Piece("test_files.txt", "the same for the test part"),
            Piece("*.h5", "`data` (N, points, 3) and `label` (N, 1); test rows that `in_train` marks are skipped"),
        ),
        marks={"shape_names.txt": "night_stand"},
        archives=(
            Archive(
                address="http://3dvision.princeton.edu/projects/2014/3DShapeNets/ModelNet10.zip",
                name="ModelNet10.zip",
                size=473_402_300,
            ),
        ),
        note="Points are drawn from the surfaces of the published meshes, by a fixed seed.",
    ),
    PublishedSet(
        name="modelnet40",
        modality="point",
        datasets=("modelnet40",),
        classes=40,
        samples={"train": 9843, "test": 2468},
        licence="for academic research; the models belong to their authors",
        terms="https://modelnet.cs.princeton.edu/",
        tree=(
            Piece("modelnet40_shape_names.txt", "class names, one on each line"),
            Piece("modelnet40_train.txt", "ids of the training part such as airplane_0001, one on each line"),
            Piece("modelnet40_test.txt", "the same for the test part"),
            Piece("*/*.txt", "<class>/<id>.txt: 10,000 rows x,y,z,nx,ny,nz"),
        ),
        archives=(
            Archive(
                address="https://shapenet.cs.stanford.edu/media/modelnet40_normal_resampled.zip",
                name="modelnet40_normal_resampled.zip",
            ),
        ),
    ),
    PublishedSet(
        name="scanobjectnn",
        modality="point",
        datasets=("scanobjectnn-objbg", "scanobjectnn-objonly", "scanobjectnn-hardest"),
        classes=15,
        samples={"train": 2309, "test": 581, "train (hardest)": 11_416, "test (hardest)": 2882},
        licence="terms of use of ScanObjectNN: research",
        terms="https://hkust-vgd.github.io/scanobjectnn/",
        variants={
            "scanobjectnn-objbg": (
                Piece("main_split/training_objectdataset.h5", "`data` (N, 2048, 3) and `label` (N,)"),
                Piece("main_split/test_objectdataset.h5", "the same for the test part"),
            ),
            "scanobjectnn-objonly": (
                Piece("main_split_nobg/training_objectdataset.h5", "the same without background"),
                Piece("main_split_nobg/test_objectdataset.h5", "the same for the test part"),
            ),
            "scanobjectnn-hardest": (
                Piece("main_split/training_objectdataset_augmentedrot_scale75.h5", "cut, rotated and scaled"),
                Piece("main_split/test_objectdataset_augmentedrot_scale75.h5", "the same for the test part"),
            ),
        },
        steps=(
            "Fill in the form at https://hkust-vgd.github.io/scanobjectnn/ to accept the terms of use.",
            "Download h5_files.zip from the URL in the answer, and unpack it.",
            "Move its folders main_split and main_split_nobg here.",
        ),
    ),
    PublishedSet(
        name="shapenet55",
        modality="point",
        datasets=("shapenet55",),
        classes=55,
        samples={"train": 41_952, "test": 10_518},
        licence=SHAPENET_TERMS,
        terms="https://shapenet.org/terms",
        tree=(
            Piece("ShapeNet-55/train.txt", "file names <taxonomy>-<model>.npy of the training part, one on each line"),
            Piece("ShapeNet-55/test.txt", "the same for the test part"),
            Piece("shapenet_pc/*.npy", "the arrays (8192, 3)"),
        ),
        steps=(
            "Register at https://shapenet.org and accept the terms of use.",
            "Follow the link to the processed ShapeNet-55 data in https://github.com/lulutang0608/Point-BERT "
            "(DATASET.md) and download it.",
            "Unpack the point clouds into shapenet_pc/, and put the lists train.txt and test.txt into ShapeNet-55/.",
        ),
    ),
    PublishedSet(
        name="shapenetpart",
        modality="point",
        datasets=("shapenetpart",),
        classes=16,
        samples={"train": 12_137, "val": 1870, "test": 2874},
        licence=SHAPENET_TERMS,
        terms="https://shapenet.org/terms",
        tree=(
            Piece("synsetoffset2category.txt", "a category and its offset on each line"),
            Piece("train_test_split/shuffled_train_file_list.json", "strings shape_data/<offset>/<id>"),
            Piece("train_test_split/shuffled_val_file_list.json", "the same for the validation part"),
            Piece("train_test_split/shuffled_test_file_list.json", "the same for the test part"),
            Piece("0*/*.txt", "<offset>/<id>.txt: rows of x y z nx ny nz part"),
        ),
        steps=(
            "Register at https://shapenet.org and accept the terms of use.",
            "Download https://shapenet.cs.stanford.edu/media/"
            "shapenetcore_partanno_segmentation_benchmark_v0_normal.zip (0.7 GB).",
            "Unpack it into the data root; its folder has the right name.",
        ),
        note="50 parts of 16 categories.",
    ),
    PublishedSet(
        name="partnet",
        modality="point",
        datasets=("partnet",),
        classes=24,
        samples={"train, val and test": 26_671},
        licence=SHAPENET_TERMS,
        terms="https://shapenet.org/terms",
        tree=(
            Piece("*-*/train_files.txt", "<Category>-<level>/: names of its h5 files of the training part"),
            Piece("*-*/val_files.txt", "the same for the validation part"),
            Piece("*-*/test_files.txt", "the same for the test part"),
            Piece("*-*/*.h5", "`data` (N, 10000, 3), `label_seg` (N, 10000), 0 for other, and `data_num` (N,)"),
        ),
        steps=(
            "Register at https://shapenet.org and accept the terms of use.",
            "Download the h5 files for semantic segmentation (sem_seg_h5.zip) from https://www.shapenet.org/download/parts.",
            "Unpack it into the data root; its folder has the right name.",
        ),
        note="Each category and level is a task: data.category and data.level. Not every category has every level.",
    ),
)

VIDEO = (
    PublishedSet(
        name="grid_s1",
        modality="video",
        datasets=("grid",),
        classes=10,
        samples={"train": 700, "val": 100, "test": 200},
        licence="CC BY 4.0",
        terms="https://doi.org/10.5281/zenodo.3625687",
        tree=(
            Piece("clips.csv", "one row for each clip: file, split, frames, and its six words by slot"),
            Piece("words.csv", "one row for each word: file, split, slot, word, start_frame, end_frame (exclusive)"),
            Piece("videos/*.mp4", "the clips"),
        ),
        marks={"words.csv": "start_frame", "clips.csv": "preposition"},
        steps=(
            "Download the video and the word alignments of talker 1 from https://doi.org/10.5281/zenodo.3625687.",
            "Put the clips into videos/ as mp4, cropped to the mouth (published here: 112x112 from left 99, top 158).",
            "Write clips.csv and words.csv with the columns above from the alignments (25 frames per second), with 700 "
            "clips in train, 100 in val and 200 in test.",
        ),
        note="Classes are those of slot digit; command, color, preposition and adverb have 4, letter has 25.",
    ),
    PublishedSet(
        name="k400",
        modality="video",
        datasets=("k400",),
        classes=400,
        samples={"train": 246_245, "val": 20_000},
        licence="lists CC BY 4.0 (Google); the clips belong to YouTube and their authors",
        terms="https://github.com/cvdfoundation/kinetics-dataset",
        tree=LISTS,
        steps=(
            "Download the archives of Kinetics-400 as https://github.com/cvdfoundation/kinetics-dataset describes, and "
            "unpack them here.",
            LIST_STEP,
        ),
        note="Fewer clips are still available than were published.",
    ),
    PublishedSet(
        name="ssv2",
        modality="video",
        datasets=("ssv2",),
        classes=174,
        samples={"train": 168_913, "val": 24_777},
        licence="Qualcomm's data licence for research use",
        terms="https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
        tree=(
            Piece("train.csv", "no header, one row for each clip: folder total_frames label, separated by blanks"),
            Piece("val.csv", "the same for the published test part"),
        ),
        steps=(
            "Register at https://www.qualcomm.com/developer/software/something-something-v-2-dataset, accept the "
            "licence, and download all parts of the videos and the labels.",
            "Join and unpack the parts as that page describes; the clips are .webm.",
            "Convert each clip to a folder of images, img_00001.jpg first: "
            "`ffmpeg -i 1.webm -q:v 2 frames/1/img_%05d.jpg`.",
            "Write train.csv and val.csv: one row for each clip, `folder total_frames label`, separated by blanks, no "
            "header; folders are absolute or relative to this one, labels are those of the published labels file.",
        ),
    ),
    PublishedSet(
        name="ucf101",
        modality="video",
        datasets=("ucf101",),
        classes=101,
        samples={"train": 9537, "val": 3783},
        licence="none stated; offered for research, cite K. Soomro et al. (2012)",
        terms="https://www.crcv.ucf.edu/research/data-sets/ucf101/",
        tree=(*LISTS, Piece("videos/*/*.avi", "the clips that the lists name")),
        archives=(
            Archive(address="https://www.crcv.ucf.edu/data/UCF101/UCF101.rar", name="UCF101.rar", size=6_932_971_618),
            Archive(
                address="https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                name="UCF101TrainTestSplits-RecognitionTask.zip",
                size=113_943,
                sha256="5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
            ),
        ),
        note="The first of the three official splits. Unpacking needs a program for rar: unrar, 7z or bsdtar.",
    ),
    PublishedSet(
        name="hmdb51",
        modality="video",
        datasets=("hmdb51",),
        classes=51,
        samples={"train": 3570, "val": 1530},
        licence="CC BY 4.0",
        terms="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
        tree=LISTS,
        steps=(
            "Download hmdb51_org.rar (2 GB) and test_train_splits.rar from "
            "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/.",
            "Unpack the first one, and then the rar of each class inside it.",
            LIST_STEP + " In the official lists <class>_test_split1.txt a clip marked 1 is training, one marked 2 is "
            "test (val.csv), one marked 0 is in neither.",
        ),
    ),
)
