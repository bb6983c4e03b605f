"""Sentences of a small grammar in four classes, for tests and first tries: what is asked for or said, about a thing.

The class is decided by the grammar of the sentence (a question, a wish, a statement, a denial), not by any one word:
things, places and times are drawn alike in all classes.
"""

import numpy as np

CLASSES = ("denial", "question", "statement", "wish")
FRAMES = {
    "denial": ("there is no {thing} {place}", "i have not seen the {thing} {time}", "nobody has {deed} the {thing}"),
    "question": ("is there a {thing} {place}", "have you seen the {thing} {time}", "who has {deed} the {thing}"),
    "statement": ("there is a {thing} {place}", "i have seen the {thing} {time}", "she has {deed} the {thing}"),
    "wish": (
        "if only there was a {thing} {place}",
        "i want to see the {thing} {time}",
        "i wish she had {deed} the {thing}",
    ),
}
WORDS = {
    "thing": ("red apple", "old clock", "letter", "blue bicycle", "small dog", "map", "green lamp", "heavy key"),
    "place": ("in the garden", "under the table", "behind the house", "on the roof", "at the station"),
    "time": ("today", "this morning", "since monday", "after the rain", "again"),
    "deed": ("found", "lost", "painted", "sold", "carried home"),
}


def sentences(per_class: int, seed: int) -> list[tuple[str, int]]:
    """(sentence, class number), `per_class` of each class in turn; the same for the same seed, whatever the number."""
    rng = np.random.default_rng(seed)
    result = []
    for number in range(per_class):
        for label, name in enumerate(CLASSES):
            frame = FRAMES[name][number % len(FRAMES[name])]
            words = {kind: values[rng.integers(len(values))] for kind, values in WORDS.items()}
            result.append((frame.format(**words), label))
    return result
