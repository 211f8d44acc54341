#!/usr/bin/env python3
"""The TransAct encoder in torch, as users of the published module run it: what ours is measured against.

Checks itself against the golden vectors first, then prints one line of JSON: candidates a second for one user with
100 actions and 500 candidates on one thread, by how many candidates go into one call; and examples a second of
training, forwards and backwards with dropout, by the size of the batch.
"""
import argparse
import json
import pathlib
import statistics
import struct
import sys
import time

import numpy
import torch


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    types = {"F32": numpy.float32, "I64": numpy.int64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        array = numpy.frombuffer(data[8 + size + begin:8 + size + end], types[entry["dtype"]])
        tensors[name] = torch.from_numpy(array.copy()).reshape(entry["shape"])
    return tensors


class TransAct(torch.nn.Module):
    """Each action beside the candidate through a transformer encoder; maximum and latest rows out."""

    def __init__(self, heads, layers=2, dimension=32, types=20, feed_forward=32, latest=10):
        super().__init__()
        width = 3 * dimension
        self.heads, self.latest = heads, latest
        self.action_emb_module = torch.nn.Embedding(types, dimension, padding_idx=0)
        layer = torch.nn.TransformerEncoderLayer(width, heads, feed_forward, batch_first=True)
        self.transformer_encoder = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out_linear = torch.nn.Linear(width, width)

    def forward(self, types, items, times, request_time, candidates):
        types = types.clamp(min=0)
        actions = self.action_emb_module(types)
        rows = torch.cat([actions, items, candidates.unsqueeze(1).expand(-1, types.shape[1], -1)], dim=2)
        hidden = (types == 0) | (request_time.unsqueeze(1) - times < 0)
        hidden[:, 0] = False
        mask = torch.zeros(hidden.shape).masked_fill(hidden, float("-inf"))
        rows = self.transformer_encoder(rows, src_key_padding_mask=mask)
        pooled = self.out_linear(rows.max(dim=1).values)
        return torch.cat([pooled, rows[:, :self.latest].flatten(1)], dim=1)


def load(path, heads):
    tensors = read_safetensors(path)
    model = TransAct(heads)
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("param.")})
    # In training mode without dropout nothing takes a shortcut that gives padded rows other values.
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    return model, tensors


def inputs_of(tensors, count):
    """The inputs of `count` candidates; one user's sequence stands before all of theirs."""
    sequence = [tensors[f"in.{name}"] for name in
                ("action_type_seq", "item_embedding_seq", "action_time_seq", "request_time")]
    candidates = tensors["in.item_embedding"]
    users = sequence[0].shape[0]
    if users == 1:
        sequence = [x.expand(count, *x.shape[1:]) for x in sequence]
    return sequence, candidates


def check(directory):
    for name, heads in (("eval-1head", 1), ("eval-2head", 2), ("request-500", 2)):
        model, tensors = load(directory / f"{name}.safetensors", heads)
        sequence, candidates = inputs_of(tensors, tensors["in.item_embedding"].shape[0])
        with torch.no_grad():
            out = model(*sequence, candidates)
        apart = (out - tensors["out"]).abs().max().item()
        if not apart <= 2e-5:
            sys.exit(f"{name}: {apart} from the golden vectors")


def measure(directory, sizes, rounds, bfloat16=False):
    """The quicker of training mode without dropout and evaluation mode, which takes torch's shortcuts."""
    speeds = [measure_mode(directory, sizes, rounds, training, bfloat16) for training in (True, False)]
    return {size: max(speed[size] for speed in speeds) for size in sizes}


def measure_mode(directory, sizes, rounds, training, bfloat16):
    model, tensors = load(directory / "request-500.safetensors", 2)
    model.train(training)
    total = tensors["in.item_embedding"].shape[0]
    seconds = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            begin = time.process_time()
            # Without gradients, torch 1.13 raises under autocast.
            with torch.autocast("cpu", torch.bfloat16) if bfloat16 else torch.no_grad():
                for at in range(0, total, size):
                    candidates = tensors["in.item_embedding"][at:at + size]
                    sequence, _ = inputs_of(tensors, candidates.shape[0])
                    model(*sequence, candidates)
            seconds[size].append(time.process_time() - begin)
    return {size: total / statistics.median(taken) for size, taken in seconds.items()}


def measure_training(sizes, rounds, bfloat16=False):
    """Each example has a user of its own with 100 actions, as the module takes them. Without the optimiser's step."""
    model = TransAct(2)
    model.train()
    speeds = {}
    for size in sizes:
        generator = torch.Generator().manual_seed(size)
        sequence = [torch.randint(1, 20, (size, 100), generator=generator),
                    torch.randn(size, 100, 32, generator=generator),
                    torch.zeros(size, 100, dtype=torch.long), torch.ones(size, dtype=torch.long)]
        candidates = torch.randn(size, 32, generator=generator)
        seconds = []
        for _ in range(rounds + 1):
            begin = time.process_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                outputs = model(*sequence, candidates)
            outputs.float().square().mean().backward()
            model.zero_grad()
            seconds.append(time.process_time() - begin)
        speeds[size] = size / statistics.median(seconds[1:])
    return speeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=pathlib.Path, default=pathlib.Path("data/transact-golden"))
    parser.add_argument("--chunks", default="8,16,32,500", help="candidates in one call (default: %(default)s)")
    parser.add_argument("--batches", default="", help="examples in a step of training, as 16,32,64; empty: none is measured")
    parser.add_argument("--bfloat16", action="store_true", help="also under torch's own autocast to bfloat16")
    parser.add_argument("--rounds", type=int, default=1, help="(default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    check(options.golden)
    speeds = measure(options.golden, [int(size) for size in options.chunks.split(",")], options.rounds)
    report = {"torch": torch.__version__, "candidates_per_second": speeds}
    if options.bfloat16:
        sizes = [int(size) for size in options.chunks.split(",")]
        report["candidates_per_second_bfloat16"] = measure(options.golden, sizes, options.rounds, bfloat16=True)
    if options.batches:
        sizes = [int(size) for size in options.batches.split(",")]
        report["training_examples_per_second"] = measure_training(sizes, max(4, options.rounds))
        if options.bfloat16:
            report["training_examples_per_second_bfloat16"] = measure_training(sizes, max(4, options.rounds), bfloat16=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
