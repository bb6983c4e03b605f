"""Where a run begins: at the newest complete state of its folder, or at the start."""

from pathlib import Path

from crosspath.counts import quantity
from crosspath.errors import InputError
from crosspath.files import check_manifest
from crosspath.training.processes import Processes
from crosspath.training.progress import Listener
from crosspath.training.run_folder import RunFolder
from crosspath.training.state import SavedState, read_state


def load_newest_state(run: RunFolder, report: Listener, processes: Processes) -> SavedState | None:
    """The newest complete state of an unfinished run, its folder rewound to it; else None, and a new folder.

    The main process decides; the others read the same state, from storage that all share.

    Raises
    ------
    InputError
        Where there are states and none can be read: starting over would remove them.
    """
    states: list[SavedState] = []

    def choose() -> Path | None:
        newest = _newest(run, report)
        if newest is None:
            return None
        states.append(newest[1])
        return newest[0]

    folder = processes.run_on_main(choose)
    if folder is None:
        return None
    return states[0] if states else read_state(folder)


def _newest(run: RunFolder, report: Listener) -> tuple[Path, SavedState] | None:
    states = run.states()
    for folder in states:
        try:
            check_manifest(folder)
            state = read_state(folder)
        except InputError as error:
            report.say(f"{error.where}: damaged ({error.found}); trying the state before it")
            continue
        position = state[0]
        run.rewind_to(position.step, position.log_bytes)
        report.say(f"{run.path}: resumes after step {position.step}")
        return folder, state
    if states:
        todo = f"restore it, or choose another --out: starting over would remove {quantity(len(states), 'checkpoint')}"
        raise InputError(states[0], "a state that can be read", "none in this run", todo)
    if run.has_begun:
        report.say(f"{run.path}: no complete state to resume from: the run starts over")
    run.start()
    return None
