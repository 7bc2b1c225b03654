"""The least that a network's file must tell."""

RECORD = {
    "backbone": "alexnet-owt",
    "pooling": "flatten",
    "resize": "squash",
    "width": 8,
    "outputs": ["snapshot", "professional"],
    "finetuned_on": [],
}
