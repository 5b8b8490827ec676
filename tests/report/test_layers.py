from burnish.report.layers import layer_chart, precision_class
from tests.report import sample


def test_widths_before_and_after_are_bars_on_one_scale():
    chart = layer_chart(sample.layers())
    assert chart.count("<li title=") == 40
    assert '<i class="was" style="width:100.00%"></i><i class="now p8" style="width:31.25%">' in chart
    assert "40 layers, 24 of them narrower" in chart


def test_sixty_layers_are_sixty_lines():
    assert layer_chart(sample.layers(blocks=10)).count("<li title=") == 64


def test_no_layers_no_chart():
    assert layer_chart(()) == ""


def test_each_precision_has_its_colour_and_the_unknown_is_full_precision():
    assert [precision_class(name) for name in ("INT8", "bf16", "int4", "f32", "<b>")] == [
        "p8",
        "p16",
        "p4",
        "p32",
        "p32",
    ]
