"""`make extension`: packs the extension for the Chrome Web Store and for addons.mozilla.org, into dist/.

The folder runs in both browsers as it is. A package differs from it in its manifest only: what the other browser
alone understands is left out, since each store complains of the other's entries.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "extension"
DIST = ROOT / "dist"

SHIPPED = frozenset({".js", ".css", ".html", ".json", ".png"})
# The drawing that the icons are made from.
LEFT_OUT = frozenset({"icons/icon.svg"})
# The earliest time that a zip can hold: a package must not tell when it was made.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def for_chrome(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest without what only Firefox understands."""
    background = {key: value for key, value in manifest["background"].items() if key != "scripts"}
    ours = {key: value for key, value in manifest.items() if key != "browser_specific_settings"}
    return {**ours, "background": background}


def for_firefox(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest without what only Chrome understands."""
    background = {key: value for key, value in manifest["background"].items() if key != "service_worker"}
    ours = {key: value for key, value in manifest.items() if key != "minimum_chrome_version"}
    return {**ours, "background": background}


def files(folder: Path = EXTENSION) -> Iterator[tuple[str, Path]]:
    """What ships, by name inside the package, in order; raises ValueError on a file that does not belong there."""
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in LEFT_OUT or any(part.startswith(".") for part in Path(name).parts):
            continue
        if path.suffix not in SHIPPED:
            raise ValueError(f"extension/{name} does not belong into a package")
        yield name, path


def pack(target: Path, manifest: dict[str, Any], folder: Path = EXTENSION) -> None:
    """Write a package: the folder's files, with this manifest. The same files give the same bytes on every machine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as package:
        for name, path in files(folder):
            content = path.read_bytes()
            if name == "manifest.json":
                content = (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
            entry = zipfile.ZipInfo(name, NO_TIME)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            # Not compressed: zlib's output differs from version to version, and the stores compress anew.
            package.writestr(entry, content, zipfile.ZIP_STORED)


def pack_all(dist: Path = DIST) -> list[Path]:
    """Write both packages; return where they are."""
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    name = f"tagalong-{manifest['version']}"
    packages = {dist / f"{name}-chrome.zip": for_chrome(manifest), dist / f"{name}-firefox.xpi": for_firefox(manifest)}
    for target, own in packages.items():
        pack(target, own)
    return list(packages)


def main() -> None:
    """Write both packages and say where."""
    for target in pack_all():
        print(f"{target.relative_to(ROOT)}  {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
