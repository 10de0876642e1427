"""Oxford-IIIT Pet: its split, its breeds, its trimaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from course_lib.data.cards import Card
from course_lib.data.decode import Items, lookup
from course_lib.data.folders import by_stem, empty, image_files, listed, mixed, name_rank
from course_lib.data.real.base import Archive, RealSet
from course_lib.data.sets import DataError

CLASSES = ("background", "pet")
TRIMAP = lookup({1: 1, 2: 0, 3: 1})  # 1 = pet, 2 = background, 3 = border
BREEDS = (
    "Abyssinian", "american_bulldog", "american_pit_bull_terrier", "basset_hound", "beagle",
    "Bengal", "Birman", "Bombay", "boxer", "British_Shorthair", "chihuahua", "Egyptian_Mau",
    "english_cocker_spaniel", "english_setter", "german_shorthaired", "great_pyrenees", "havanese",
    "japanese_chin", "keeshond", "leonberger", "Maine_Coon", "miniature_pinscher", "newfoundland",
    "Persian", "pomeranian", "pug", "Ragdoll", "Russian_Blue", "saint_bernard", "samoyed",
    "scottish_terrier", "shiba_inu", "Siamese", "Sphynx", "staffordshire_bull_terrier",
    "wheaten_terrier", "yorkshire_terrier",
)  # fmt: skip
VAL = 1 / 6  # of the published trainval.txt, the same share of every breed


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read images/, annotations/{trainval,test}.txt and annotations/trimaps/.

    torchvision's class insists on the folder's name and on every listed file, so a part of the set
    could not be read with it; the lists are read here. Listed images that are absent do not count
    (`course data verify` names them).
    """
    lists = folder / "annotations"
    if not (folder / "images").is_dir() or not lists.is_dir():
        return None
    have = by_stem(image_files(folder / "images"))
    keys = split_keys(folder, split, list(have))
    images = [have[key] for key in keys]
    if task == "classification":
        numbers = {name.lower(): number for number, name in enumerate(BREEDS)}
        strange = [key for key in keys if breed(key).lower() not in numbers]
        if strange:
            raise DataError(f"pets: {strange[0]} is of no declared breed ({', '.join(BREEDS)}).")
        return mixed(Items(keys, images, BREEDS, [numbers[breed(key).lower()] for key in keys]))
    masks = [lists / "trimaps" / f"{key}.png" for key in keys]
    return mixed(Items(keys, images, CLASSES, masks=masks, table=TRIMAP))


def split_keys(folder: Path, split: str, have: Sequence[str]) -> list[str]:
    """Return the names of a split's images: test.txt, or VAL and the rest of trainval.txt.

    Args:
        folder: Of the set.
        split: "train", "val" or "test".
        have: Names of all images that are there.

    Raises:
        EmptySplit: When none is left.
    """
    lists = folder / "annotations"
    path = lists / ("test.txt" if split == "test" else "trainval.txt")
    if path.is_file():
        there = set(have)
        keys = [key for key in listed(path) if key in there]
        why = f"None of the images that {path} names is in images/."
    elif (lists / "test.txt").is_file() or (lists / "trainval.txt").is_file():
        raise empty("pets", split, folder, f"{path} is missing; it names the images of this split.")
    else:  # no lists at all: all that is there is to be tested on
        keys = list(have) if split == "test" else []
        why = f"Without {path}, all images are the split 'test'."
    if keys and split != "test":
        held = stratified([breed(key) for key in keys], keys, VAL)
        keys = [key for row, key in enumerate(keys) if (row in held) == (split == "val")]
        why = "One image cannot be split into train and val."
    if not keys:
        raise empty("pets", split, folder, why)
    return keys


def breed(key: str) -> str:
    """Return the breed in an image's name: american_bulldog for american_bulldog_12."""
    return key.rsplit("_", 1)[0]


def stratified(groups: Sequence[str], keys: Sequence[str], fraction: float) -> set[int]:
    """Return the rows held out: the same share of every group, round(n * fraction) in all.

    Within a group the names decide; at least one row is held out if there are two.
    """
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    total = round(len(keys) * fraction) or int(len(keys) > 1)
    exact = {group: len(rows) * fraction for group, rows in members.items()}
    take = {group: int(number) for group, number in exact.items()}
    by_rest = sorted(members, key=lambda group: (take[group] - exact[group], group))
    for group in by_rest[: total - sum(take.values())]:
        take[group] += 1
    held: set[int] = set()
    for group, rows in members.items():
        held.update(sorted(rows, key=lambda row: name_rank(keys[row]))[: take[group]])
    return held


def absent(folder: Path) -> list[Path]:
    """Return the images that a list names and that are not there."""
    have = {path.stem for path in image_files(folder / "images")}
    lists = [folder / "annotations" / name for name in ("trainval.txt", "test.txt")]
    named = [key for path in lists if path.is_file() for key in listed(path)]
    return [folder / "images" / f"{key}.jpg" for key in named if key not in have]


def archives() -> tuple[Archive, ...]:
    """Return images and annotations; addresses and checksums are torchvision's."""
    from torchvision.datasets import OxfordIIITPet

    return tuple(
        Archive((url,), url.rsplit("/", 1)[1], md5) for url, md5 in OxfordIIITPet._RESOURCES
    )


CARD = Card(
    name="pets",
    title="Oxford-IIIT Pet",
    purpose="segmentation of photographs: pet or background",
    tasks=("semantic", "classification"),
    images="7,349 photographs of many sizes",
    classes="semantic: background, pet (the trimap's border counts as pet); classification: 37 "
    "breeds",
    splits="published: 3,680 trainval, 3,669 test; val = one sixth of trainval, the same share of "
    "every breed, chosen by file name",
    licence="CC BY-SA 4.0; the copyright of the photographs stays with their owners",
    flaws="the trimaps were drawn coarsely, with a border a few pixels wide that belongs to "
    "neither side; some files named .jpg hold another format",
    download="811 MB",
    source="https://www.robots.ox.ac.uk/~vgg/data/pets/; Parkhi et al., CVPR 2012",
)
SET = RealSet(
    CARD,
    find,
    ("oxford-iiit-pet", "pets"),
    classes=CLASSES,
    size=(128, 128),
    archives=archives,
    space=1.8e9,
    absent=absent,
)
