"""Unpacks the parts of a wheel that the addon needs, each checked against the wheel's RECORD.

usage: unpack.py WHEEL DESTINATION [--cuda | --toolkit]

With --cuda the CUDA half of libtorch and all of NVIDIA's libraries are kept as well, with --toolkit NVIDIA's compiler and its headers alone.

Prints one line of JSON: the number of files and bytes that were written.
"""
import base64
import csv
import fnmatch
import hashlib
import io
import json
import os
import sys
import zipfile

KEEP = (
    "torch/include/*", "torch/lib/*", "torch.libs/*", "torch/version.py",
    "nvidia/*/lib/libcudart.so.*", "nvidia/*/lib/libcupti.so.*", "*.dist-info/*",
)
# The addon links the CPU half alone. libtorch.so and libtorch_global_deps.so ask for the CUDA half in a CUDA build.
DROP = (
    "torch/lib/*cuda*", "torch/lib/*python*", "torch/lib/*shm*", "torch/lib/*nvrtc*",
    "torch/lib/libtorch.*", "torch/lib/torch.*", "torch/lib/*global_deps*",
)
CUDA_KEEP = KEEP + ("nvidia/*/lib/*.so*",)
# libtorch_cuda.so asks for libtorch_nvshmem.so: of the names with shm only libshm is Python's.
CUDA_DROP = ("torch/lib/*python*", "torch/lib/libshm*")
HALVES = {"--cpu": (KEEP, DROP), "--cuda": (CUDA_KEEP, CUDA_DROP), "--toolkit": (("nvidia/cu13/*", "*.dist-info/*"), ())}


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def main(wheel, destination, half="--cpu"):
    keep, drop = HALVES[half]
    destination = os.path.realpath(destination)
    with zipfile.ZipFile(wheel) as archive:
        record_name = next((name for name in archive.namelist() if name.endswith(".dist-info/RECORD")), None)
        if record_name is None:
            sys.exit("corrupt: %s has no RECORD" % os.path.basename(wheel))
        rows = csv.reader(io.StringIO(archive.read(record_name).decode("utf-8")))
        record = {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}
        files = total = 0
        for entry in archive.infolist():
            name = entry.filename
            if entry.is_dir() or not matches(name, keep) or matches(name, drop):
                continue
            path = os.path.realpath(os.path.join(destination, name))
            if not path.startswith(destination + os.sep):
                sys.exit("corrupt: %s leaves the destination" % name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            digest, size = hashlib.sha256(), 0
            with archive.open(entry) as source, open(path, "wb") as target:
                for block in iter(lambda: source.read(1 << 20), b""):
                    digest.update(block)
                    size += len(block)
                    target.write(block)
            # Programs stay what they are.
            if entry.external_attr >> 16 & 0o111:
                os.chmod(path, 0o755)
            if name != record_name:
                expected = "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
                if record.get(name) != (expected, str(size)):
                    sys.exit("corrupt: %s differs from the wheel's RECORD" % name)
            files += 1
            total += size
    print(json.dumps({"files": files, "bytes": total}))


try:
    main(*sys.argv[1:])
except (zipfile.BadZipFile, EOFError) as error:
    sys.exit("corrupt: %s" % error)
