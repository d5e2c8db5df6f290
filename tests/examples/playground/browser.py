# SPDX-License-Identifier: MIT
"""Chromium without a window, driven by its own chromedriver. Waits for what should come, and never for a time."""

from __future__ import annotations

import base64
import functools
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from harness import PATIENCE_S, eventually

WIDE = (1360, 1000)
PHONE = (390, 844)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


class Files:
    """A web server that knows nothing but files, as any host of static files."""

    def __init__(self, folder: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Files:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()


class Browser:
    def __enter__(self) -> Browser:
        options = webdriver.ChromeOptions()
        for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
            options.add_argument(f"--{option}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self._driver.command_executor.set_timeout(PATIENCE_S)
        self._driver.set_page_load_timeout(PATIENCE_S)
        return self

    def __exit__(self, *_) -> None:
        self._driver.quit()

    # --- the page ---

    def begin(self, address: str, size: tuple[int, int] = WIDE) -> None:
        """Opens the page anew, as somebody sees it who comes for the first time."""
        self._driver.get("about:blank")
        self.complaints(), self.asked()
        self.resize(size)
        self.choose_colours("light")
        self.open(address)

    def open(self, address: str) -> None:
        self._driver.get(address)
        self.wait_for("document.documentElement.hasAttribute('data-ready')", "the page to begin")

    def reload_at(self, fragment: str) -> None:
        """Opens the page at another link, as if from outside."""
        address = self._driver.current_url.split("#")[0]
        self._driver.get("about:blank")
        self.open(f"{address}#{fragment}")

    @property
    def address(self) -> str:
        return self._driver.current_url

    @property
    def fragment(self) -> str:
        return self.address.partition("#")[2]

    def resize(self, size: tuple[int, int]) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def choose_colours(self, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, file: Path, *, whole: bool = False) -> None:
        self._driver.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
        shot = self._driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole})
        file.write_bytes(base64.b64decode(shot["data"]))

    # --- what is there ---

    def run(self, script: str, *arguments):
        return self._driver.execute_script(script, *arguments)

    def wait_for(self, condition: str, what: str) -> None:
        eventually(lambda: self.run(f"return Boolean({condition})"), what)

    def find(self, selector: str) -> WebElement:
        return self._driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The text of all elements that fit, a line each."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent.trim()).join('\\n')",
            selector,
        )

    def wait_for_text(self, selector: str, text: str) -> None:
        try:
            eventually(lambda: text in self.text(selector), f"{text!r} in {selector}")
        except AssertionError as error:
            raise AssertionError(f"{error}; there is {self.text(selector)!r}") from None

    def complaints(self) -> list[str]:
        """What was written to the console as a warning or an error since the last question."""
        return [
            entry["message"] for entry in self._driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")
        ]

    def asked(self) -> list[str]:
        """The addresses that were asked for since the last question."""
        events = (json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance"))
        urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if url != "about:blank"]

    # --- what a user does ---

    def drag(self, element: WebElement, begin: tuple[int, int], end: tuple[int, int]) -> None:
        """By the pointer, between two points that are counted from the corner of the element."""
        width, height = element.size["width"], element.size["height"]
        ActionChains(self._driver).move_to_element_with_offset(
            element, begin[0] - width // 2, begin[1] - height // 2
        ).click_and_hold().move_by_offset(end[0] - begin[0], end[1] - begin[1]).release().perform()

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self.find(selector).click()

    def type(self, selector: str, text: str) -> None:
        """In place of what is there."""
        self.find(selector).send_keys(Keys.CONTROL, "a")
        self.find(selector).send_keys(text or Keys.DELETE)

    def choose(self, selector: str, value: str) -> None:
        self.find(f"{selector} option[value='{value}']").click()

    def press(self, *keys: str) -> None:
        """Keys, wherever the focus is."""
        try:
            for key in keys:
                self._driver.switch_to.active_element.send_keys(key)
        except StaleElementReferenceException:
            raise AssertionError("the element in focus went away") from None

    def focused(self) -> str:
        return self.run("const at = document.activeElement; return at.id || at.ariaLabel || at.tagName")


def totals(page: Browser) -> dict[str, list[str]]:
    """The cells of each row of the table of figures, by its limits."""
    rows = page.run(
        "return [...document.querySelectorAll('#totals tbody tr:not(.own)')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return {row[0]: row[1:] for row in rows}


def wait_for_link(page: Browser, text: str) -> None:
    page.wait_for(f"location.hash.includes('{text}')", f"{text} in the link")


def marks(page: Browser) -> list[str]:
    """What is written along the axis of time of the first chart, while it is drawn anew."""
    page.run(
        """
        window.marks = [];
        const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
          window.marks.push(text);
          return write.call(this, text, ...place);
        };
        """
    )
    page.choose_colours("dark")
    page.wait_for("window.marks.length > 0", "the charts to be drawn")
    return page.run("return window.marks")
