"""The report of a study (placeholder)."""


def write_study_report(*a: object) -> None: ...
