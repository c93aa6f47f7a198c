"""The test browser renders pages, runs their scripts and starts without cookies."""

from playwright.sync_api import BrowserContext


def test_a_page_is_rendered_and_its_scripts_run(browser: BrowserContext) -> None:
    page = browser.new_page()
    page.set_content("<button onclick=\"this.textContent = 'pressed'\">press</button>")
    page.get_by_role("button").click()
    assert page.get_by_role("button").inner_text() == "pressed"
    assert page.get_by_role("button").bounding_box() is not None
    assert browser.cookies() == []
