"""The site builds strictly, its search finds pages, and no page is wider than a telephone. Needs Chromium."""

import functools
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = ("", "tutorial/", "two-folders/", "will-it-help/", "results/", "results/ablations/", "commands/", "layouts/")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OFFLINE = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.slow


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are not printed."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a fresh build, on this machine."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    build = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr[-3000:]
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OFFLINE))
        yield browser
        browser.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [("param_groups", "api/pathway/"), ("shrink", "results/ablations/"), ("spectrograms", "tutorial/")],
)
def test_search_finds_the_page(site: str, browser: Any, words: str, expected: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(site)
    page.locator("input.md-search__input").click()
    page.locator("input.md-search__input").press_sequentially(words, delay=50)
    page.locator("a.md-search-result__link").first.wait_for(state="attached", timeout=30_000)
    page.wait_for_timeout(1000)  # results of the whole word
    links = page.locator("a.md-search-result__link").evaluate_all("links => links.map(link => link.href)")
    page.close()
    assert any(expected in link for link in links)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1280, 400])
def test_a_page_fits_its_window(site: str, browser: Any, path: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(site + path)
    actual = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert actual <= width
