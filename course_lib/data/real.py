"""Where each real data set keeps its images and labels, and which of them belong to which split.

Every set can be read in the layout in which it is published (which is what torchvision downloads),
and as image folders, see `course_lib.data.folders`. Splits are fixed; they follow from the items'
names and numbers, so they are the same on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from course_lib.data import folders
from course_lib.data.cache import cache_dir
from course_lib.data.decode import Array, Items, lookup, read_stack
from course_lib.data.folders import EmptySplit, empty, held_out, image_files, masks_for, mixed
from course_lib.data.real_classes import BREEDS, CIFAR10, CITYSCAPES, DIGITS, FASHION, VOC
from course_lib.data.sets import IGNORE, SPLITS, DataError

CITYSCAPES_VAL = ("hanover", "krefeld", "zurich")  # whole cities: frames of one city look alike


def find_cifar10(folder: Path, split: str, task: str) -> Items | None:
    """CIFAR-10: cifar-10-batches-py/, or image folders."""
    base = folder / "cifar-10-batches-py"
    if base.is_dir():
        from torchvision.datasets import CIFAR10 as Published

        with _damage(base):
            data = Published(str(folder), train=split != "test")
        return _published(data.data.transpose(0, 3, 1, 2), data.targets, CIFAR10, split, 0.1)
    items = folders.split_folders("cifar10", folder, split, CIFAR10, 3, 0.1)
    if items is not None and items.files()[0].suffix.lower() in (".jpg", ".jpeg"):
        return replace(items, note="JPEG copy of CIFAR-10, not bit-identical to the original")
    return items


def find_mnist(folder: Path, split: str, task: str) -> Items | None:
    """MNIST: MNIST/raw/*-ubyte, or image folders."""
    return _digits("mnist", "MNIST", DIGITS, folder, split)


def find_fashion(folder: Path, split: str, task: str) -> Items | None:
    """Fashion-MNIST: FashionMNIST/raw/*-ubyte, or image folders."""
    return _digits("fashion-mnist", "FashionMNIST", FASHION, folder, split)


def _digits(name: str, base: str, classes: Sequence[str], folder: Path, split: str) -> Items | None:
    if (folder / base / "raw").is_dir():
        from torchvision import datasets

        with _damage(folder / base / "raw"):
            data = getattr(datasets, base)(str(folder), train=split != "test")
        images, labels = data.data.numpy()[:, None], data.targets.tolist()
        return _published(images, labels, classes, split, 5000 / 60000)
    return folders.split_folders(name, folder, split, classes, 1, 5000 / 60000)


def _published(
    images: Array,
    labels: Sequence[int],
    classes: Sequence[str],
    split: str,
    val: float,
) -> Items:
    """Return a split of arrays, in the order that image folders have: by class, then by number."""
    order = np.argsort(np.asarray(labels), kind="stable")
    keys = [str(number) for number in order.tolist()]
    ordered = [int(labels[number]) for number in order]
    items = Items(keys, images[order], tuple(classes), ordered, channels=images.shape[1])
    return mixed(items) if split == "test" else held_out(items, split, val)


def find_pets(folder: Path, split: str, task: str) -> Items | None:
    """Oxford-IIIT Pet: images/, annotations/{trainval,test}.txt, annotations/trimaps/.

    torchvision's class insists on the folder's name and on every listed file, so a part of the set
    could not be read with it; the lists are read here. Listed images that are absent do not count
    (`course data verify` names them).
    """
    lists = folder / "annotations"
    if not (folder / "images").is_dir() or not lists.is_dir():
        return None
    have = {path.stem: path for path in image_files(folder / "images")}
    path = lists / ("test.txt" if split == "test" else "trainval.txt")
    if path.is_file():
        keys = [key for key in listed(path) if key in have]
        why = f"None of the images that {path} names is in images/."
    elif (lists / "test.txt").is_file() or (lists / "trainval.txt").is_file():
        raise empty("pets", split, folder, f"{path} is missing; it names the images of this split.")
    else:  # no lists at all: all that is there is to be tested on
        keys = list(have) if split == "test" else []
        why = f"Without {path}, all images are the split 'test'."
    if keys and split != "test":
        held = folders.stratified([key.rsplit("_", 1)[0] for key in keys], keys, 1 / 6)
        keys = [key for row, key in enumerate(keys) if (row in held) == (split == "val")]
        why = "One image cannot be split into train and val."
    if not keys:
        raise empty("pets", split, folder, why)
    images = [have[key] for key in keys]
    if task == "classification":
        numbers = {name.lower(): number for number, name in enumerate(BREEDS)}
        strange = [key for key in keys if breed(key) not in numbers]
        if strange:
            raise DataError(f"pets: {strange[0]} is of no declared breed ({', '.join(BREEDS)}).")
        return mixed(Items(keys, images, BREEDS, [numbers[breed(key)] for key in keys]))
    masks = [lists / "trimaps" / f"{key}.png" for key in keys]
    table = lookup({1: 1, 2: 0, 3: 1})  # 1 = pet, 2 = background, 3 = border
    return mixed(Items(keys, images, ("background", "pet"), masks=masks, table=table))


def listed(path: Path) -> list[str]:
    """Return the names in a list of the Oxford-IIIT Pet set; the ids behind them are not needed."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def breed(key: str) -> str:
    """Return the breed in an image's name: american_bulldog for american_bulldog_12."""
    return key.rsplit("_", 1)[0].lower()


def find_penn_fudan(folder: Path, split: str, task: str) -> Items | None:
    """Penn-Fudan: PNGImages/, PedMasks/. It has no published split; the names decide."""
    if not (folder / "PNGImages").is_dir() or not (folder / "PedMasks").is_dir():
        return None
    images = image_files(folder / "PNGImages")
    masks = masks_for(images, folder / "PedMasks")
    people = {number: 1 for number in range(1, 254)}
    table = lookup({0: 0} | people) if task == "semantic" else None
    keys = [path.stem for path in images]
    items = Items(keys, images, ("background", "pedestrian"), masks=masks, table=table)
    return mixed(folders.drawn(items, split, val=0.1, test=0.25))


def find_membrane(folder: Path, split: str, task: str) -> Items | None:
    """ISBI 2012: image/N.png and label/N.png, or train-volume.tif and train-labels.tif.

    The slices are neighbours in one block of tissue, so each split is one run of slices: of 30, 0
    to 19 train, 20 to 23 val, 24 to 29 test.
    """
    table = lookup({0: 1, 255: 0})
    classes = ("cell", "membrane")
    images: Sequence[Path] | Array
    masks: Sequence[Path] | Array
    if (folder / "image").is_dir() and (folder / "label").is_dir():
        images = image_files(folder / "image")
        masks = masks_for(images, folder / "label")
        keys = [path.stem for path in images]
    elif (folder / "train-volume.tif").is_file() and (folder / "train-labels.tif").is_file():
        images = read_stack(folder / "train-volume.tif")[:, None]
        masks = read_stack(folder / "train-labels.tif")
        if len(images) != len(masks):
            raise DataError(f"{folder}: {len(images)} slices but {len(masks)} labels.")
        keys = [str(number) for number in range(len(images))]
    else:
        return None
    items = Items(keys, images, classes, masks=masks, table=table, channels=1)
    bounds = {"train": (0.0, 2 / 3), "val": (2 / 3, 0.8), "test": (0.8, 1.0)}
    low, high = (round(share * len(items)) for share in bounds[split])
    return items.pick(range(low, high))


def find_voc(folder: Path, split: str, task: str) -> Items | None:
    """Pascal VOC 2012: VOCdevkit/VOC2012/. test = the published val, val = a tenth of train."""
    base = folder / "VOCdevkit" / "VOC2012"
    if not base.is_dir():
        return None
    from torchvision.datasets import VOCSegmentation

    with _damage(base):
        data = VOCSegmentation(str(folder), "2012", "val" if split == "test" else "train")
    images, masks = [Path(path) for path in data.images], [Path(path) for path in data.masks]
    table = lookup({number: number for number in range(len(VOC))} | {255: IGNORE})
    keys = [path.stem for path in images]
    items = Items(keys, images, VOC, masks=masks, table=table, ignore_index=IGNORE)
    return mixed(items) if split == "test" else held_out(items, split, 0.1)


def find_cityscapes(folder: Path, split: str, task: str) -> Items | None:
    """Cityscapes: leftImg8bit/, gtFine/. test = the published val, val = three cities of train."""
    part = "val" if split == "test" else "train"
    if not (folder / "leftImg8bit").is_dir() or not (folder / "gtFine").is_dir():
        return None
    if not all((folder / base / part).is_dir() for base in ("leftImg8bit", "gtFine")):
        raise empty("cityscapes", split, folder, f"leftImg8bit/{part} or gtFine/{part} is missing.")
    from torchvision.datasets import Cityscapes

    with _damage(folder):
        data = Cityscapes(str(folder), part, "fine", "semantic")
    pairs = sorted(
        (Path(image), Path(mask[0])) for image, mask in zip(data.images, data.targets, strict=True)
    )
    if split != "test":
        pairs = [
            pair for pair in pairs if (pair[0].parent.name in CITYSCAPES_VAL) == (split == "val")
        ]
        if not pairs:
            raise empty("cityscapes", split, folder, f"val is {', '.join(CITYSCAPES_VAL)}.")
    labels = {kind.id: kind.train_id for kind in Cityscapes.classes if kind.id >= 0}
    table = lookup(labels | {255: IGNORE})  # 255: the licence plates, id -1 in eight bits
    keys = [image.stem.removesuffix("_leftImg8bit") for image, _ in pairs]
    return mixed(
        Items(
            keys,
            [image for image, _ in pairs],
            CITYSCAPES,
            masks=[mask for _, mask in pairs],
            table=table,
            ignore_index=IGNORE,
        )
    )


def find_imagenet(folder: Path, split: str, task: str) -> Items | None:
    """ImageNet: train/WNID/, val/WNID/. test = the published val, val = 50,000 of train.

    A folder with train/, val/ and test/, each holding class folders, is taken at its word.
    """
    parts = [part for part in SPLITS if (folder / part).is_dir()]
    if not parts:
        return None
    if "test" in parts and any(path.is_dir() for path in (folder / "test").iterdir()):
        items = folders.split_folders("imagenet", folder, split, None, 3, 0.04)
    else:
        part = "val" if split == "test" else "train"
        if part not in parts:
            raise empty("imagenet", split, folder, f"There is no folder {folder / part}.")
        known = folder / "train" if "train" in parts else folder / part
        wnids = sorted(path.name for path in known.iterdir() if path.is_dir())
        items = folders.class_folders(folder / part, wnids, 3)
        items = mixed(items) if split == "test" else held_out(items, split, 50_000 / 1_281_167)
    if items is not None and (folder / "meta.bin").is_file():
        from torchvision.datasets.imagenet import load_meta_file

        with _damage(folder / "meta.bin"):
            words = load_meta_file(str(folder))[0]
        items = replace(
            items,
            classes=tuple(words[wnid][0] if wnid in words else wnid for wnid in items.classes),
        )
    return items


class _damage:
    """Turn what torchvision raises on damaged data into one clear error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, DataError):
            raise DataError(
                f"{self.path} is damaged or not whole ({type(error).__name__}: {error}). Remove "
                f"it and fetch the data set again."
            ) from error


@dataclass(frozen=True)
class RealSet:
    """How to read one real data set.

    Args:
        find: Returns a split's items, or None when the folder does not hold the set.
        folders: Names under which the set lies below a root.
        tasks: Tasks, the default first.
        classes: Semantic sets: names of the classes in an images/ and masks/ folder.
        size: (H, W) where the files have many sizes and none is asked for.
        channels: Of an images/ and masks/ folder.
    """

    find: Callable[[Path, str, str], Items | None]
    folders: tuple[str, ...]
    tasks: tuple[str, ...]
    classes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    channels: int = 3


SETS: dict[str, RealSet] = {
    "cifar10": RealSet(find_cifar10, ("cifar10", "cifar-10"), ("classification",)),
    "mnist": RealSet(find_mnist, ("mnist",), ("classification",)),
    "fashion-mnist": RealSet(find_fashion, ("fashion-mnist",), ("classification",)),
    "pets": RealSet(
        find_pets, ("oxford-iiit-pet", "pets"), ("semantic", "classification"),
        ("background", "pet"), (128, 128),
    ),
    "penn-fudan": RealSet(
        find_penn_fudan, ("PennFudanPed", "penn-fudan"), ("instance", "semantic"),
        ("background", "pedestrian"), (256, 256),
    ),
    "membrane": RealSet(find_membrane, ("membrane",), ("semantic",), ("cell", "membrane"), None, 1),
    "voc": RealSet(find_voc, ("voc", "VOC"), ("semantic",), VOC, (256, 256)),
    "cityscapes": RealSet(find_cityscapes, ("cityscapes",), ("semantic",), CITYSCAPES, (256, 512)),
    "imagenet": RealSet(
        find_imagenet, ("imagenet", "ImageNet"), ("classification",), (), (64, 64)
    ),
}  # fmt: skip


def roots(root: str | Path | None) -> list[Path]:
    """Return the folders in which data sets are looked for, in this order.

    `root` alone if it is given; otherwise the environment variable COURSE_DATA, then the folder
    into which `course data fetch` downloads.
    """
    if root is not None:
        folder = Path(root).expanduser()
        if not folder.is_dir():
            raise DataError(f"root={str(root)!r}: there is no such folder.")
        return [folder]
    named = os.environ.get("COURSE_DATA")
    first = [Path(named).expanduser()] if named else []
    return [*first, cache_dir() / "downloads"]


def find(name: str, split: str, task: str, root: str | Path | None) -> Items:
    """Find a split of a real data set.

    Args:
        name: A key of `SETS`.
        split: "train", "val", "test", or "all" for everything that is there.
        task: One of the set's tasks.
        root: The set's own folder, or the folder above it; None: see `roots`.

    Raises:
        DataError: When no folder holds it, or what is there is damaged.
    """
    if split == "all":
        parts = []
        for part in SPLITS:
            try:
                parts.append(find(name, part, task, root))
            except EmptySplit as error:
                reason = error
        if not parts:
            raise reason
        return Items.join(parts)
    real = SETS[name]
    places = roots(root)
    for place in places:
        for folder in (*(place / part for part in real.folders), place):
            # A shared folder of data sets may itself look like one of them: it is taken for one
            # only if it was named for that purpose.
            items = _find_in(name, folder, split, task, trust=root is not None or folder != place)
            if items is not None:
                if not len(items):
                    raise empty(name, split, folder)
                return replace(items, size=items.size or real.size)
    looked = " or ".join(str(place) for place in places)
    raise DataError(
        f"{name} is not in {looked}. Wanted {' or '.join(real.folders)} there, laid out as "
        f"published or as image folders. Fetch it with `course data fetch {name}`, or set "
        f"COURSE_DATA (or root=) to the folder that holds it."
    )


def _find_in(name: str, folder: Path, split: str, task: str, *, trust: bool) -> Items | None:
    if not folder.is_dir():
        return None
    real = SETS[name]
    try:
        items = real.find(folder, split, task)
        if items is None and trust and task == "semantic" and folders.has_masks(folder):
            return folders.mask_folders(name, folder, split, real.classes, real.channels)
    except DataError:
        if trust:
            raise
        return None
    return items
