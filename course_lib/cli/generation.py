"""The commands of generation: ``course train-gan`` and ``course sample``."""

import argparse
import os
from pathlib import Path
from typing import Any

# Name on the command line: generator, discriminator, and the recipe of the paper.
GANS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "simple-gan": ("SimpleGANGenerator", "SimpleGANDiscriminator", {}),
    "dcgan": ("DCGANGenerator", "DCGANDiscriminator", {}),
    "wgan-gp": (
        "DCGANGenerator",
        "DCGANDiscriminator",
        {"loss": "wasserstein", "critic_steps": 5, "penalty": "gradient", "betas": (0.0, 0.9)},
    ),
    "stylegan": (
        "StyleGANGenerator",
        "StyleGANDiscriminator",
        {"penalty": "r1", "penalty_weight": 1.0, "penalty_every": 16, "betas": (0.0, 0.99)},
    ),
}
RATES = {"simple-gan": 2e-4, "dcgan": 2e-4, "wgan-gp": 5e-4, "stylegan": 2e-3}


def add_train_gan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course train-gan``."""
    train = commands.add_parser(
        "train-gan",
        help="train a generator; goes on exactly where it stopped when started again",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    unset: Any = argparse.SUPPRESS
    train.add_argument("model", choices=tuple(GANS))
    train.add_argument("--data", required=True, help="name of a data set, see: course data list")
    train.add_argument("--root", type=Path, help="folder of the data (default: COURSE_DATA)")
    train.add_argument("--size", type=int, nargs="+", default=[32], help="height and width")
    train.add_argument("--limit", type=int, metavar="N", help="use only so many training images")
    train.add_argument("--condition", help="of drawn scenes, such as plain for shapes")
    train.add_argument("--out", type=Path, required=True, help="folder of the run")
    train.add_argument("--steps", type=int, default=5000, help="updates of the generator")
    train.add_argument("--batch-size", type=int, default=64, help="images per process and step")
    train.add_argument("--conditional", action="store_true", help="tell both players the class")
    train.add_argument("--width", type=int, default=unset, help="of DCGAN's and WGAN-GP's networks")
    train.add_argument("--loss", default=unset, help="such as hinge; default: the model's own")
    train.add_argument("--lr", type=float, default=unset, help="default: the model's own")
    train.add_argument("--lr-discriminator", type=float)
    train.add_argument("--penalty", default=unset, help="none, gradient or r1")
    train.add_argument("--penalty-weight", type=float, default=unset)
    train.add_argument(
        "--ema-images", type=float, default=10_000, help="half-life of the average; 0: none"
    )
    train.add_argument("--ada-target", type=float, help="adaptive augmentation, such as 0.6")
    train.add_argument("--flip", action="store_true", help="mirror real images at random")
    train.add_argument("--precision", default="no", help="no, bf16 or fp16")
    train.add_argument("--channels-last", action="store_true")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--sample-every", type=int, default=500, help="steps between sample sheets")
    train.add_argument("--device", default="auto", help="auto, cpu or cuda")
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    train.set_defaults(run=_train_gan)


def _train_gan(args: argparse.Namespace) -> int:
    import torch

    from course_lib import models
    from course_lib.data import Augment, load
    from course_lib.train import GANConfig, save_checkpoint, train_gan

    name_g, name_d, recipe = GANS[args.model]
    given = {
        k: getattr(args, k) for k in ("loss", "lr", "penalty", "penalty_weight") if hasattr(args, k)
    }
    if "penalty" in given:  # weight and interval are those of the recipe's own penalty
        recipe = {k: v for k, v in recipe.items() if not k.startswith("penalty")}
    config = GANConfig(
        steps=args.steps,
        batch_size=args.batch_size,
        lr_discriminator=args.lr_discriminator,
        ema_images=args.ema_images or None,
        ada_target=args.ada_target,
        augment=Augment(flip=True) if args.flip else None,
        precision=args.precision,
        channels_last=args.channels_last,
        seed=args.seed,
        sample_every=args.sample_every,
        **{"lr": RATES[args.model], **recipe, **given},
    )
    if len(args.size) > 2 or min(args.size) < 1:
        raise ValueError(f"--size is {args.size}; give a side, or height and width, in pixels.")
    size = (args.size[0], args.size[-1])
    options = {} if args.condition is None else {"condition": args.condition}
    train = load(
        args.data, "train", size=size, task=None, root=args.root, num=args.limit, **options
    )
    channels = train.images.shape[1]
    common: dict[str, Any] = {"num_classes": train.num_classes if args.conditional else 0}
    if args.model != "simple-gan":
        common["size"] = size
    if hasattr(args, "width"):
        if name_g != "DCGANGenerator":
            raise ValueError(f"{args.model} has no --width; dcgan and wgan-gp take it.")
        common["width"] = args.width
    norm = {"norm": "layer"} if args.model == "wgan-gp" else {}
    torch.manual_seed(args.seed)
    arguments = {"out_channels": channels, **common}
    generator = getattr(models, name_g)(**arguments)
    discriminator = getattr(models, name_d)(in_channels=channels, **common, **norm)
    train_gan(
        generator,
        discriminator,
        train,
        config=config,
        out_dir=args.out,
        device=args.device,
        progress=not args.quiet,
    )
    if int(os.environ.get("RANK", "0")) == 0:
        card = {
            "arguments": arguments,
            "classes": train.classes,
            "task": "generation",
            "size": size,
            "data": f"{args.data} {train.fingerprint}",
            "dataset": args.data,
            **options,
        }
        path = save_checkpoint(args.out / "model.safetensors", generator, card, half=False)
        print(f"saved {path}; look at {args.out / 'samples'}")
    return 0


def add_sample(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course sample``."""
    sample = commands.add_parser(
        "sample",
        help="draw a sheet of samples from a trained generator",
        description="Draw the first samples of a seed, eight in a row, into a PNG file. With "
        "--data as many of that seed as --scored says, of all classes, are scored against the test "
        "images.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    sample.add_argument("checkpoint", help="name of a shipped generator, or a .safetensors file")
    sample.add_argument("--out", type=Path, required=True, help="the picture, .png")
    sample.add_argument("--count", type=int, default=64, help="samples on the sheet")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--label", type=int, help="for a generator that knows classes")
    sample.add_argument("--data", help="also score against the test split of this data set")
    sample.add_argument("--root", type=Path, help="folder of the data (default: COURSE_DATA)")
    sample.add_argument(
        "--condition", help="of drawn scenes; default: that which the generator learned from"
    )
    sample.add_argument("--scored", type=int, default=5000, help="samples that are scored")
    sample.add_argument("--device", default="auto", help="auto, cpu or cuda")
    sample.set_defaults(run=_sample)


def _sample(args: argparse.Namespace) -> int:
    from torchvision.utils import save_image

    from course_lib.data import load
    from course_lib.train import draw_samples, load_checkpoint, pick_device, sample_scores

    if args.out.suffix.lower() != ".png":
        raise ValueError(f"--out is {args.out}; give a file that ends in .png.")
    device = pick_device(args.device)
    generator, card = load_checkpoint(args.checkpoint, device=device)
    if card["task"] != "generation":
        raise ValueError(f"{args.checkpoint} is no generator: it was trained for {card['task']}.")
    samples = draw_samples(generator, args.count, seed=args.seed, labels=args.label)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_image(samples.float() / 255, args.out, nrow=8)
    print(f"saved {args.out}: the first {args.count} samples of seed {args.seed}")
    if args.data is not None:
        condition = args.condition
        if condition is None and card.get("dataset") == args.data:
            condition = card.get("condition")
        options = {} if condition is None else {"condition": condition}
        test = load(args.data, "test", size=tuple(card["size"]), root=args.root, **options)
        num = min(args.scored, len(test))
        scores = sample_scores(generator, test, num=num, seed=args.seed, device=device)
        learned = " ".join(filter(None, (card.get("dataset"), card.get("condition"))))
        judged = " ".join(filter(None, (args.data, condition)))
        if learned and learned != judged:
            print(f"It learned from {learned} and is judged by {judged}.")
        for name, value in scores.items():
            print(f"  {name:18s} {value:.4f}")
    return 0
