"""A comparison: a study of one target, asked for by its options rather than by a file."""

from collections.abc import Mapping
from pathlib import Path

from crosspath.config import Settings, setting_texts
from crosspath.config.starts import require_one_start
from crosspath.deprecated import older_keywords
from crosspath.errors import InputError
from crosspath.pathway.arguments import NAME_IN_WORDS, is_name
from crosspath.starts import PLACES, SETTING, start_named
from crosspath.study.arms import MASKED, NONE, PATHWAY, arms_named
from crosspath.study.definition import study_from
from crosspath.study.pools import end_importing_worker
from crosspath.study.results import StudyResults
from crosspath.study.study import run_study


@older_keywords(data_root="data", from_checkpoint="start_from")
def compare(
    recipe: str | Path,
    *,
    auxiliaries: Mapping[str, str | Path],
    out: str | Path | None = None,
    data: str | Path | None = None,
    start_from: str | Path | None = None,
    pretrained: str | Path | None = None,
    arms: tuple[str, ...] = ("none", "pathway", "random"),
    seeds: int = 5,
    rates: tuple[float, ...] = (),
    search_seeds: int | None = None,
    widenings: int | None = None,
    settings: Settings = (),
    starts: tuple[str, ...] = (),
    workers: int = 1,
    threads: int = 1,
    command: str | None = None,
    progress: bool = True,
) -> StudyResults:
    """Compare the arms on one target: equal budget, equal search of the learning rate, test part read once per run.

    A comparison is a study of one target: see `run_study` for the other parameters, the result and the errors. In a
    script the call stands below `if __name__ == "__main__":`, since every worker imports the script.

    Parameters
    ----------
    recipe
        The target: a shipped recipe, or a recipe file.
    auxiliaries
        {name: checkpoint, `timm:MODEL` or `hf:OWNER/MODEL`}.
    start_from
        The target's own starting weights, for every arm.
    pretrained
        Starting weights of the arm `masked-modelling` alone: a run of `crosspath pretrain` on the target's own data.
    rates
        Learning rates to search, and no others; default: half, once and twice the recipe's own, and further ones while
        the best of an arm is at the edge.
    search_seeds
        Trials of each rate; default: 3, and 1 where `rates` are given.
    widenings
        Further rates of an arm, at most; default: 6.
    settings
        For every arm: {"section.field": value}, or texts `section.field=value`.
    starts
        Ways to start a pathway, by name (`crosspath.starts`): each is a comparison of its own, with one `none`. A
        setting of a start that `settings` holds too replaces that of every start.
    """
    end_importing_worker()
    options = {"rates": rates or None, "seeds": search_seeds, "widenings": widenings}
    search = {name: value for name, value in options.items() if value is not None}
    for option, number, least in (
        ("--seeds", seeds, 1),
        ("--search-seeds", search_seeds, 1),
        ("--widenings", widenings, 0),
    ):
        if number is not None and number < least:
            raise InputError(option, f"{least} or more", str(number), "raise it")
    if rates and widenings is not None:
        expected = "none beside --rates, which are not widened"
        raise InputError("--widenings", expected, str(widenings), "leave one of them out")
    selection = [arm for arm in arms_named(tuple(arms)) if arm is not NONE]
    if not selection:
        raise InputError("--arms", f"an arm to compare with {NONE.name}", "none", f"add {PATHWAY.name}")
    if pretrained is None and any(arm.needs == "pretraining" for arm in selection):
        expected = "for the arm masked-modelling, a run of `crosspath pretrain` on the target's own data"
        raise InputError("--pretrained", expected, "none", "add it, or leave the arm out")
    if pretrained is not None and all(arm.needs != "pretraining" for arm in selection):
        todo = f"add {MASKED.name}, or leave --pretrained out"
        raise InputError("--arms", f"{MASKED.name}, beside --pretrained", ",".join(arms), todo)
    needy = [arm.name for arm in selection if not arm.is_alone]
    if needy and not auxiliaries:
        expected = f"an auxiliary for the arm{'' if len(needy) == 1 else 's'} {', '.join(needy)}"
        raise InputError("--auxiliary", expected, "none", "add one, such as --auxiliary audio=runs/esc10")
    for name in auxiliaries:
        if not is_name(name):
            raise InputError("--auxiliary", NAME_IN_WORDS, repr(name), "choose another name")
    for name in starts:
        start_named(name, "--start")
    texts = setting_texts(settings)
    require_one_start(", ".join(starts) or None, texts)
    start_settings = tuple(setting for setting in texts if setting.partition("=")[0].strip() in PLACES.values())
    study = study_from(
        {
            "name": f"compare-{str(recipe).replace('/', '-')}",
            "targets": {str(recipe): {"from": start_from, "pretrained": pretrained, "settings": texts}},
            "auxiliaries": {name: str(checkpoint) for name, checkpoint in auxiliaries.items()},
            "arms": arms,
            "seeds": seeds,
            "search": search,
            "variants": {name: (f"{SETTING}={name}", *start_settings) for name in starts} or {"": ()},
        },
        "compare",
    )
    return run_study(study, out=out, data=data, workers=workers, threads=threads, command=command, progress=progress)
