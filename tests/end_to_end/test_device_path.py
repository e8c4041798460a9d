"""Tags with no service; then one is started and counting agreed to: from then on, what is counted is exact."""

from pathlib import Path

from playwright.sync_api import Playwright, expect

from tests.end_to_end.process import free_port, serving
from tests.end_to_end.test_whole_path import (
    DEBOUNCE_MS,
    Tally,
    assert_the_admin_sees,
    choose_tags,
    complete,
    post_question,
    write_question,
)
from tests.extension.browser import (
    ask_page,
    device_settings,
    eventually,
    launch,
    open_extension_page,
    store,
    stored,
)


def test_a_second_draft_is_counted_exactly_once_counting_is_agreed_to(
    playwright: Playwright, short_folder: Path
) -> None:
    data_dir, port = short_folder / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    with launch(playwright, short_folder / "profile") as context:
        store(context, settings=device_settings(server=address, debounce_ms=DEBOUNCE_MS))
        page, alone = ask_page(context), Tally()
        write_question(page, alone)
        choose_tags(page, alone)
        post_question(page)
        seen = len(alone.seen)
        assert eventually(lambda: stored(context, "tally")["posted"] == seen)
        with serving(data_dir, TAGALONG_PORT=port):
            options = open_extension_page(context, "options/options.html")
            options.locator("#counts").check()
            expect(options.locator("#consents-status")).to_have_class("good")
            install_id = stored(context, "settings")["install_id"]
            page, tally = ask_page(context, "?fresh"), Tally()
            write_question(page, tally)
            choose_tags(page, tally)
            post_question(page)
            assert eventually(lambda: complete(address, install_id), 60)
            assert_the_admin_sees(data_dir, address, install_id, tally)
        # The writer's own figures are of both drafts.
        assert stored(context, "tally")["viewed"] == seen + len(tally.seen)
