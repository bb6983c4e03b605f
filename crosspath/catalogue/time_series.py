"""Published sets of time series."""

from crosspath.catalogue.published_set import Piece, PublishedSet


def _pieces(name: str) -> tuple[Piece, ...]:
    return (
        Piece(f"{name}/{name}_TRAIN.ts", "the archive's training part"),
        Piece(f"{name}/{name}_TEST.ts", "its test part"),
    )


SERIES = (
    PublishedSet(
        name="uea_ucr",
        modality="series",
        datasets=("plaid", "vowels", "motions"),
        classes=11,
        samples={
            "train (plaid)": 537,
            "test (plaid)": 537,
            "train (vowels)": 270,
            "test (vowels)": 370,
            "train (motions)": 40,
            "test (motions)": 40,
        },
        licence="none beyond citation; the authors of each set stand in the header of its files",
        terms="https://www.timeseriesclassification.com/",
        variants={"plaid": _pieces("PLAID"), "vowels": _pieces("JapaneseVowels"), "motions": _pieces("BasicMotions")},
        steps=(
            "Choose PLAID, JapaneseVowels or BasicMotions on https://www.timeseriesclassification.com/dataset.php.",
            "Download its zip and unpack it into a folder of that name, so that PLAID/PLAID_TRAIN.ts and"
            " PLAID/PLAID_TEST.ts are there.",
        ),
        note=(
            "Three sets of the UEA and UCR archives, of 11, 9 and 4 classes. Any other one is read from its own folder:"
            " crosspath train series/folder --data uea_ucr/NAME."
        ),
    ),
)
