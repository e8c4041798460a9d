"""`make extension`: package the extension for the Chrome Web Store and addons.mozilla.org, into dist/.

The folder runs in both browsers as it is. A package differs from it in its manifest only: entries for the other
browser are left out, since each store complains about those.
"""

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "extension"
DIST = ROOT / "dist"

PACKAGED_SUFFIXES = frozenset({".js", ".css", ".html", ".json", ".png"})
# The model on the device, made from the released one.
DEVICE_MODEL = "device/model.bin"
# The drawing that the icons are made from.
EXCLUDED = frozenset({"icons/icon.svg"})
# The earliest time that a zip can hold: a package must not depend on when it was made.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def chrome_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest without the entries that only Firefox understands."""
    background = {key: value for key, value in manifest["background"].items() if key != "scripts"}
    entries = {key: value for key, value in manifest.items() if key != "browser_specific_settings"}
    return {**entries, "background": background}


def firefox_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest without the entries that only Chrome understands."""
    background = {key: value for key, value in manifest["background"].items() if key != "service_worker"}
    entries = {key: value for key, value in manifest.items() if key != "minimum_chrome_version"}
    return {**entries, "background": background}


def list_files(folder: Path = EXTENSION) -> Iterator[tuple[str, Path]]:
    """Yield the files to package with their names inside it, sorted; raise ValueError on an unexpected file."""
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in EXCLUDED or any(part.startswith(".") for part in Path(name).parts):
            continue
        if path.suffix not in PACKAGED_SUFFIXES and name != DEVICE_MODEL:
            raise ValueError(f"extension/{name} does not belong in a package")
        yield name, path


def write_package(target: Path, manifest: dict[str, Any], folder: Path = EXTENSION) -> None:
    """Write a package of the folder's files with this manifest: the same files give the same bytes on every machine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as package:
        for name, path in list_files(folder):
            content = path.read_bytes()
            if name == "manifest.json":
                content = (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
            entry = zipfile.ZipInfo(name, FIXED_TIME)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            # Not compressed: zlib's output differs between versions, and the stores compress it themselves.
            package.writestr(entry, content, zipfile.ZIP_STORED)


def write_all_packages(dist: Path = DIST) -> list[Path]:
    """Write both packages and return their paths; raise FileNotFoundError without the model on the device."""
    if not (EXTENSION / DEVICE_MODEL).is_file():
        raise FileNotFoundError(f"There is no extension/{DEVICE_MODEL}. Make it: tagalong-model export-device")
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    name = f"tagalong-{manifest['version']}"
    packages = {
        dist / f"{name}-chrome.zip": chrome_manifest(manifest),
        dist / f"{name}-firefox.xpi": firefox_manifest(manifest),
    }
    for target, own_manifest in packages.items():
        write_package(target, own_manifest)
    return list(packages)


def main() -> None:
    """Write both packages and print their paths and sizes."""
    try:
        packages = write_all_packages()
    except FileNotFoundError as error:
        sys.exit(str(error))
    for target in packages:
        print(f"{target.relative_to(ROOT)}  {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
