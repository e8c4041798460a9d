"""The encoder in torch, for fine-tuning: a BERT (Devlin et al. 2019) of MiniLM's shape (Wang et al. 2020)."""

from collections.abc import Mapping
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from model.runs.arrays import Floats
from model.training.encoder.graph import HEADS, count_layers

_EPSILON: Final = 1e-12


class EncoderLayer(nn.Module):
    """Attention, then a feed-forward part, each added to its input and normalised."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.attention = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.normal_1 = nn.LayerNorm(width, eps=_EPSILON)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.normal_2 = nn.LayerNorm(width, eps=_EPSILON)

    def forward(self, x: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
        """Return the next layer's states: [batch, tokens, width]."""
        batch, tokens, width = x.shape
        query, key, value = self.attention(x).view(batch, tokens, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        attended = self.output(attended.transpose(1, 2).reshape(batch, tokens, width))
        x = self.normal_1(x + F.dropout(attended, dropout, self.training))
        forward = self.down(F.gelu(self.up(x)))
        result: Tensor = self.normal_2(x + F.dropout(forward, dropout, self.training))
        return result


class EncoderNetwork(nn.Module):
    """The network that is fine-tuned: token numbers to the mean of the last states. One kind of segment.

    What runs its exported graph is ``model.serving.encoder.EncoderSession``.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """Take shapes and values from weights by name, as ``minilm.read_weights`` returns them."""
        super().__init__()
        words, width = weights["word.weight"].shape
        self.word = nn.Embedding(words, width)
        self.position = nn.Embedding(len(weights["position.weight"]), width)
        self.segment = nn.Embedding(len(weights["segment.weight"]), width)
        self.normal = nn.LayerNorm(width, eps=_EPSILON)
        inner = len(weights["layers.0.up.weight"])
        self.layers = nn.ModuleList(EncoderLayer(width, inner) for _ in range(count_layers(weights)))
        self.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})

    def forward(self, ids: Tensor, mask: Tensor | None, dropout: float = 0.0) -> Tensor:
        """Return the mean states, float32 [batch, width].

        Args:
            ids: token numbers, [batch, tokens].
            mask: true where a token is, same shape; None if all rows are of one length.
            dropout: share of each part's output that is dropped while training.
        """
        x = self.normal(self.word(ids) + self.position.weight[: ids.shape[1]] + self.segment.weight[0])
        for layer in self.layers:
            x = layer(x, None if mask is None else mask[:, None, None, :], dropout)
        if mask is None:
            return x.float().mean(1)
        kept = mask.to(x.dtype)[..., None]
        return (x * kept).sum(1).float() / kept.sum(1).float()

    def weights(self) -> dict[str, Floats]:
        """Return the weights by name, float32."""
        return {name: value.detach().float().cpu().numpy() for name, value in self.state_dict().items()}
