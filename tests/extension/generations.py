"""The pages to write a question on, and what a person does on each: so that one test serves all of them."""

from dataclasses import dataclass

from playwright.sync_api import Locator, Page

from tests.extension.browser import ASK

EDIT_URL = "https://stackoverflow.com/posts/4711/edit"


@dataclass(frozen=True)
class Generation:
    """The address of a page, and the selectors of what a person uses on it."""

    name: str
    address: str
    title: str = "#title"
    editor: str | None = None
    tag_input: str = "#tageditor-replacing-tagnames--input"
    chosen_tag: str = "#tag-editor .s-tag.rendered-element"
    remove_button: str = ".js-delete-tag"
    error: str = "#form-message"
    kind: str = "ask"
    posted_url: str = "**/questions/79000001/**"
    initial_tags: tuple[str, ...] = ()
    review_button: str = ".js-begin-review-button"
    post_button: str = "#submit-button"

    def open(self, page: Page, query: str = "") -> None:
        """Open the page; ``query``, such as ``fresh&slowly=600``, sets its behaviour: see pages/page.js."""
        page.goto(f"{self.address}{'&' if '?' in self.address else '?'}{query}")

    def write(self, page: Page, title: str, body: str) -> None:
        """Write the question, up to where tags can be written."""
        if self.name == "svelte":
            page.locator("#editor-container-question .s-textarea").click()
        if self.name == "wizard":
            page.locator(".js-modal-primary-btn").click()
            page.locator(self.title).fill(title)
            self._go_to_next(page, "title")
        self.write_body(page, body)
        if self.name == "wizard":
            self._go_to_next(page, "problem-details")
            self._go_to_next(page, "problem-results")
        else:
            # Last: nothing is asked before there is a title, so that there is one answer.
            page.locator(self.title).fill(title)

    def write_body(self, page: Page, text: str) -> None:
        """Append a text to the body."""
        if self.editor is None:
            page.locator("#wmd-input").focus()
        else:
            page.locator(f"{self.editor} .js-editor").focus()
            # The editor moves the caret a moment after it gets the focus.
            page.wait_for_timeout(80)
        page.keyboard.press("Control+End")
        page.keyboard.insert_text(text)

    def switch_mode(self, page: Page, mode: str) -> None:
        """Switch the Stacks editor to "rich" or "markdown"."""
        number = {"rich": "0", "markdown": "1"}[mode]
        # A person clicks its label: the radio button itself is invisible.
        toggle = page.locator(f"{self.editor} .js-editor-toggle-btn[data-mode='{number}']")
        toggle.evaluate("(button) => button.click()")

    def chosen_tags(self, page: Page) -> Locator:
        """Return the tags that the page itself shows as chosen."""
        return page.locator(self.chosen_tag)

    def type_tag(self, page: Page, tag: str) -> None:
        """Type a tag, with the space that ends it."""
        page.locator(self.tag_input).press_sequentially(f"{tag} ")

    def remove_tag(self, page: Page, tag: str) -> None:
        """Click the page's button that removes a chosen tag."""
        self.chosen_tags(page).filter(has_text=tag).first.locator(self.remove_button).click()

    def review(self, page: Page) -> None:
        """Do what the page wants before it shows the button that posts."""
        if self.name == "wizard":
            self._go_to_next(page, "tags")
            page.locator(".js-review-question-button").click()
        elif self.kind == "ask":
            page.locator(self.review_button).click()

    def post(self, page: Page) -> None:
        """Click the button that posts."""
        page.locator(self.post_button).click()

    @staticmethod
    def _go_to_next(page: Page, step: str) -> None:
        page.locator(f".js-next-{step}").click()


CLASSIC = Generation("classic", ASK, error="#js-tagnames-validation-message")
WIZARD = Generation("wizard", f"{ASK}?page=wizard", editor="#problem-details")
SVELTE = Generation(
    "svelte",
    f"{ASK}?page=svelte",
    title="#post-title-input",
    editor="#editor-container-question",
    tag_input="#filterInput",
    chosen_tag="#text-input-container .s-tag",
    remove_button=".s-tag--dismiss",
    error=".js-form-message",
    # It becomes the one that posts. Found by its place, so that it works on a translated page.
    review_button="#question-form .s-btn__filled",
    post_button="#question-form .s-btn__filled",
)
EDIT = Generation(
    "edit",
    EDIT_URL,
    editor=".js-stacks-editor-container",
    kind="edit",
    posted_url="**/questions/4711/**",
    initial_tags=("html",),
    post_button="#submit-button-4711",
)
GENERATIONS = (CLASSIC, WIZARD, SVELTE, EDIT)


def get_name(generation: Generation) -> str:
    """Return the name, as an id of a test's parameter."""
    return generation.name
