"""Models of torchvision, timm and transformers, built from small configurations with random weights."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

from torch import nn


def torchvision_model(name: str, **settings: Any) -> nn.Module:
    """One of torchvision's constructors, for ten classes."""
    import torchvision

    model: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=10, **settings)
    return model


def mobilenet() -> nn.Module:
    """MobileNetV3 small; its BatchNorm follows faster than by default, since the training is short."""
    return torchvision_model("mobilenet_v3_small", norm_layer=partial(nn.BatchNorm2d, eps=1e-3, momentum=0.1))


def densenet() -> nn.Module:
    """A narrow DenseNet: concatenation everywhere."""
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=16, block_config=(2, 4, 4, 2), num_init_features=32, num_classes=10)


def convnext() -> nn.Module:
    """A narrow ConvNeXt: depthwise 7 x 7, LayerNorm over channels, layer scale."""
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    blocks = [CNBlockConfig(32, 64, 1), CNBlockConfig(64, 128, 2), CNBlockConfig(128, None, 1)]
    return ConvNeXt(blocks, num_classes=10, layer_scale=1.0)


def vit() -> nn.Module:
    """torchvision's vision transformer with nn.MultiheadAttention."""
    from torchvision.models import VisionTransformer

    return VisionTransformer(32, 8, num_layers=3, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=10)


def swin() -> nn.Module:
    """Shifted windows, relative positions, fused projections."""
    from torchvision.models import SwinTransformer

    return SwinTransformer([2, 2], 32, [2, 2], [2, 4], [4, 4], mlp_ratio=2.0, stochastic_depth_prob=0.0, num_classes=10)


def video() -> nn.Module:
    """A shallow R3D: three-dimensional convolutions with residual additions."""
    from torchvision.models.video.resnet import BasicBlock, BasicStem, Conv3DSimple, VideoResNet

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return VideoResNet(BasicBlock, [Conv3DSimple] * 4, [1, 1, 1, 1], BasicStem, num_classes=10)


def timm_model(name: str, **settings: Any) -> nn.Module:
    """One of timm's constructors, for ten classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import timm

        model: nn.Module = timm.create_model(name, pretrained=False, num_classes=10, **settings)
    return model


timm_vit = partial(timm_model, "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=64, depth=3, num_heads=4)


def timm_mixer() -> nn.Module:
    """An MLP-Mixer: a linear layer over positions, one over channels."""
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(num_classes=10, img_size=32, patch_size=8, embed_dim=64, num_blocks=3)


def bert() -> nn.Module:
    """A BERT classifier of two layers."""
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(
        BertConfig(
            vocab_size=32,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=64,
            num_labels=10,
            return_dict=False,
            hidden_dropout_prob=0.0,
        )
    )


def distilbert() -> nn.Module:
    """A DistilBERT classifier of two layers."""
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    return DistilBertForSequenceClassification(
        DistilBertConfig(
            vocab_size=32,
            dim=64,
            n_layers=2,
            n_heads=4,
            hidden_dim=128,
            max_position_embeddings=64,
            num_labels=10,
            return_dict=False,
            dropout=0.0,
            seq_classif_dropout=0.0,
        )
    )


class Decoder(nn.Module):
    """A GPT-2 body whose last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import GPT2Config, GPT2Model

        self.body = GPT2Model(
            GPT2Config(
                vocab_size=32,
                n_positions=64,
                n_embd=64,
                n_layer=2,
                n_head=4,
                use_cache=False,
                return_dict=False,
                bos_token_id=None,
                eos_token_id=None,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
            )
        )
        self.head = nn.Linear(64, 10)

    def forward(self, input_ids: Any) -> Any:
        return self.head(self.body(input_ids)[0][:, -1])
