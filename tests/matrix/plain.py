"""Plain torch modules of kinds that no model zoo covers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Tabular(nn.Module):
    """A network for records, with BatchNorm, dropout and an in-place activation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(30, 128), nn.BatchNorm1d(128), nn.ReLU(inplace=True), nn.Dropout(0.2),
            nn.Linear(128, 128), nn.BatchNorm1d(128), nn.ReLU(inplace=True), nn.Linear(128, 2),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Recurrent(nn.Module):
    """A recurrent layer over the rows of a picture, then a linear classifier."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.cell = kind(8, 96, num_layers=2, batch_first=True, bidirectional=cell == "gru")
        self.hidden = nn.Linear(192 if cell == "gru" else 96, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.cell(x)
        return self.head(torch.relu(self.hidden(states[:, -1])))


class TwoInputs(nn.Module):
    """A picture and a vector, joined by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten())
        self.left, self.right = nn.Linear(32 * 32, 64), nn.Linear(32, 64)
        self.head = nn.Linear(128, 10)

    def forward(self, upper: Tensor, lower: Tensor) -> Tensor:
        return self.head(torch.cat([self.left(self.conv(upper)), self.right(lower)], 1).relu())


class TwoOutputs(nn.Module):
    """Class and a picture of what was understood, from one body; extras that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.options = {"names": ["class", "picture"], "size": 8}
        self.body = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU())
        self.classes, self.picture = nn.Linear(64, 10), nn.Linear(64, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        middle = self.body(x).mean((2, 3))
        size = self.options["size"]
        return self.classes(middle), self.picture(middle).view(-1, size, size)


class Tied(nn.Module):
    """Embedding and output share one matrix."""

    def __init__(self, vocabulary: int = 24, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(torch.randn(12, width) * 0.1)
        self.hidden = nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, width))
        self.weight = nn.Linear(width, 1)
        self.out = nn.Linear(width, vocabulary, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids) + self.place
        x = (x * self.weight(x + self.place).softmax(1)).sum(1)
        return self.out(x + self.hidden(x))


class FreeLengthConv(nn.Module):
    """One-dimensional convolutions over sequences of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(8, 64, 3, padding=1), nn.Conv1d(64, 64, 3, padding=1)
        self.norm = nn.BatchNorm1d(64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.a(x.transpose(1, 2)))
        return self.head(F.relu_(self.norm(self.b(x))).amax(2))


class FreeLengthTransformer(nn.Module):
    """torch's own encoder layers over sequences of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(8, 64)
        self.place = nn.Parameter(torch.randn(64, 64) * 0.1)
        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(x) + self.place[: x.shape[1]]
        return self.head(self.encoder(x).mean(1))


class Autoencoder(nn.Module):
    """Convolutions down, transposed convolutions up."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU()
        )
        self.up = nn.Sequential(nn.ConvTranspose2d(64, 32, 2, 2), nn.ReLU(), nn.ConvTranspose2d(32, 1, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))
