"""The walk over built pages finds what is dead, and nothing else."""

from pathlib import Path

import pytest

from tools.book import links

GOOD = """<!doctype html><html><head><link rel="stylesheet" href="s/a.css">
<link rel="canonical" href="https://x.org/"><script src="s/a.js"></script></head>
<body><h1 id="top-part">A</h1><a href="b/c.html#there">c</a> <a href="#top-part">up</a>
<a href="https://example.org/gone">outside links may lead anywhere</a>
<a href="mailto:a@b.c">m</a> <a href="#">top</a> <img src="data:image/png;base64,AA==" alt="">
<img src="s/p%20q.png?v=1" srcset="s/p%20q.png 2x" alt=""></body></html>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "s").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "s" / "a.js").write_text("1")
    (tmp_path / "s" / "p q.png").write_bytes(b"")
    (tmp_path / "s" / "a.css").write_text(
        "/* @import url(https://x.org/no.css) */ a{background:url('p q.png')} b{src:url(data:x)}"
    )
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "b" / "c.html").write_text(
        '<p id="there"><a name="old">x</a><a href="../">home</a></p>'
    )
    return tmp_path


def reasons(site: Path) -> list[tuple[str, str, str]]:
    return [(fault.page, fault.target, fault.reason) for fault in links.check(site)]


def test_a_good_site_has_no_faults(site: Path) -> None:
    assert reasons(site) == []


@pytest.mark.parametrize(
    ("html", "target", "reason"),
    [
        ('<a href="gone.html">x</a>', "gone.html", "no such file"),
        ('<a href="b/c.html#nowhere">x</a>', "b/c.html#nowhere", "no such anchor"),
        ('<a href="#nowhere">x</a>', "#nowhere", "no such anchor"),
        ('<a href="../../etc/passwd">x</a>', "../../etc/passwd", "leads out of the site"),
        ('<img src="gone.png">', "gone.png", "no such file"),
        ('<img srcset="s/a.js 1x, gone.png 2x">', "gone.png", "no such file"),
        ('<script src="//cdn.org/a.js"></script>', "//cdn.org/a.js", "fetched from another host"),
        ('<img src="https://x.org/a.png">', "https://x.org/a.png", "fetched from another host"),
        ('<iframe src="https://x.org"></iframe>', "https://x.org", "fetched from another host"),
        (
            '<link rel="stylesheet" href="http://x/a.css">',
            "http://x/a.css",
            "fetched from another host",
        ),
        (
            "<style>a{b:url(https://x/f.woff)}</style>",
            "https://x/f.woff",
            "fetched from another host",
        ),
        ('<p style="b:url(gone.png)">x</p>', "gone.png", "no such file"),
        ('<svg><use xlink:href="gone.svg#a"/></svg>', "gone.svg#a", "no such file"),
    ],
)
def test_each_fault_is_found(site: Path, html: str, target: str, reason: str) -> None:
    (site / "bad.html").write_text(html)
    assert reasons(site) == [("bad.html", target, reason)]


def test_style_sheets_are_read(site: Path) -> None:
    (site / "s" / "bad.css").write_text("@import 'https://x.org/a.css'; a{b:url(gone.png)}")
    assert reasons(site) == [
        ("s/bad.css", "https://x.org/a.css", "fetched from another host"),
        ("s/bad.css", "gone.png", "no such file"),
    ]


def test_no_site_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tools\.book build"):
        links.check(tmp_path)


def test_command_line(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert links.main([str(site)]) == 0
    (site / "bad.html").write_text('<a href="gone.html">x</a>')
    assert links.main([str(site)]) == 1
    assert "bad.html: gone.html: no such file" in capsys.readouterr().out
