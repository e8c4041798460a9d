"""Check pages with axe-core: the rules of WCAG 2.2 A and AA, open shadow roots included."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
RUN = """
async (within) => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await axe.run({ include: [within] }, { runOnly: tags });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}
"""


def find_violations(page: Page, within: str = "html") -> list[str]:
    """Return the violations that axe finds within an element, one line each."""
    if not AXE.exists():
        pytest.fail("axe-core is not there; install what the tests need with: make browser", pytrace=False)
    if not page.evaluate("'axe' in window"):
        # Not as a <script>: the extension's pages allow only their own.
        page.evaluate(AXE.read_text())
    violations: list[str] = page.evaluate(RUN, within)
    return violations
