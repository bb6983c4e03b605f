"""Builds the wheel and the source distribution, and tries the wheel in a clean environment.

    python -m release.wheel [--full]

`--full` installs every dependency from the index (5 GB on Linux); otherwise they are lent by this environment, and
only the package itself comes from the wheel.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
TRIAL = """
import json
import crosspath
from crosspath.recipes import PRETRAINING, RECIPES
missing = [name for name in crosspath.__all__ if not hasattr(crosspath, name)]
recipes = {name: recipe().name for name, recipe in {**RECIPES, **PRETRAINING}.items()}
print(json.dumps({"file": crosspath.__file__, "missing": missing, "recipes": sorted(recipes)}))
"""


def main() -> None:
    """Build, look inside, install, run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="install the dependencies too")
    parser.add_argument("--out", type=Path, help="where to leave both files; default: nowhere")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        out = arguments.out or folder / "dist"
        wheel, sdist = build(out)
        check_wheel(wheel)
        check_sdist(sdist)
        command(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
        try_out(wheel, folder, arguments.full)
    print(f"{wheel.name} and {sdist.name} are complete, and the wheel runs")


def build(out: Path) -> tuple[Path, Path]:
    """The wheel, which is built from the source distribution, and the latter."""
    command(sys.executable, "-m", "build", "--outdir", str(out), str(REPOSITORY))
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def package_files() -> set[str]:
    """The package's files in the repository, relative to it."""
    names = command("git", "ls-files", "crosspath", folder=REPOSITORY).split()
    return {name for name in names if (REPOSITORY / name).is_file()}


def check_wheel(wheel: Path) -> None:
    """Every file of the package and nothing else, and metadata that say what it is."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        fields = HeaderParser().parsestr(archive.read(metadata).decode())
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    require(names == package_files(), f"files of the wheel: {sorted(names ^ package_files())}")
    require(bool(licences), "no licence in the wheel")
    facts = {name: fields[name] for name in ("Name", "License-Expression", "Requires-Python")}
    require(facts == {"Name": "crosspath", "License-Expression": "Apache-2.0", "Requires-Python": ">=3.11"}, str(facts))
    require("W_eff" in str(fields.get_payload()), "no README in the metadata")


def check_sdist(sdist: Path) -> None:
    """The package, its build file and its README; no tests, pages or studies."""
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
        names = {name.partition("/")[2] for name in archive.getnames()}
    others = tops - {"crosspath", "crosspath.egg-info"} - {name for name in tops if (REPOSITORY / name).is_file()}
    require(others <= {"PKG-INFO", "setup.cfg"}, f"in the source distribution: {sorted(others)}")
    require(package_files() <= names, f"not in the source distribution: {sorted(package_files() - names)}")


def try_out(wheel: Path, folder: Path, full: bool) -> None:
    """Install the wheel in a new environment; import it, list its recipes, train and merge a little."""
    environment = folder / "environment"
    command(sys.executable, "-m", "venv", str(environment))
    bin_folder = environment / ("Scripts" if os.name == "nt" else "bin")
    python = str(bin_folder / "python")
    if full:
        command(python, "-m", "pip", "install", "--quiet", str(wheel))
        command(python, "-m", "pip", "check")
    else:
        command(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
        site = command(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        # A path in a .pth file adds packages alone: the editable crosspath of this environment stays out.
        folders = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        (Path(site) / "lent.pth").write_text("\n".join(folders) + "\n", encoding="utf-8")
    trial: dict[str, Any] = json.loads(command(python, "-c", TRIAL, folder=folder))
    require(Path(trial["file"]).is_relative_to(environment), f"imported from {trial['file']}")
    require(not trial["missing"], f"names without an object: {trial['missing']}")
    require(len(trial["recipes"]) > 20, f"only {len(trial['recipes'])} recipes")
    crosspath = str(bin_folder / "crosspath")
    require("pretrain" in command(crosspath, "--help", folder=folder), "crosspath --help")
    short = ("--set", "train.epochs=1", "--set", "data.train_samples=32")
    run = ("train", "image/digits", *short, "--set", "model.size=micro")
    command(crosspath, *run, "--out", "plain", folder=folder)
    command(crosspath, *run, "--auxiliary", "other=plain", "--out", "connected", folder=folder)
    command(crosspath, "merge", "connected", "merged", folder=folder)
    metrics = [
        json.loads(command(crosspath, "evaluate", name, "--json", folder=folder)) for name in ("connected", "merged")
    ]
    require(metrics[0]["metrics"] == metrics[1]["metrics"], f"merged and connected differ: {metrics}")


def command(*words: str, folder: Path | None = None) -> str:
    """What a command prints. A failure ends the check with its message."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    print("  " + " ".join(Path(word).name if "/" in word else word for word in words)[:120], flush=True)
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=variables)
    require(result.returncode == 0, f"{' '.join(words)}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}")
    return result.stdout


def require(condition: bool, message: str) -> None:
    """End the check with the message unless the condition holds."""
    if not condition:
        sys.exit(f"wheel: {message}")


if __name__ == "__main__":
    main()
