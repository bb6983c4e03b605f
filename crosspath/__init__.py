"""crosspath: make a network for one modality better with the weights of a network trained on another, unrelated one.

The public names resolve on first use, so that `import crosspath` loads no torch. `__init__.pyi` lists them with their
types.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    # The method.
    "match": "crosspath.pathway",
    "connect": "crosspath.pathway",
    "merge": "crosspath.pathway",
    "unmerge": "crosspath.pathway",
    "disconnect": "crosspath.pathway",
    "status": "crosspath.pathway",
    "pathways": "crosspath.pathway",
    "param_groups": "crosspath.pathway",
    "save_pathway": "crosspath.pathway",
    "load_pathway": "crosspath.pathway",
    "layout_named": "crosspath.pathway",
    "Layout": "crosspath.layouts",
    "Place": "crosspath.layouts",
    "MatchReport": "crosspath.pathway",
    "PathwayError": "crosspath.errors",
    "Pathways": "crosspath.pathway",
    "Receipt": "crosspath.pathway",
    "Status": "crosspath.pathway",
    # What the commands do not cover, for notebooks.
    "pretrain": "crosspath.training.run",
    "train": "crosspath.training.run",
    "train_folds": "crosspath.training.folds",
    "plan": "crosspath.training.plan",
    "evaluate": "crosspath.evaluation.evaluate",
    "predict": "crosspath.evaluation.predict",
    "write_features": "crosspath.evaluation.feature_files",
    "merge_checkpoint": "crosspath.checkpoints",
    "checkpoint_status": "crosspath.checkpoints",
    "load_checkpoint": "crosspath.checkpoints",
    "verify": "crosspath.checkpoints.sharing.certificate",
    "export": "crosspath.evaluation.export",
    "save_pretrained": "crosspath.checkpoints.sharing.hub",
    "load_pretrained": "crosspath.checkpoints.sharing.hub",
    "fit": "crosspath.study.race.race",
    "Fit": "crosspath.study.race.answer",
    "demo": "crosspath.study.demo",
    "compare": "crosspath.study.comparison",
    "baseline": "crosspath.evaluation.baseline",
    "rank": "crosspath.study.ranking.rank",
    "Ranking": "crosspath.study.ranking.ranking",
    "run_study": "crosspath.study.study",
    "ModalityModel": "crosspath.models",
    "build_model": "crosspath.models",
    "recipe_named": "crosspath.recipes",
    "InputError": "crosspath.errors",
    "Recipe": "crosspath.config",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
