"""Checking that a data set is whole, and that its splits have nothing in common."""

from __future__ import annotations

import shutil

from course_lib.data import load, verify


def test_verify_lists_every_problem(build):
    root = build.pets([f"pug_{n}" for n in range(8)], ["pug_9"])
    (root / "images" / "pug_3.jpg").unlink()
    (root / "images" / "pug_5.jpg").write_text("hello")
    build.mask("pets/annotations/trimaps/pug_6.png", (20, 30), (1, 9))
    build.mask("pets/annotations/trimaps/pug_9.png", (21, 30), (1, 2))
    problems = "\n".join(verify("pets", root))
    assert problems.count("\n") == 3
    for word in ("pug_3.jpg is listed but missing", "pug_5.jpg cannot be read", "label 9", "pug_9"):
        assert word in problems


def test_verify_without_data(own_folder):
    (problem,) = verify("voc")
    assert "course data fetch voc" in problem


def test_a_test_list_equal_to_the_training_list(build):
    root = build.pets([f"pug_{n}" for n in range(12)], ["pug_99"])
    lists = root / "annotations"
    assert verify("pets", root) == []
    shutil.copy(lists / "trainval.txt", lists / "test.txt")
    assert [problem[:60] for problem in verify("pets", root)] == [
        "test and train share 10 of 12 images: a score on test would ",
        "test and val share 2 of 12 images: a score on test would be ",
    ]


def test_equal_names_in_different_folders_are_different_images(build):
    for part in ("train", "test"):
        build.classes(part, "0123456789", 2, mode="L")
    assert verify("mnist", build.folder) == []
    assert len(load("mnist", "test", root=build.folder)) == 20
