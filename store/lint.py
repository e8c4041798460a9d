"""Lints the extension as Firefox gets it, with Mozilla's own linter; fails on any finding but the known ones."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from store.packages import EXTENSION, ROOT, for_firefox, pack

WEB_EXT = ROOT / "tests" / "extension" / "node_modules" / ".bin" / "web-ext"

# A content script cannot be a module, so one line imports the module that is; and Firefox resolves a relative
# address there against the web page, so the address must come from runtime.getURL, which the rule (made for
# addresses from outside) takes for unsafe. It cannot be silenced in the code, and a detour that only the linter
# does not see through would be no better.
KNOWN = {("UNSAFE_VAR_ASSIGNMENT", f"content/{loader}.js") for loader in ("ask-page-loader", "question-page-loader")}


def findings() -> list[dict[str, Any]]:
    """Errors, warnings and notices of addons-linter on the package for Firefox."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "tagalong.xpi"
        pack(package, for_firefox(json.loads((EXTENSION / "manifest.json").read_text())))
        # Node comes with the environment that runs this.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        command = [str(WEB_EXT), "lint", "--source-dir", str(package), "--output", "json", "--no-config-discovery"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise RuntimeError(f"web-ext lint gave no report: {done.stderr or done.stdout}") from None
    return [*report["errors"], *report["warnings"], *report["notices"]]


def main() -> None:
    """Print what was found that is not known; exit with 1 if there is anything."""
    unknown = [found for found in findings() if (found["code"], found.get("file")) not in KNOWN]
    for found in unknown:
        print(f"{found.get('file', 'manifest.json')}:{found.get('line', '')} {found['code']}: {found['message']}")
    sys.exit(1 if unknown else 0)


if __name__ == "__main__":
    main()
