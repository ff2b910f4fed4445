"""Training speed of `FERClassifier.fit` against two baselines with the same network.

    python examples/benchmarks/train_speed.py
    python examples/benchmarks/train_speed.py --network cnn --faces 8192

- "bare loop": PyTorch alone, with every lever of ours but the allocator's thresholds: batches
  cut by index, the same augmentation layers, precision and memory format, a fused optimiser,
  one-cycle.
- "notebook": skorch as it comes, with a DataLoader and a PIL transform for each image.

All train in turns, in one process, on synthetic faces; the first round is not counted. With
``--profile`` one more fit shows which of torch's operations take its time. With ``--cpu-time`` the
seconds are those of the processor, for a machine that has other work too.
"""

import time
from statistics import median

import _study as study
import numpy as np
import torch
from PIL import Image, ImageEnhance
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, LRScheduler
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.profiler import ProfilerActivity, profile

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.networks import build_network
from fer_sklearn.normalize import Normalize

BATCH = 128


def by_fer_sklearn(args, X, y):
    clf = FERClassifier(
        args.network,
        widths=args.widths,
        optimizer="adam",  # what torch and the notebook have too
        batch_size=BATCH,
        max_epochs=args.epochs,
        precision=args.precision,
    )
    clf.fit(X, y)


def network(args, X):
    widths = {"widths": args.widths} if args.widths else {}
    return build_network(args.network, n_classes=7, image_shape=X.shape[1:], **widths)


def by_bare_loop(args, X, y):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = torch.tensor(X, device=device).unsqueeze(1)
    codes = torch.tensor(np.unique(y, return_inverse=True)[1], device=device)
    model = nn.Sequential(
        Normalize("scale"),
        FaceAugmenter().make_layers(),
        network(args, X),
    )
    model = model.to(device, memory_format=torch.channels_last).train()
    steps = -(-len(X) // BATCH)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4, fused=True)
    schedule = OneCycleLR(optimizer, 2e-3, args.epochs * steps, cycle_momentum=False)
    low, rng = args.bfloat16, np.random.default_rng()
    for _ in range(args.epochs):
        for index in np.array_split(rng.permutation(len(X)), steps):
            at = torch.as_tensor(index, device=device)
            with torch.no_grad():
                x = model[1](model[0](images[at]))
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=low):
                logits = model[2](x)
            loss = nn.functional.cross_entropy(logits.float(), codes[at], label_smoothing=0.1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    if device.type == "cuda":
        torch.cuda.synchronize()


class PILFaces(torch.utils.data.Dataset):
    """One face at a time, through Pillow."""

    def __init__(self, X, y):
        self.X, self.y = X, np.unique(y, return_inverse=True)[1]

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        rng = np.random.default_rng()
        image = Image.fromarray(self.X[i])
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        side = image.width
        zoom, (right, down) = rng.uniform(0.9, 1.1), rng.uniform(-0.1, 0.1, 2) * side
        image = image.rotate(
            rng.uniform(-10, 10), Image.Resampling.BILINEAR, translate=(right, down)
        )
        margin = side * (1 - 1 / zoom) / 2
        box = (margin, margin, side - margin, side - margin)
        image = image.transform(image.size, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.9, 1.1))
        image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.9, 1.1))
        x = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).unsqueeze(0)
        return (x - 0.5) * 4, self.y[i]


def by_notebook(args, X, y):
    steps = -(-len(X) // BATCH)
    net = NeuralNetClassifier(
        network(args, X),
        criterion=nn.CrossEntropyLoss,
        criterion__label_smoothing=0.1,
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=1e-4,
        lr=2e-3,
        batch_size=BATCH,
        max_epochs=args.epochs,
        iterator_train__shuffle=True,
        iterator_train__num_workers=args.workers,
        train_split=None,
        callbacks=[
            LRScheduler(
                OneCycleLR, step_every="batch", max_lr=2e-3, total_steps=args.epochs * steps + 1
            )
        ],
        device="cuda" if torch.cuda.is_available() else "cpu",
        verbose=0,
    )
    net.fit(PILFaces(X, y), y=None)


WAYS = {"fer_sklearn": by_fer_sklearn, "bare loop": by_bare_loop, "notebook": by_notebook}


def main():
    args = parse_arguments()
    X, y = make_faces(args.faces, image_size=args.size, random_state=0, return_X_y=True)
    args.bfloat16 = trains_in_bfloat16(args, X[:BATCH], y[:BATCH])
    ways = {name: way for name, way in WAYS.items() if name not in args.without}
    seconds = {name: [] for name in ways}
    clock = time.process_time if args.cpu_time else time.perf_counter
    for _ in range(args.repeats + 1):
        for name, way in ways.items():
            seconds[name].append(study.seconds_of(way, args, X, y, clock=clock)[0])
    study.show_machine("torch", "skorch", "scikit-learn")
    precision = "bfloat16" if args.bfloat16 else "float32"
    print(f"{args.network} in {precision} (the notebook: float32), batches of {BATCH}")
    print(f"{args.epochs} epochs of {args.faces} faces of {args.size} x {args.size} pixels")
    ours = seconds["fer_sklearn"][1:]
    for name, taken in seconds.items():
        rate = args.faces * args.epochs / median(taken[1:])
        ratio = median(theirs / mine for theirs, mine in zip(taken[1:], ours, strict=True))
        print(f"{name:12} {rate:7.0f} faces/s; fer_sklearn is {ratio:.2f} times as fast")
    print(f"peak memory of the process {study.peak_memory():.0f} MB")
    if args.profile:
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            by_fer_sklearn(args, X, y)
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=16))


def trains_in_bfloat16(args, X, y):
    """Tell what `FERClassifier` makes of ``args.precision`` on this machine."""
    found = []

    class Ask(Callback):
        def on_train_begin(self, net, **kwargs):
            found.append(net.module_.autocast is not None)

    params = {"widths": args.widths, "precision": args.precision, "max_epochs": 1}
    FERClassifier(args.network, **params, callbacks=[Ask()]).fit(X, y)
    return found[0]


def parse_arguments():
    parser = study.make_parser(
        __doc__, "--widths --precision", network="resnet", faces=4096, epochs=2, repeats=5
    )
    parser.add_argument("--size", type=int, default=48, help="side of the faces in pixels")
    parser.add_argument("--workers", type=int, default=0, help="of the notebook's DataLoader")
    parser.add_argument("--without", nargs="*", default=[], choices=WAYS, help="to leave out")
    parser.add_argument("--profile", action="store_true", help="print where a fit spends its time")
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's seconds")
    return parser.parse_args()


if __name__ == "__main__":
    main()
