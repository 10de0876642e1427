"""Progress bars go, everything else stays; widgets that are shown keep their links."""

from __future__ import annotations

import pytest

from tools.notebooks.clean import STATE, VIEW, clean_outputs, prune_widgets


def stream(text: str, name: str = "stderr") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


@pytest.mark.parametrize(
    "text",
    [
        "  0%|          | 0/20 [00:00<?, ?it/s]",
        "\r 45%|####5     | 9/20 [00:01<00:01,  8.99it/s]\r100%|####| 20/20 [00:02<00:00]\n",
        "epoch 3: 100%|██████████| 20/20 [00:02<00:00,  8.9it/s, loss=0.3]\n",
        "17it [00:01, 12.1it/s]\n",
    ],
)
def test_bars_go(text):
    assert clean_outputs([stream(text)]) == []
    shown = {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {}}
    assert clean_outputs([shown]) == []


@pytest.mark.parametrize(
    "text",
    ["accuracy 77 %|\n", "UserWarning: this is slow\n", "| class | 50% | 3/4 |\n", "100% of 20\n"],
)
def test_other_text_stays(text):
    assert clean_outputs([stream(text, "stdout")])[0]["text"] == text


def test_a_line_written_over_itself_shows_its_end():
    assert clean_outputs([stream("1 of 2\r2 of 2\n")])[0]["text"] == "2 of 2\n"


def test_pieces_of_a_stream_are_joined():
    pieces = [stream("a\n", "stdout"), stream("  5%|# | 1/20\n"), stream("b\n", "stdout")]
    assert [output["text"] for output in clean_outputs(pieces)] == ["a\nb\n"]


def test_only_widgets_that_are_shown_are_kept():
    state = {
        "box1": {
            "model_name": "VBoxModel",
            "state": {"children": ["IPY_MODEL_s1", "IPY_MODEL_k1"]},
        },
        "s1": {"model_name": "IntSliderModel", "state": {"layout": "IPY_MODEL_lay1"}},
        "k1": {"model_name": "StackModel", "state": {}},
        "lay1": {"model_name": "LayoutModel", "state": {}},
        "link1": {
            "model_name": "LinkModel",
            "state": {"source": ["IPY_MODEL_s1", "value"], "target": ["IPY_MODEL_k1", "index"]},
        },
        "bar1": {"model_name": "FloatProgressModel", "state": {}},
    }
    widgets = {STATE: {"version_major": 2, "version_minor": 0, "state": state}}
    shown = {"cell": [{"output_type": "display_data", "data": {VIEW: {"model_id": "box1"}}}]}
    kept = prune_widgets(widgets, shown)[STATE]
    assert set(kept["state"]) == {"box1", "s1", "k1", "lay1", "link1"}
    assert kept["version_major"] == 2
    assert prune_widgets(widgets, {"cell": []}) == {}
    assert prune_widgets({}, shown) == {}
