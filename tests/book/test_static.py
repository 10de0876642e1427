"""What is served with the pages: unchanged, complete, small, and of known licence."""

import hashlib
import re

import pytest
import yaml

from tools.common import ROOT

STATIC = ROOT / "book" / "static"
THIRD = STATIC / "third_party"
HASHES = {
    "mathjax/tex-chtml.js": "0a6ded5abbce13331658dd239f34382abd06492c74b71b61e8caa8112ec55fa5",
    "widgets/embed.js": "8f6d2d3f856d8595d1841dec3019d99bbe74d331f2a5178c2a33bfec729e3d6a",
}


@pytest.mark.parametrize("name", HASHES)
def test_scripts_of_others_are_as_published(name: str) -> None:
    assert hashlib.sha256((THIRD / name).read_bytes()).hexdigest() == HASHES[name]


def test_each_has_its_licence() -> None:
    assert "Apache License" in (THIRD / "mathjax" / "LICENSE").read_text()
    assert "Redistribution and use" in (THIRD / "widgets" / "LICENSE").read_text()


def test_the_fonts_that_the_scripts_ask_for_are_there() -> None:
    embed = (THIRD / "widgets" / "embed.js").read_text(encoding="utf-8")
    wanted = set(re.findall(r"[0-9a-f]{20}\.woff2", embed))
    assert wanted == {path.name for path in (THIRD / "widgets").glob("*.woff2")}
    mathjax = (THIRD / "mathjax" / "tex-chtml.js").read_text(encoding="utf-8")
    fonts = set(re.findall(r"MathJax_[A-Za-z0-9]+-[A-Za-z]+\.woff", mathjax))
    there = {path.name for path in (THIRD / "mathjax/output/chtml/fonts/woff-v2").iterdir()}
    assert fonts <= there


def test_the_configuration_names_files_that_exist() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]
    named = [config["mathjax_path"], *config["nb_ipywidgets_js"], *config["html_css_files"]]
    named += [script[0] for script in config["html_js_files"]]
    for name in named:
        assert (STATIC / name).is_file(), name


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file()) < 5e6
