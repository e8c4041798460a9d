"""Lint the extension as Firefox gets it, with Mozilla's own linter; fail on any finding but the known ones."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from store.packages import EXTENSION, ROOT, firefox_manifest, write_package

WEB_EXT = ROOT / "tests" / "extension" / "node_modules" / ".bin" / "web-ext"

# A content script cannot be a module, so one line imports the module that is. Firefox resolves a relative address
# there against the web page, so the address must come from runtime.getURL, which the rule (made for addresses from
# outside) takes for unsafe. It cannot be silenced in the code, and hiding the import from the linter would be worse.
KNOWN_FINDINGS = {
    ("UNSAFE_VAR_ASSIGNMENT", f"content/{loader}.js") for loader in ("ask-page-loader", "question-page-loader")
}


def find_problems() -> list[dict[str, Any]]:
    """Return the errors, warnings and notices of addons-linter on the package for Firefox."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "tagalong.xpi"
        write_package(package, firefox_manifest(json.loads((EXTENSION / "manifest.json").read_text())))
        # Node comes with the environment that runs this.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        command = [str(WEB_EXT), "lint", "--source-dir", str(package), "--output", "json", "--no-config-discovery"]
        result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)
    try:
        report = json.loads(result.stdout)
    except json.JSONDecodeError:
        raise RuntimeError(f"web-ext lint gave no report: {result.stderr or result.stdout}") from None
    return [*report["errors"], *report["warnings"], *report["notices"]]


def main() -> None:
    """Print every finding that is not known; exit with 1 if there is one."""
    problems = [problem for problem in find_problems() if (problem["code"], problem.get("file")) not in KNOWN_FINDINGS]
    for problem in problems:
        place = f"{problem.get('file', 'manifest.json')}:{problem.get('line', '')}"
        print(f"{place} {problem['code']}: {problem['message']}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
