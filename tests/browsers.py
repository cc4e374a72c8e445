"""A real Chromium for tests of pages: started once, it logs every request that a page makes."""

import importlib.util
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DRIVER = shutil.which("chromedriver")
OWN = ("file:", "data:", "blob:", "about:")
"""How the addresses begin that a page without a network may have."""

needs_axe = pytest.mark.skipif(
    importlib.util.find_spec("axe_core_python") is None,
    reason="axe-core is not installed: pip install 'tlf[test]'",
)


class Browser:
    """A browser that is driven by a program."""

    def __init__(self, downloads: Path, trace: str = "") -> None:
        """Start it.

        Parameters:
            downloads: the folder for what pages download.
            trace: the categories of Chromium's tracing, if it shall trace.
        """
        if CHROMIUM is None or DRIVER is None:
            pytest.skip("no browser: apt-get install chromium chromium-driver")
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for switch in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1280,900"):
            options.add_argument(f"--{switch}")
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        if trace:
            options.add_experimental_option("perfLoggingPrefs", {"traceCategories": trace})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.downloads = downloads

    def open(self, page: Path, state: str = "") -> None:
        """Open a page anew, with a state in its address."""
        self.driver.get("about:blank")
        self.driver.get(f"{page.as_uri()}{state}")

    def do(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def shown(self, expression: str, expected: object) -> Any:
        """The value of an expression, as soon as it is what is expected; what it is after 10 s."""
        deadline = time.monotonic() + 10
        while (found := self.do(f"return {expression}")) != expected:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        return found

    def all(self, selector: str) -> list[Any]:
        """All elements of a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        """The first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        """Click an element, wherever it is on the page."""
        self.do("arguments[0].click()", self.one(selector))

    def texts(self, selector: str) -> list[str]:
        """What elements say."""
        return [element.text for element in self.all(selector)]

    def frames(self, count: int = 10) -> None:
        """Let the page draw some frames: it does a piece of its work in each."""
        self.driver.execute_async_script(
            "let [left, done] = arguments;"
            "requestAnimationFrame(function next() {"
            " left-- ? requestAnimationFrame(next) : done(); })",
            count,
        )

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        return [one["request"]["url"] for one in self._logged("Network.requestWillBeSent")]

    def main_thread_tasks(self, begin: str, end: str) -> list[float]:
        """How many milliseconds of a processor each task took on the page's main thread between two
        marks of ``performance.mark``; what else the machine did does not count. The browser must
        trace ``toplevel,blink.user_timing,devtools.timeline``; it gives its trace once.
        """
        traced = self._logged("Tracing.dataCollected")
        marks = {one["name"]: one for one in traced if one["name"] in (begin, end)}
        return [
            one["tdur"] / 1000
            for one in traced
            if one["name"].endswith("RunTask") and one["ph"] == "X"
            if (one["pid"], one["tid"]) == (marks[begin]["pid"], marks[begin]["tid"])
            if marks[begin]["ts"] < one["ts"] < marks[end]["ts"]
        ]

    def _logged(self, method: str) -> list[dict[str, Any]]:
        logged = (
            json.loads(one["message"])["message"] for one in self.driver.get_log("performance")
        )
        return [one["params"] for one in logged if one["method"] == method]

    def complaints(self) -> list[str]:
        """What the browser has complained about, such as a broken policy or a failed script."""
        return [one["message"] for one in self.driver.get_log("browser")]

    def scripts(self, *, on: bool) -> None:
        """Switch the scripts of pages on or off, from the next page on."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def media(self, scheme: str, width: int) -> None:
        """Show pages in light or dark colours, in a window of some width."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def serious_faults(self) -> list[str]:
        """What axe-core calls serious or critical, each with the first element it is about."""
        from axe_core_python.base import AXE_SCRIPT

        self.do(AXE_SCRIPT)
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")
        return [
            f"{one['id']}: {one['nodes'][0]['html']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
