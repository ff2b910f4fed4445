"""What each change of the training gains, on a hold-out inside FER-2013's Training split.

    python examples/benchmarks/ablation.py data/fer2013.csv --list
    python examples/benchmarks/ablation.py data/fer2013.csv base adamw no-flip --seeds 3
    python examples/benchmarks/ablation.py data/fer2013.csv base mixup --faces 6000 --epochs 20

Every lever is the base with one change, so that rows can be compared. Narrow widths and
six epochs keep a run short; ``--faces`` trains on fewer faces for more epochs, which shows what
helps against overfitting. The hold-out is a tenth of Training that shares no image with the rest.
Rows are appended to ``runs/ablation.csv``; a row of the same code, faces and lever that is there
is not computed again.
"""

import math
from functools import partial

import _study as study
import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn.model import Targets
from fer_sklearn.networks import ResNet

# The only private names: a callback that cuts batches itself, and layers, need them.
from fer_sklearn.networks._layers import conv3x3, conv_block


class Progressive(ResNet):
    """Sees two thirds of the resolution until `Grow` says otherwise."""

    small = True

    def forward(self, x):
        if self.training and self.small:
            size = [round(side * 2 / 3) for side in x.shape[2:]]
            x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        return super().forward(x)


class Grow(Callback):
    """Ends the small resolution after three fifths of the epochs."""

    def on_epoch_begin(self, net, **kwargs):
        net.module_.network.small = len(net.history) <= 0.6 * self.epochs

    def __init__(self, epochs):
        self.epochs = epochs


class PoolFirst(ResNet):
    """Pools before the convolution that widens, which saves three quarters of its work."""

    def __init__(self, n_classes, image_shape, **params):
        super().__init__(n_classes, image_shape, **params)
        for block in self.features:
            if isinstance(block, nn.Sequential) and isinstance(block[1], nn.MaxPool2d):
                block[0], block[1] = block[1], block[0]


class ThirdResolution(ResNet):
    """Folds 3 x 3 pixels, not 2 x 2: less than half of the work for the same channels."""

    def __init__(self, n_classes, image_shape, *, widths, **params):
        super().__init__(n_classes, image_shape, widths=widths, **params)
        self.features[0] = nn.PixelUnshuffle(3)
        self.features[1][0] = conv3x3(9, widths[0])


class RandomFilters(ResNet):
    """Convolutions that start as PyTorch's do, in place of the identity."""

    def __init__(self, n_classes, image_shape, **params):
        super().__init__(n_classes, image_shape, **params)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()


class Hardswish(ResNet):
    """Hardswish, which is cheap, in place of GELU."""

    def __init__(self, n_classes, image_shape, **params):
        super().__init__(n_classes, image_shape, **params)
        for name, layer in list(self.named_modules()):
            if isinstance(layer, nn.GELU):
                self.set_submodule(name, nn.Hardswish())


class ReLUFirst(Callback):
    """Trains with ReLU, which is faster, and in the last three tenths of the epochs with GELU."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_begin(self, net, **kwargs):
        first = len(net.history) <= 0.7 * self.epochs
        old, new = (nn.GELU, nn.ReLU) if first else (nn.ReLU, nn.GELU)
        network = net.module_.network
        for name, layer in list(network.named_modules()):
            if isinstance(layer, old):
                network.set_submodule(name, new())


class FullResolution(ResNet):
    """Two convolutions at full resolution, then max-pooling, in place of the folded pixels."""

    def __init__(self, n_classes, image_shape, *, widths, activation="gelu", **params):
        super().__init__(n_classes, image_shape, widths=widths, activation=activation, **params)
        few = widths[0] // 2
        self.features[0] = conv_block(1, few, activation=activation)
        self.features[1] = conv_block(few, widths[0], nn.MaxPool2d(2), activation)


class PlaceHead(ResNet):
    """A linear layer over every place of the last stage, in place of their mean."""

    def __init__(self, n_classes, image_shape, *, widths, **params):
        super().__init__(n_classes, image_shape, widths=widths, **params)
        places = math.prod(side // 2 ** len(widths) for side in image_shape)
        self.head[0] = nn.Identity()
        self.head[-1] = nn.Linear(places * widths[-1], n_classes)


class WhiteningStem(ResNet):
    """Patches projected on their principal axes first, in place of folded pixels (Page, 2019).

    Both signs of each of the 16 axes of a 4 x 4 patch; `Whiten` computes them.
    """

    def __init__(self, n_classes, image_shape, *, widths, activation="gelu", **params):
        super().__init__(n_classes, image_shape, widths=widths, activation=activation, **params)
        self.whitening = nn.Conv2d(1, 32, 4, stride=2, padding=1, bias=False).requires_grad_(False)
        self.features[0] = nn.Sequential(self.whitening, nn.GELU())
        self.features[1] = conv_block(32, widths[0], activation=activation)


class Whiten(Callback):
    """Gives `WhiteningStem` the axes of the training faces, each of variance 1."""

    @torch.no_grad()
    def on_train_begin(self, net, X, **kwargs):
        normalize, network = net.module_.normalize, net.module_.network
        patches = nn.functional.unfold(normalize(X.pixels(np.arange(min(len(X), 2000)))), 4)
        variances, axes = torch.linalg.eigh(patches.transpose(0, 1).flatten(1).cov())
        filters = (axes / (variances + 1e-3).sqrt()).T.reshape(16, 1, 4, 4)
        network.whitening.weight.copy_(torch.cat([filters, -filters]))


class AlternateMirrors(Callback):
    """Mirrors half of the faces; in each epoch those that were not in the last (Jordan, 2024)."""

    def on_train_begin(self, net, X, **kwargs):
        self.images = X.images
        self.mirrored = np.zeros(len(X.images), bool)

    def on_epoch_begin(self, net, **kwargs):
        n_faces = len(self.images)
        first = len(net.history) == 1
        self.mirror(net.rng.random(n_faces) < 0.5 if first else np.ones(n_faces, bool))

    def on_train_end(self, net, **kwargs):
        self.mirror(self.mirrored)

    def mirror(self, which):
        self.images[which] = self.images[which][..., ::-1]
        self.mirrored = self.mirrored ^ which


class SkipEasy(Callback):
    """Leaves out half of the easier faces at random, and counts the other half twice.

    Easier: with a loss below the median when they were last seen. The first and the last
    epoch have all faces (InfoBatch; Qin et al., 2024). It brings the one-cycle schedule along,
    since an epoch has fewer steps.
    """

    def __init__(self, epochs):
        self.epochs = epochs

    def on_train_begin(self, net, X, **kwargs):
        self.faces, self.net = X, net
        self.losses = torch.zeros(len(X))
        net.get_iterator = lambda dataset, training=False: self
        steps = 2 * self.batches(len(X)) + (self.epochs - 2) * self.batches(len(self.some()))
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            net.optimizer_, net.lr, total_steps=steps + 1, cycle_momentum=False
        )

    def batches(self, n_faces):
        return -(-n_faces // self.net.batch_size)

    def some(self):
        """Return the rows of the harder half, and of a random half of the easier one."""
        by_loss = self.net.rng.permutation(len(self.faces))
        by_loss = by_loss[np.argsort(self.losses[by_loss].numpy(), kind="stable")]
        easy = by_loss[: len(by_loss) // 2]
        return np.concatenate(
            [self.net.rng.choice(easy, len(easy) // 2, False), by_loss[len(easy) :]]
        )

    def __len__(self):
        return self.batches(len(self.faces))

    def __iter__(self):
        everything = len(self.net.history) in (1, self.epochs)
        index = np.arange(len(self.faces)) if everything else self.some()
        weights = torch.ones(len(index))
        if not everything:
            weights[: len(self.faces) // 4] = 2
        order = self.net.rng.permutation(len(index))
        for part in np.array_split(order, self.batches(len(index))):
            self.rows = index[part]
            codes = self.faces.targets(self.rows)
            yield self.faces.pixels(self.rows), Targets(codes, weights[part])

    def on_batch_end(self, net, batch, y_pred, **kwargs):
        codes = Targets.of(batch[1]).codes
        losses = nn.functional.cross_entropy(y_pred.detach(), codes, reduction="none")
        self.losses[self.rows] = losses
        self.schedule.step()


class MeanOfWeights(Callback):
    """Ends with an exponential moving average of the weights."""

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        self.mean = {k: v.clone() for k, v in net.module_.state_dict().items()}

    @torch.no_grad()
    def on_batch_end(self, net, training=False, **kwargs):
        for name, value in net.module_.state_dict().items():
            if value.dtype.is_floating_point:
                self.mean[name].lerp_(value, 1 - self.decay)

    def on_train_end(self, net, **kwargs):
        net.module_.load_state_dict(self.mean)


def levers(epochs, widths):
    """Return {name: changed parameters}; new objects at every call."""
    longer, times = round(4 / 3 * epochs), partial(study.scaled, widths)
    return {
        "base": {},
        "adamw": {"optimizer": "adamw", "learning_rate": 4e-3},
        "sgd": {"optimizer": "sgd"},
        "rate / 2": {"learning_rate": 0.015},
        "rate x 2": {"learning_rate": 0.06},
        "batch 64": {"batch_size": 64},
        "batch 256": {"batch_size": 256},
        "cosine": {"schedule": "cosine"},
        "no label smoothing": {"label_smoothing": 0.0},
        "label smoothing .2": {"label_smoothing": 0.2},
        "dropout 0": {"dropout": 0.0},
        "dropout .4": {"dropout": 0.4},
        "mixup .2": {"mixup": 0.2},
        "mixup .4": {"mixup": 0.4},
        "mixup 1": {"mixup": 1.0},
        "mixup .4, plain end": {"mixup": 0.4, "plain_fraction": 0.1},
        "no augmentation": {"augment": "off"},
        "no flip": {"augment": FaceAugmenter(flip=0.0)},
        "no light": {"augment": FaceAugmenter(brightness=0.0, contrast=0.0)},
        "light": {"augment": FaceAugmenter(brightness=0.2, contrast=0.3)},
        "strong light": {"augment": FaceAugmenter(brightness=0.3, contrast=0.3)},
        "strong warp": {"augment": FaceAugmenter(rotation=15.0, shift=0.15, scale=0.15)},
        "erase .5": {"augment": FaceAugmenter(erase=0.5)},
        "erase area": {"augment": FaceAugmenter(erase=0.5, erase_area=0.33)},
        "erase .5, plain end": {"augment": FaceAugmenter(erase=0.5), "plain_fraction": 0.1},
        "mixup .2, erase .5, plain end": {
            "mixup": 0.2,
            "augment": FaceAugmenter(erase=0.5),
            "plain_fraction": 0.1,
        },
        "image normalisation": {"normalize": FaceNormalizer("image")},
        "equalised": {"normalize": FaceNormalizer("equalize")},
        "oversampled": {"class_balance": "oversample"},
        "whitening": {"network": WhiteningStem, "callbacks": [Whiten()]},
        "alternating mirrors": {
            "augment": FaceAugmenter(flip=0.0),
            "callbacks": [AlternateMirrors()],
        },
        "easy faces skipped, a third more epochs": {
            "schedule": None,
            "max_epochs": longer,
            "callbacks": [SkipEasy(longer)],
        },
        "moving average": {"callbacks": [MeanOfWeights(0.998)]},
        "small first": {"network": Progressive, "callbacks": [Grow(epochs)]},
        "small first, half as long again": {
            "network": Progressive,
            "callbacks": [Grow(round(1.5 * epochs))],
            "max_epochs": round(1.5 * epochs),
        },
        "pool first, wider": {"network": PoolFirst, "widths": times(7 / 6)},
        "pool first, longer": {"network": PoolFirst, "max_epochs": round(1.4 * epochs)},
        "relu": {"network_params": {"activation": "relu"}},
        "relu first": {"callbacks": [ReLUFirst(epochs)]},
        "silu": {"network_params": {"activation": "silu"}},
        "hardswish": {"network": Hardswish},
        "no identity at the start": {"network": RandomFilters},
        "full resolution first": {"network": FullResolution, "widths": times(7 / 8)},
        "linear over places": {"network": PlaceHead},
        "two stages": {"widths": (times(9 / 8)[0], times(11 / 8)[1])},
        "four stages": {"widths": (*times(7 / 8), 2 * times(7 / 8)[-1])},
        "narrower, longer": {"widths": times(3 / 4), "max_epochs": round(1.75 * epochs)},
        "deeper, narrower": {"depth": 2, "widths": times(3 / 4)},
        "a third of the resolution, wider": {"network": ThirdResolution, "widths": times(3 / 2)},
        "half the epochs": {"max_epochs": epochs // 2},
        "twice the epochs": {"max_epochs": epochs * 2},
    }


def main():
    args = parse_arguments()
    known = levers(args.epochs, args.widths)
    if args.list:
        print(*known, sep="\n")
        return
    unknown = set(args.levers) - set(known)
    if unknown:
        raise SystemExit(f"Unknown: {', '.join(sorted(unknown))}. See --list.")
    study.show_machine("torch", "scikit-learn")
    faces = study.hold_out(args)
    data = study.fingerprint(*faces, study.fit_and_score)
    rows = study.Rows(args.output)
    for seed in study.seeds_of(args):
        for lever in args.levers:
            params = {"widths": args.widths, "max_epochs": args.epochs, "precision": args.precision}
            params |= levers(args.epochs, args.widths)[lever]  # new callbacks for every fit
            clf = FERClassifier(**params, random_state=seed)
            key = {"lever": lever, "faces": len(faces[0]), "epochs": args.epochs, "seed": seed}
            key["widths"] = "-".join(map(str, args.widths))
            key["recipe"] = study.fingerprint(clf, data)
            if key not in rows:
                rows.append(key | study.fit_and_score(clf, *faces))
    rows.show(["faces", "epochs", "widths", "recipe", "lever"], sort="flip")


def parse_arguments():
    parser = study.make_parser(
        __doc__, "path --faces --precision --output", widths=[48, 96, 192], epochs=6, seeds=1
    )
    parser.add_argument("levers", nargs="*", default=["base"], help="see --list")
    parser.add_argument("--list", action="store_true", help="name the levers and stop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
