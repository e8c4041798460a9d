"""The pages to write a question on, each with the hands for it: one test text serves all of them."""

from dataclasses import dataclass

from playwright.sync_api import Locator, Page

from tests.extension.browser import ASK

EDIT = "https://stackoverflow.com/posts/4711/edit"


@dataclass(frozen=True)
class Generation:
    """Where a page is, and by which selectors a person's hands find their way on it."""

    name: str
    address: str
    title: str = "#title"
    editor: str | None = None
    tag_input: str = "#tageditor-replacing-tagnames--input"
    chosen: str = "#tag-editor .s-tag.rendered-element"
    delete: str = ".js-delete-tag"
    error: str = "#form-message"
    kind: str = "ask"
    posted_at: str = "**/questions/79000001/**"
    had_tags: tuple[str, ...] = ()
    review_button: str = ".js-begin-review-button"
    post_button: str = "#submit-button"

    def open(self, page: Page, query: str = "") -> None:
        """Goes there; ``query``, such as ``fresh&slowly=600``, says how the page is to behave."""
        page.goto(f"{self.address}{'&' if '?' in self.address else '?'}{query}")

    def write(self, page: Page, title: str, body: str) -> None:
        """Writes the question, up to where the tags can be written."""
        if self.name == "svelte":
            page.locator("#editor-container-question .s-textarea").click()
        if self.name == "wizard":
            page.locator(".js-modal-primary-btn").click()
            page.locator(self.title).fill(title)
            self._next(page, "title")
        self.write_body(page, body)
        if self.name == "wizard":
            self._next(page, "problem-details")
            self._next(page, "problem-results")
        else:
            # Last: nothing is asked before there is a title, so that there is one answer.
            page.locator(self.title).fill(title)

    def write_body(self, page: Page, text: str) -> None:
        """Puts the text in at the body's end."""
        if self.editor is None:
            page.locator("#wmd-input").focus()
        else:
            page.locator(f"{self.editor} .js-editor").focus()
            # The editor takes the caret up a moment after the focus.
            page.wait_for_timeout(80)
        page.keyboard.press("Control+End")
        page.keyboard.insert_text(text)

    def switch_mode(self, page: Page, mode: str) -> None:
        """Turns a Stacks editor to "rich" or "markdown"."""
        number = {"rich": "0", "markdown": "1"}[mode]
        # As a person at the label does: the radio button itself is out of sight.
        toggle = page.locator(f"{self.editor} .js-editor-toggle-btn[data-mode='{number}']")
        toggle.evaluate("(button) => button.click()")

    def chosen_tags(self, page: Page) -> Locator:
        """The tags that the page itself shows as chosen."""
        return page.locator(self.chosen)

    def type_tag(self, page: Page, tag: str) -> None:
        """Types a tag by hand, with the space that ends it."""
        page.locator(self.tag_input).press_sequentially(f"{tag} ")

    def take_out(self, page: Page, tag: str) -> None:
        """Clicks on the chosen tag's own delete."""
        self.chosen_tags(page).filter(has_text=tag).first.locator(self.delete).click()

    def review(self, page: Page) -> None:
        """Does what the page wants before its button to post is there."""
        if self.name == "wizard":
            self._next(page, "tags")
            page.locator(".js-review-question-button").click()
        elif self.kind == "ask":
            page.locator(self.review_button).click()

    def post(self, page: Page) -> None:
        """Presses the button that posts."""
        page.locator(self.post_button).click()

    @staticmethod
    def _next(page: Page, step: str) -> None:
        page.locator(f".js-next-{step}").click()


CLASSIC = Generation("classic", ASK, error="#js-tagnames-validation-message")
WIZARD = Generation("wizard", f"{ASK}?page=wizard", editor="#problem-details")
SVELTE = Generation(
    "svelte",
    f"{ASK}?page=svelte",
    title="#post-title-input",
    editor="#editor-container-question",
    tag_input="#filterInput",
    chosen="#text-input-container .s-tag",
    delete=".s-tag--dismiss",
    error=".js-form-message",
    # It becomes the one that posts: whoever reads the page in translation finds it by its place.
    review_button="#question-form .s-btn__filled",
    post_button="#question-form .s-btn__filled",
)
EDITING = Generation(
    "edit",
    EDIT,
    editor=".js-stacks-editor-container",
    kind="edit",
    posted_at="**/questions/4711/**",
    had_tags=("html",),
    post_button="#submit-button-4711",
)
ALL = (CLASSIC, WIZARD, SVELTE, EDITING)
