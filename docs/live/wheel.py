"""Wheels of what lies on the disk as pure Python: no compiler, no network, and the same bytes from the same files."""

import base64
import hashlib
import importlib.metadata
import zipfile
from pathlib import Path

COMPILED = (".so", ".pyd", ".dylib", ".dll")
LEFT_OUT = (*COMPILED, ".pyc", ".c", ".h", ".cu")  # what WebAssembly cannot run or compile
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the date of every file


def package_files(folder):
    """{path in the wheel: file} of a package's folder, without what is compiled or would be."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in LEFT_OUT)
    return {path.relative_to(folder.parent).as_posix(): path for path in files if "__pycache__" not in path.parts}


def installed_files(name):
    """{path in the wheel: file} of an installed distribution; {} where it is not installed, or compiled."""
    try:
        files = importlib.metadata.distribution(name).files or ()
    except importlib.metadata.PackageNotFoundError:
        return {}
    if any(file.suffix in COMPILED for file in files):
        return {}
    found = {file.as_posix(): Path(file.locate()) for file in files if ".." not in file.parts}
    return {
        path: file
        for path, file in sorted(found.items())
        if not path.endswith(LEFT_OUT) and ".dist-info/" not in path and file.is_file()
    }


def write_wheel(folder, name, version, files):
    """Write NAME-VERSION-py3-none-any.whl into a folder and return its name."""
    info = f"{name}-{version}.dist-info"
    contents = {path: file.read_bytes() for path, file in files.items()}
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: docs.live\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w") as archive:
        for path, data in contents.items():
            entry = zipfile.ZipInfo(path, LONG_AGO)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return wheel


def _digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
