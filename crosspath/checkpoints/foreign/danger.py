"""Which of the names that a pickle looks up can run code, write files or reach the network.

The list serves to warn and is not a guard. The guard is torch's restricted unpickler (`weights_only=True`), which looks
up only names that it knows to be harmless.
"""

from crosspath.checkpoints.foreign.opcodes import Global

MODULES = frozenset(
    {
        *("__builtin__", "__main__", "_io", "_pickle", "_posixsubprocess", "_thread", "asyncio", "atexit", "bdb"),
        *("builtins", "cProfile", "cgitb", "code", "codeop", "commands", "cloudpickle", "concurrent", "ctypes"),
        *("dill", "distutils", "doctest", "ensurepip", "fileinput", "ftplib", "functools", "gc", "http"),
        *("idlelib", "imaplib", "imp", "importlib", "inspect", "io", "joblib", "jsonpickle", "lib2to3", "linecache"),
        *("logging", "marshal", "multiprocessing", "nt", "operator", "os", "pdb", "pickle", "pickletools", "pip"),
        *("pkg_resources", "pkgutil", "platform", "poplib", "posix", "profile", "pty", "pydoc", "requests", "runpy"),
        *("setuptools", "shelve", "shutil", "signal", "site", "smtplib", "socket", "socketserver", "sqlite3", "ssl"),
        *("subprocess", "sys", "tarfile", "tempfile", "test", "threading", "timeit", "trace", "types", "unittest"),
        *("urllib", "uuid", "venv", "webbrowser", "xmlrpc", "yaml", "zipapp", "zipfile", "zipimport"),
        *("numpy.distutils", "numpy.f2py", "numpy.testing", "pandas.io", "torch._dynamo", "torch._inductor"),
        *("torch.distributed", "torch.fx", "torch.hub", "torch.jit", "torch.multiprocessing", "torch.package"),
        *("torch.serialization", "torch.testing", "torch.utils.bundled_inputs", "torch.utils.collect_env"),
        *("torch.utils.cpp_extension", "torch.utils.model_zoo"),
    }
)
"""These, and what is below them."""
FUNCTIONS = frozenset(
    {
        *("numpy.fromfile", "numpy.load", "numpy.memmap", "numpy.save", "numpy.savetxt", "pandas.eval"),
        *("pandas.read_pickle", "torch.compile", "torch.load", "torch.save", "torch.storage._load_from_bytes"),
    }
)
HARMLESS = frozenset(
    {
        *(
            f"{module}.{name}"
            for module in ("builtins", "__builtin__")
            for name in ("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list")
        ),
        *(
            f"{module}.{name}"
            for module in ("builtins", "__builtin__")
            for name in ("object", "range", "set", "slice", "str", "tuple", "long", "unicode")
        ),
        *("functools.partial", "io.BytesIO", "types.SimpleNamespace", "uuid.UUID"),
    }
)
"""Of the modules above."""


def is_dangerous(name: Global) -> bool:
    """Whether calling this can do harm, or what it is shows only while loading.

    A name with dots walks through attributes: `posixpath.os.system` is `os.system`.
    """
    full_name = str(name)
    if full_name in HARMLESS:
        return False
    if full_name in FUNCTIONS or name.module.startswith(("a ", "an ")):
        return True
    parts = name.module.split(".")
    if any(".".join(parts[: count + 1]) in MODULES for count in range(len(parts))):
        return True
    attributes = name.name.split(".")
    return len(attributes) > 1 and any(part in MODULES or part[:1] == "_" or part[:1].islower() for part in attributes)
