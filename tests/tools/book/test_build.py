"""How the book's sources are put together."""

import threading
import time
from pathlib import Path

import pytest
import yaml

from tools.book import build as book
from tools.book import cover
from tools.common import ToolError, Tree

TOC = {
    "format": "jb-book",
    "root": "book/index",
    "parts": [
        {
            "caption": "A",
            "chapters": [{"file": "a", "sections": [{"file": "a1"}, {"glob": "x/*"}]}],
        },
        {"caption": "B", "chapters": [{"file": "b"}]},
    ],
}


def test_pages_of_a_table_of_contents() -> None:
    assert list(book.toc_pages(TOC)) == ["book/index", "a", "a1", "b"]


def test_missing_pages_leave_with_their_parts() -> None:
    assert book.without(TOC, {"a1", "b"}) == {
        "format": "jb-book",
        "root": "book/index",
        "parts": [{"caption": "A", "chapters": [{"file": "a", "sections": [{"glob": "x/*"}]}]}],
    }


def test_exercises_stand_in_the_contents_in_the_order_of_their_pages() -> None:
    pages = ["exercises/b.md", "exercises/b-1.png", "exercises/a.md", "extra/downloads/a.ipynb"]
    made = book.with_exercises(TOC, pages)
    assert list(book.toc_pages(made)) == [
        "book/index",
        "a",
        "a1",
        "exercises/b",
        "exercises/a",
        "b",
    ]
    assert "glob" in str(TOC), "the given contents are left as they are"


def test_every_listed_page_is_written_and_every_written_page_is_listed() -> None:
    toc = yaml.safe_load((book.ROOT / "_toc.yml").read_text())
    listed = set(book.toc_pages(toc))
    labs = Tree().labs()
    written = {
        path.relative_to(book.ROOT).with_suffix("").as_posix()
        for path in [*(book.ROOT / "book").rglob("*.md"), *labs]
        if not {"static", "_ext"} & set(path.parts) and path.name != "README.md"
    }
    assert {page for page in listed if not page.startswith("exercises/")} == written


def test_assembling_writes_only_what_changed_and_removes_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "source.md"
    source.write_text("from a file")
    target = tmp_path / "target"
    files = {"a.md": b"one", "sub/b.md": source, "sub/deep/c.md": b"three"}
    assert set(book.assemble(files, target)) == set(files)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    assert book.assemble(files, target) == []
    assert before == {path: path.stat().st_mtime_ns for path in before}
    source.write_text("changed")
    del files["sub/deep/c.md"]
    assert set(book.assemble(files, target)) == {"sub/b.md", "sub/deep/c.md"}
    assert (target / "sub/b.md").read_text() == "changed"
    assert not (target / "sub/deep").exists()


def test_buttons_that_would_lead_nowhere_are_not_shown() -> None:
    config = book.configuration("")
    assert "launch_buttons" not in config
    assert "repository" not in config
    assert not config["html"].get("use_issues_button")


def test_the_address_brings_the_buttons() -> None:
    config = book.configuration("https://github.com/someone/course")
    assert config["repository"]["url"] == "https://github.com/someone/course"
    assert config["launch_buttons"]["colab_url"].startswith("https://colab")
    assert config["html"]["use_issues_button"]


def test_a_missing_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("labs", "exercise_pages"):
        monkeypatch.setattr(book, name, dict)
    monkeypatch.setattr(book, "generated_pages", lambda toc: {})
    with pytest.raises(ToolError, match=r"notebooks/classifier.*Write them, or take them out"):
        book.plan("")


def test_the_fingerprint_follows_extensions_and_the_list_of_pages(tmp_path: Path) -> None:
    files = {"book/a.md": b"one", "book/_ext/e.py": b"x = 1"}
    first = book.fingerprint(files)
    assert book.fingerprint({**files, "book/a.md": b"two"}) == first
    assert book.fingerprint({**files, "book/_ext/e.py": b"x = 2"}) != first
    assert book.fingerprint({**files, "book/b.md": b""}) != first


@pytest.fixture
def renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A book of one page in a folder of its own; the list says how it was rendered."""
    done: list[str] = []
    html, pictures, trees = (tmp_path / name for name in ("html", "jupyter_execute", ".doctrees"))
    monkeypatch.setattr(book, "ROOT", tmp_path)
    monkeypatch.setattr(book, "BUILD", tmp_path)
    monkeypatch.setattr(book, "HTML", html)
    monkeypatch.setattr(book, "MADE", (html, pictures, trees))
    monkeypatch.setattr(book, "STAMP", tmp_path / "book.json")
    monkeypatch.setattr(book.assemble, "__defaults__", (tmp_path / "source",))
    monkeypatch.setattr(book, "plan", lambda address, draft: {"a.md": PAGE.read_bytes()})
    for name in ("equations.check", "cover.ensure"):
        monkeypatch.setattr(f"tools.book.build.{name}", lambda: None)
    PAGE = tmp_path / "page.md"
    PAGE.write_text("# A page")

    def render(strict: bool) -> None:
        done.append("more" if html.exists() else "anew")
        for folder in (html, pictures, trees):
            folder.mkdir(exist_ok=True)
            (folder / "index.html").write_text("<p>some text")

    monkeypatch.setattr(book, "render", render)
    return done


def test_what_is_there_is_not_rendered_again(renders: list[str], tmp_path: Path) -> None:
    book.build()
    book.build()
    assert renders == ["anew"]
    (tmp_path / "page.md").write_text("# Another")
    book.build()
    assert renders == ["anew", "more"]


@pytest.mark.parametrize("file", ["jupyter_execute/index.html", ".doctrees/index.html"])
def test_a_cut_file_is_noticed(renders: list[str], tmp_path: Path, file: str) -> None:
    book.build()
    (tmp_path / file).write_text("<p>so")
    book.build()
    book.build()
    assert renders == ["anew", "anew"]


@pytest.mark.parametrize("text", ["", '{"finger', "[]", '{"fingerprint": "old"}'])
def test_a_damaged_stamp_costs_one_rendering(renders: list[str], tmp_path: Path, text: str) -> None:
    book.build()
    (tmp_path / "book.json").write_text(text)
    book.build()
    book.build()
    assert renders == ["anew", "anew"]


@pytest.mark.parametrize("step", ["assemble", "render"])
def test_after_a_full_disk_everything_is_rendered(
    renders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    book.build()
    (tmp_path / "page.md").write_text("# Another")
    work = getattr(book, step)

    def full(*arguments: object, **options: object) -> None:
        work(*arguments, **options)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(book, step, full)
        book.build()
    renders.clear()
    book.build()
    assert renders == ["anew"]


def test_two_builds_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(book, "BUILD", tmp_path / "_build")
    order = []

    def second() -> None:
        with book.alone():
            order.append("second")

    with book.alone():
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting for its end" not in capsys.readouterr().out:
            time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    taken = book.server(tmp_path)
    try:
        with pytest.raises(ToolError, match=rf"port {taken.server_port} cannot.*`--port 8001`"):
            book.server(tmp_path, taken.server_port)
    finally:
        taken.server_close()
    with pytest.raises(ToolError, match="port 70000 cannot be had"):
        book.server(tmp_path, 70000)


def test_the_cover_was_drawn_by_the_models_that_are_shipped() -> None:
    from PIL import Image

    from course_lib.train.checkpoint import shipped

    with Image.open(cover.COVER) as picture, Image.open(cover.FILM) as film:
        for task, name in cover.CHECKPOINTS.items():
            drawn_by = picture.info[task]
            assert drawn_by == shipped()[name]["sha256"], "run `python -m tools.book.cover`"
        assert film.n_frames == cover.STEPS + 1
        film.seek(cover.STEPS)
        last, still = film.convert("RGBA"), picture.convert("RGBA")
    assert last.size == still.size
    opaque = still.getchannel("A").point(lambda alpha: 255 * (alpha == 255))
    black = Image.new("RGBA", still.size)
    first, second = (Image.composite(one, black, opaque).tobytes() for one in (last, still))
    assert first == second, "the film ends with the picture"
    assert cover.FILM.stat().st_size < 300_000


def test_what_there_is_is_counted() -> None:
    toc = {
        "root": "book/index",
        "parts": [
            {"caption": "Before", "chapters": [{"file": "book/install"}]},
            {"caption": "Generation", "chapters": [{"file": "book/gan"}, {"file": "notebooks/g"}]},
            {"caption": "Practice", "chapters": [{"file": "exercises/a"}]},
        ],
    }
    text = book.counts(toc)
    assert "| 1 chapters |" in text and "| 1 labs |" in text and "| 1 exercises |" in text
    measured = [path for path in (book.ROOT / "results").glob("*.json")]
    assert f"| {len(measured) - 1} measured results |" in text  # all but the labs' cost
