"""What each data set is, what it is for, what is wrong with it, and who may use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """Facts about one data set.

    Args:
        name: As in `load`.
        title: As its authors call it.
        purpose: What this course uses it for.
        tasks: Tasks, the default first.
        images: Number and size of the images.
        classes: Number of classes, and which.
        splits: Where train, val and test come from.
        licence: Who may use it.
        flaws: What to keep in mind when reading a result on it.
        download: What `course data fetch` downloads, or how else to get it.
        source: Page and paper.
    """

    name: str
    title: str
    purpose: str
    tasks: str
    images: str
    classes: str
    splits: str
    licence: str
    flaws: str
    download: str
    source: str


_DRAWN = dict(
    splits="train, val and test are drawn from separate ranges of scene numbers",
    licence="the course's own: MIT",
    download="nothing: drawn on first use, then read from the cache",
    source="`course_lib.data`",
)
_ERRORS = "Northcutt et al. 2021 (arXiv:2103.14749)"
_ALL = (
    Card(
        name="streets",
        title="Street scenes drawn by code",
        purpose="driving: a class for every pixel, objects, and shifts of weather and light",
        tasks="semantic, instance",
        images="as many as you ask for, any size, colour",
        classes="10: sky, road, lane marking, building, vegetation, vehicle, pedestrian, sign, "
        "sidewalk, pole; conditions day, dusk, fog, night",
        flaws="drawn: no camera noise model of a real car, few object shapes; scores do not carry "
        "over to photographs",
        **_DRAWN,
    ),
    Card(
        name="cells",
        title="Microscope images drawn by code",
        purpose="medicine: separating nuclei that touch",
        tasks="semantic, instance",
        images="as many as you ask for, any size, colour",
        classes="2: background, nucleus; conditions fluorescence, histology, brightfield",
        flaws="drawn: no debris or artefacts of a real slide; scores do not carry over to tissue",
        **_DRAWN,
    ),
    Card(
        name="shapes",
        title="Simple objects drawn by code",
        purpose="generation with known factors: class, colour, pose",
        tasks="classification, semantic, instance",
        images="as many as you ask for, any size, colour",
        classes="10: disc, square, triangle, pentagon, star, cross, ring, crescent, heart, arrow; "
        "conditions clutter, plain",
        flaws="far simpler than any photograph; the factors are independent of each other",
        **_DRAWN,
    ),
    Card(
        name="rooms",
        title="Views of rooms drawn by code",
        purpose="virtual reality: one room seen from several places",
        tasks="semantic, instance",
        images="as many as you ask for, any size, colour",
        classes="13: wall, floor, ceiling, window, door, picture, rug, table, chair, sofa, shelf, "
        "lamp, plant; conditions day, evening",
        flaws="drawn: simple light, few kinds of furniture",
        **_DRAWN,
    ),
    Card(
        name="cifar10",
        title="CIFAR-10",
        purpose="the first classifier, and the first generated pictures",
        tasks="classification",
        images="60,000 of 32x32, colour",
        classes="10: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck",
        splits="published: 50,000 train, 10,000 test; val = 5,000 of train, drawn once, the same "
        "for everybody",
        licence="none stated; the images come from the web",
        flaws="3.3 % of the test images have a near copy in train (Barz and Denzler 2020, "
        f"arXiv:1902.00423); about 0.5 % of the test labels are wrong ({_ERRORS}); its parent, 80 "
        "Million Tiny Images, was withdrawn in 2020. Some copies are JPEG: another data set, and "
        "results say so",
        download="170 MB",
        source="https://www.cs.toronto.edu/~kriz/cifar.html; Krizhevsky 2009",
    ),
    Card(
        name="mnist",
        title="MNIST",
        purpose="quick experiments with generation and codes",
        tasks="classification",
        images="70,000 of 28x28, grey",
        classes="10 digits",
        splits="published: 60,000 train, 10,000 test; val = 5,000 of train, drawn once",
        licence="CC BY-SA 3.0, according to the documentation of Keras",
        flaws="too easy to tell good classifiers apart; 0.15 % of the test labels are wrong "
        f"({_ERRORS})",
        download="12 MB",
        source="LeCun, Cortes and Burges; Proc. IEEE 86(11), 1998",
    ),
    Card(
        name="fashion-mnist",
        title="Fashion-MNIST",
        purpose="like MNIST, harder",
        tasks="classification",
        images="70,000 of 28x28, grey",
        classes="10 kinds of clothing",
        splits="published: 60,000 train, 10,000 test; val = 5,000 of train, drawn once",
        licence="MIT",
        flaws="shirt, T-shirt, pullover and coat overlap at this size, so that even people confuse "
        "them",
        download="31 MB",
        source="https://github.com/zalandoresearch/fashion-mnist; arXiv:1708.07747",
    ),
    Card(
        name="pets",
        title="Oxford-IIIT Pet",
        purpose="segmentation of photographs: pet or background",
        tasks="semantic, classification",
        images="7,349 photographs of many sizes",
        classes="semantic: background, pet (the trimap's border counts as pet); classification: 37 "
        "breeds",
        splits="published: 3,680 trainval, 3,669 test; val = one sixth of trainval, the same share "
        "of every breed, chosen by file name",
        licence="CC BY-SA 4.0; the copyright of the photographs stays with their owners",
        flaws="the trimaps were drawn coarsely, with a border a few pixels wide that belongs to "
        "neither side; some files named .jpg hold another format",
        download="811 MB",
        source="https://www.robots.ox.ac.uk/~vgg/data/pets/; Parkhi et al., CVPR 2012",
    ),
    Card(
        name="penn-fudan",
        title="Penn-Fudan pedestrians",
        purpose="instance segmentation with few images",
        tasks="instance, semantic",
        images="170 photographs of many sizes, 345 labelled pedestrians",
        classes="background, pedestrian",
        splits="none published: the hash of the file name puts about 65 % into train, 10 % into "
        "val, 25 % into test",
        licence="all rights remain with the authors; no licence to pass it on",
        flaws="small: a score moves by several points with the split; very small and strongly "
        "hidden people are not labelled",
        download="54 MB",
        source="https://www.cis.upenn.edu/~jshi/ped_html/; Wang et al., ACCV 2007",
    ),
    Card(
        name="membrane",
        title="ISBI 2012 EM segmentation challenge",
        purpose="the data on which U-Net was introduced: cell membranes in electron microscopy",
        tasks="semantic",
        images="30 labelled slices of 512x512, grey, 4x4x50 nm per voxel",
        classes="cell, membrane",
        splits="none published for the labelled slices: 0 to 19 train, 20 to 23 val, 24 to 29 "
        "test; whole runs, because neighbouring slices look alike",
        licence="free for non-commercial segmentation software, with citation",
        flaws="one block of tissue of one fruit-fly larva, so train and test are related; labels "
        "of the challenge's own test slices were never published",
        download="by hand: put train-volume.tif and train-labels.tif (or image/N.png and "
        "label/N.png) into DIR/membrane",
        source="Arganda-Carreras et al., Front. Neuroanat. 9:142, 2015",
    ),
    Card(
        name="voc",
        title="Pascal VOC 2012, segmentation",
        purpose="the classic benchmark for FCN and DeepLab",
        tasks="semantic",
        images="2,913 photographs of many sizes (about 500x375)",
        classes="21: background and 20 kinds of objects; 255 = ignore",
        splits="test = the published val (1,449 images), because the labels of the published test "
        "are secret; val = a tenth of the published train, drawn once; train = the rest of 1,464",
        licence="photographs from Flickr, under Flickr's terms of use",
        flaws="a band around every object is ignored, which hides errors at contours; most "
        "published scores use about 9,000 extra labels (SBD), which are not part of it",
        download="2.0 GB",
        source="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/; Everingham et al., IJCV 2015",
    ),
    Card(
        name="cityscapes",
        title="Cityscapes, fine annotations",
        purpose="real driving scenes; masks from which images are generated",
        tasks="semantic",
        images="3,475 labelled photographs of 2048x1024",
        classes="19 classes that count; all others = 255, ignore",
        splits="test = the published val (500 images), because the labels of the published test "
        "are secret; val = the cities Hanover, Krefeld and Zurich; train = the other cities",
        licence="research and teaching, non-commercial, after registration; may not be passed on",
        flaws="daylight and dry weather only, 21 cities in and around Germany; rare classes such "
        "as train and wall have few pixels",
        download="by hand, after registration: leftImg8bit_trainvaltest.zip and "
        "gtFine_trainvaltest.zip into DIR/cityscapes",
        source="https://www.cityscapes-dataset.com; arXiv:1604.01685",
    ),
    Card(
        name="imagenet",
        title="ImageNet, ILSVRC 2012",
        purpose="classification at full size, for whoever has the hardware",
        tasks="classification",
        images="1,331,167 photographs of many sizes",
        classes="1,000",
        splits="test = the published validation set (50,000), because the labels of the published "
        "test are secret; val = a 26th of the published train (50,000), drawn once; train = the "
        "rest",
        licence="non-commercial research and teaching, after registration",
        flaws="many images show several objects but have one label (arXiv:2006.07159); about 5.8 % "
        f"of the validation labels are wrong ({_ERRORS})",
        download="by hand, after registration: unpacked into DIR/imagenet/train/CLASS and "
        "DIR/imagenet/val/CLASS",
        source="https://image-net.org; arXiv:1409.0575",
    ),
)  # fmt: skip
CARDS: dict[str, Card] = {card.name: card for card in _ALL}


def as_markdown() -> str:
    """Return two tables for the book: what the sets are, and what to know before using them."""
    what = [
        (f"`{card.name}`", card.title, card.purpose, card.images, card.classes, card.tasks)
        for card in _ALL
    ]
    know = [
        (f"`{card.name}`", card.splits, card.flaws, card.licence, card.download, _link(card.source))
        for card in _ALL
    ]
    return "\n".join(
        [
            *_table(("name", "data set", "for", "images", "classes", "tasks"), what),
            "",
            *_table(("name", "splits", "known flaws", "licence", "download", "source"), know),
            "",
        ]
    )


def as_text(name: str) -> str:
    """Return one card for the terminal."""
    card = CARDS[name]
    lines = [f"{label:9s} {getattr(card, label)}" for label in Card.__dataclass_fields__]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _link(source: str) -> str:
    words = [f"<{word}>" if word.startswith("http") else word for word in source.split(" ")]
    return " ".join(f"<{word[1:-2]}>;" if word.endswith(";>") else word for word in words)
