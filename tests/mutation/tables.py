"""What is mutated and which tests answer for it; and the mutants that no test can catch, each with the reason."""

FILES: dict[str, tuple[str, ...]] = {
    "pathway/engines/combine.py": (
        "pathway/engines/test_combine.py",
        "pathway/test_contract.py",
        "pathway/test_with_pytorch.py",
    ),
    "pathway/engines/parametrization.py": (
        "pathway/anatomy/test_slots.py",
        "pathway/test_contract.py",
        "pathway/test_merge.py",
    ),
    "pathway/connect.py": ("pathway/test_connect.py", "pathway/test_contract.py"),
    "pathway/pairing/match.py": ("pathway/pairing/test_match.py", "pathway/test_groups.py", "pathway/test_connect.py"),
    "pathway/merge.py": ("pathway/test_merge.py", "pathway/test_contract.py"),
    "training/epochs.py": ("training/test_run.py", "training/test_resume.py"),
    "training/outcome.py": ("training/test_run.py", "training/test_resume.py"),
    "training/step.py": ("training/test_step.py",),
    "training/schedule.py": ("training/test_schedule.py",),
    "training/order.py": ("training/test_order.py",),
    "data/splits.py": ("data/test_splits.py", "data/test_few_shot.py"),
    "data/views/augment.py": ("data/views/test_augment.py",),
    "objectives/metrics.py": ("objectives/test_metrics.py",),
    "study/statistics.py": ("study/test_statistics.py",),
    "checkpoints/load.py": ("checkpoints/test_load.py",),
    "objectives/masking.py": ("objectives/test_masking.py",),
}
"""The central files, under `crosspath/`, and their tests, under `tests/`."""

SEEDS = range(4)
"""One mutant a seed and file: sixty in all."""

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "study/statistics.py",
        'raise ValueError("expected at least one pair of values, found none")',
        "pass",
    ): "`fmean` of nothing raises a ValueError, too",
    (
        "pathway/connect.py",
        "origins = [origin_of(plan, parts) for plan, parts in zip(plans, attachments, strict=True)]",
        "origins = [origin_of(plan, parts) for plan, parts in (zip(plans, attachments))]",
    ): "both lists are made from `plans`, so `strict` has nothing to refuse",
    (
        "data/views/augment.py",
        "channels = list(zip(data.mean, data.std, strict=True))",
        "channels = list((zip(data.mean, data.std)))",
    ): "the section has three of each, checked where it is read, so `strict` has nothing to refuse",
    (
        "objectives/metrics.py",
        "return float((largest_NC == labels_N[:, None]).any(dim=-1).double().mean())",
        "return float((largest_NC == labels_N[:, None]).any(dim=(1)).double().mean())",
    ): "of two dimensions, 1 is the last",
}
"""{(file, lines before, lines after): why the program behaves the same}."""
