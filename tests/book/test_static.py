"""What is served with the pages: unchanged, complete, small, and of known licence."""

import hashlib
import re

import pytest
import yaml

from tools.common import ROOT

STATIC = ROOT / "book" / "static"
THIRD = STATIC / "third_party"
HASHES = {
    "mathjax/startup.js": "84f4ec49041b12a6dadc5d1689babc80f417435cfcbd890ec712e374152bbb88",
    "mathjax/core.js": "44d9c29f77d89537e024d165e2c0d7e981a98d75ed53b6c236fac899ed631abb",
    "mathjax/input/tex.js": "fa6524c5b16c20bed3f040c9833e88c7b8ab25ffe988af9cda8395016a0b643c",
    "mathjax/output/chtml.js": "287022a5672cb02108104df6a0c4d1ae219cc9d9e53e06ccb8c023c47ff867ce",
    "mathjax/output/chtml/fonts/tex.js": (
        "b525b71e41a7fdb124ef6a2b44d5250cb7fc2f56d7e73494ad03d090d0e4f28a"
    ),
    "mathjax/a11y/assistive-mml.js": (
        "5b8414e36cd63d154b90beab67e5e3399c7439aff97f4b556761224f8176f657"
    ),
    "widgets/embed.js": "8f6d2d3f856d8595d1841dec3019d99bbe74d331f2a5178c2a33bfec729e3d6a",
}
AXE = ROOT / "tests" / "book" / "third_party" / "axe-core"
AXE_HASH = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"  # version 4.14.1


@pytest.mark.parametrize("name", HASHES)
def test_scripts_of_others_are_as_published(name: str) -> None:
    assert hashlib.sha256((THIRD / name).read_bytes()).hexdigest() == HASHES[name]


def test_what_tests_accessibility_is_as_published() -> None:
    assert hashlib.sha256((AXE / "axe.min.js").read_bytes()).hexdigest() == AXE_HASH
    assert (AXE / "LICENSE").read_text().startswith("Mozilla Public License, version 2.0")


def test_each_has_its_licence() -> None:
    assert "Apache License" in (THIRD / "mathjax" / "LICENSE").read_text()
    assert "Redistribution and use" in (THIRD / "widgets" / "LICENSE").read_text()


def test_the_fonts_that_the_scripts_ask_for_are_there() -> None:
    embed = (THIRD / "widgets" / "embed.js").read_text(encoding="utf-8")
    wanted = set(re.findall(r"[0-9a-f]{20}\.woff2", embed))
    assert wanted == {path.name for path in (THIRD / "widgets").glob("*.woff2")}
    scripts = (THIRD / "mathjax" / "output").rglob("*.js")
    mathjax = "".join(script.read_text(encoding="utf-8") for script in scripts)
    fonts = set(re.findall(r"MathJax_[A-Za-z0-9]+-[A-Za-z]+\.woff", mathjax))
    there = {path.name for path in (THIRD / "mathjax/output/chtml/fonts/woff-v2").iterdir()}
    assert fonts <= there


def test_the_configuration_names_files_that_exist() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]
    named = [config["mathjax_path"], *config["nb_ipywidgets_js"], *config["html_css_files"]]
    mathjax = THIRD / "mathjax"
    assert all(
        (mathjax / f"{part}.js").is_file() for part in config["mathjax3_config"]["loader"]["load"]
    )
    named += [script[0] for script in config["html_js_files"]]
    for name in named:
        assert (STATIC / name).is_file(), name


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file()) < 5e6
