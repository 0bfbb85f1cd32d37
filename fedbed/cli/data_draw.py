"""`fedbed data draw`: samples of a data set as one picture.

Nothing heavy is imported before the command runs: see `fedbed.cli.data`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fedbed.cli.parser import count
from fedbed.errors import RequirementMissing, UsageError


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of `fedbed data`."""
    parser = commands.add_parser(
        "draw",
        help="draw samples of a data set, with their labels or masks",
        description="Draw samples of a data set as a PNG file: images with their labels, or "
        "beside their masks with the share of each class in all of the part.",
        epilog="examples:\n"
        "  fedbed data draw mnist -o digits.png\n"
        "  fedbed data draw sparcs_cloud -o clouds.png --samples 20 --part test",
    )
    parser.add_argument("name", help="data set, as `fedbed data list` names it")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.png", help="where to write it"
    )
    parser.add_argument(
        "--samples", type=count, default=16, metavar="N", help="how many (default: 16)"
    )
    parser.add_argument(
        "--part", choices=["train", "test"], default="train", help="of which part (default: train)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="of the choice (default: 1)"
    )
    parser.set_defaults(func=_draw)


def _draw(args: argparse.Namespace) -> int:
    try:
        from fedbed.cli import montage
        from fedbed.data import load_card, load_split
    except ModuleNotFoundError as error:
        raise RequirementMissing(
            f"drawing needs the package {error.name}: pip install 'fedbed[coordinator]'"
        ) from error
    if args.output.suffix.lower() != ".png":
        raise UsageError(f"-o {args.output}: the picture is a PNG file: let the name end in .png")
    if args.samples > 400:
        raise UsageError(f"--samples {args.samples} don't fit a picture; allowed: 1 to 400")
    card = load_card(args.name)
    split = load_split(args.name, args.part)
    chosen = montage.choose(split, args.samples, args.seed)
    title = f"{card.name} ({args.part}): {len(chosen)} of {len(split)} samples"
    montage.save(montage.draw(split, card.classes, title, chosen), args.output)
    print(f"{args.output}: {len(chosen)} of {len(split)} {args.part} samples of {card.name}")
    return 0
