"""Published sets of texts."""

from crosspath.catalogue.published_set import Archive, Piece, PublishedSet

TEXT = (
    PublishedSet(
        name="banking77",
        modality="text",
        datasets=("banking77",),
        classes=77,
        samples={"train": 10_003, "test": 3_080},
        licence="CC BY 4.0",
        terms="https://github.com/PolyAI-LDN/task-specific-datasets/blob/master/LICENSE",
        tree=(
            Piece("train.csv", "one row for each question: text, category"),
            Piece("test.csv", "the same"),
        ),
        marks={"train.csv": "card_arrival"},
        archives=(
            Archive(
                address="https://github.com/PolyAI-LDN/task-specific-datasets/archive/refs/heads/master.zip",
                name="task-specific-datasets.zip",
            ),
        ),
        note="Questions to a bank and their intents (Casanueva et al. 2020); validation is held out of train.csv.",
    ),
)
