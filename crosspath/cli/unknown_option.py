"""Where an option that no verb has points to: the option of another name, or the setting that `--set` takes."""

from difflib import get_close_matches

from cyclopts.exceptions import UnknownOptionError

SYNONYMS = {
    "learning-rate": "--lr",
    "rate": "--lr",
    "epoch": "--epochs",
    "num-epochs": "--epochs",
    "batch": "--batch-size",
    "bs": "--batch-size",
    "labels-per-class": "--labels",
    "shots": "--labels",
    "output": "--out",
    "output-dir": "--out",
    "pretrained": "--from",
    "init": "--from",
    "aux": "--auxiliary",
    "config": "--set",
}
"""{what other programs call it: our option}."""
POSITIONS = {"model": "checkpoint", "run": "checkpoint", "files": "file", "input": "file"}
"""{what other programs call it: an argument of ours that is written without an option}."""
REASONS = {
    ("try", "lr"): "a race searches the learning rate itself, at half, once and twice optimizer.lr; "
    "--set optimizer.lr=VALUE moves the middle",
    ("try", "epochs"): "the budget decides how long the runs of a race train; give it as --budget 20m",
    ("try", "seeds"): "a race takes as many as its test part asks for and the budget has time for; raise --budget",
}
"""{(verb, option of others): why this verb has none}."""
MOST_SETTINGS = 3
CLOSE = 0.8


def unknown_option_message(error: UnknownOptionError) -> str:
    """One line with what was meant, if this verb has it; else the line of the parser itself."""
    keyword = (error.token.keyword or error.token.value).partition("=")[0]
    options = dict.fromkeys(name for argument in error.argument_collection if argument.parse for name in argument.names)
    word = keyword.lstrip("-").replace("_", "-").lower()
    option = SYNONYMS.get(word)
    places = [name for name in options if not name.startswith("-")]
    place = POSITIONS.get(word, word).upper()
    if place in places:
        verb = " ".join(error.command_chain or ())
        return f"Unknown option: {keyword}. {place} is written without an option: crosspath {verb} {' '.join(places)}"
    if option in options:
        return f"Unknown option: {keyword}. Did you mean {option}?"
    reason = REASONS.get(((error.command_chain or ("",))[-1], (option or word).lstrip("-")))
    if reason is not None:
        return f"Unknown option: {keyword}: {reason}"
    if "--set" in options and not get_close_matches(keyword, options, n=1, cutoff=CLOSE):
        settings = _settings_named(word.replace("-", "_"))
        if settings:
            ways = " or ".join(f"--set {setting}=VALUE" for setting in settings[:MOST_SETTINGS])
            return f"Unknown option: {keyword}. Did you mean {ways}?"
    return str(error)


def _settings_named(word: str) -> list[str]:
    """The dotted settings of the shipped recipes whose last part is this word, or else one that is close to it."""
    from crosspath.config.trees import settings_in
    from crosspath.recipes import RECIPES

    names = sorted({name for make in RECIPES.values() for name, _ in settings_in(make().model_dump(mode="json"))})
    fields = {name.rpartition(".")[2] for name in names}
    best = word if word in fields else next(iter(get_close_matches(word, fields, n=1, cutoff=CLOSE)), None)
    return [name for name in names if name.rpartition(".")[2] == best]
