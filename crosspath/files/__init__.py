"""The one file layer: safetensors and JSON, complete or absent; digests and manifests; pickles refused."""

from crosspath.files.atomic import (
    flush,
    is_file,
    name_behind,
    new_folder,
    replacing,
    replacing_files,
    sweep,
    write_text,
    writing,
)
from crosspath.files.manifests import (
    MANIFEST,
    check_beside_manifest,
    check_manifest,
    remove_complete,
    sha256_of_file,
    write_manifest,
)
from crosspath.files.plain_data import FORMAT_VERSION, as_kind, finite, is_finite, read_json, read_json_as, write_json
from crosspath.files.tensors import (
    SAFETENSORS,
    read_safetensors,
    read_tensors,
    sha256_of_tensors,
    tensor_faults,
    write_tensors,
)

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "SAFETENSORS",
    "as_kind",
    "check_beside_manifest",
    "check_manifest",
    "finite",
    "flush",
    "is_file",
    "is_finite",
    "name_behind",
    "new_folder",
    "read_json",
    "read_json_as",
    "read_safetensors",
    "read_tensors",
    "remove_complete",
    "replacing",
    "replacing_files",
    "sha256_of_file",
    "sha256_of_tensors",
    "sweep",
    "tensor_faults",
    "write_json",
    "write_manifest",
    "write_tensors",
    "write_text",
    "writing",
]
