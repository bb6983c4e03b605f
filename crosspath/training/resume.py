"""Where a run begins: at the newest whole state of its folder, or afresh."""

from pathlib import Path

from crosspath.errors import InputError
from crosspath.files import check_manifest
from crosspath.training.processes import Processes
from crosspath.training.progress import Listener
from crosspath.training.run_folder import RunFolder
from crosspath.training.state import Resumed, read_state


def taken_up(run: RunFolder, report: Listener, processes: Processes) -> Resumed | None:
    """The newest whole state of an unfinished run, the folder brought back to it; else None and a fresh folder.

    The main process chooses; the others read what it chose, from storage that all share.

    Raises
    ------
    InputError
        Where there are states and none can be read: starting over would remove them.
    """
    read: list[Resumed] = []

    def choose() -> Path | None:
        found = _newest(run, report)
        if found is None:
            return None
        read.append(found[1])
        return found[0]

    chosen = processes.decided(choose)
    if chosen is None:
        return None
    return read[0] if read else read_state(chosen)


def _newest(run: RunFolder, report: Listener) -> tuple[Path, Resumed] | None:
    states = run.states()
    for folder in states:
        try:
            check_manifest(folder)
            state = read_state(folder)
        except InputError as error:
            report.say(f"{error.where}: damaged ({error.found}); the state before it is taken")
            continue
        position = state[0]
        run.go_on_from(folder, position.step, position.log_bytes)
        report.say(f"{run.path}: goes on after step {position.step}")
        return folder, state
    if states:
        todo = f"restore it, or choose another --out: starting over would remove {len(states)} checkpoints"
        raise InputError(states[0], "a state that can be read", "none in this run", todo)
    if run.started:
        report.say(f"{run.path}: no complete state to resume from: the run starts over")
    run.start()
    return None
