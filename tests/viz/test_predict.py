"""A question before a run: nothing is chosen for the learner; what is shown follows a choice."""

import pytest
from ipywidgets.embed import embed_data

from course_lib import viz


def asked() -> viz.Guess:
    return viz.predict("Which is best?", ["a & b", "c", "d"])


def test_nothing_is_chosen_at_first_and_the_text_is_escaped():
    guess = asked()
    assert guess.radio.index is None and guess.radio.options == ("a & b", "c", "d")
    shown = guess.reveal("a & b", "x < y.")
    out, chosen = shown.children
    assert out.value == "<b>Came out:</b> a &amp; b. x &lt; y."
    assert chosen.selected_index is None


def test_the_sentence_follows_the_choice():
    guess = asked()
    guess.radio.index = 1
    _, chosen = guess.reveal("d").children
    assert chosen.children[chosen.selected_index].value == "You chose: c. It came out otherwise."
    texts = [child.value for child in chosen.children]
    assert texts[2] == "You chose: d. So it came out."


def test_the_two_are_linked_in_the_browser():
    guess = asked()
    shown = guess.reveal("c")
    state = embed_data(views=[guess.widget, shown])["manager_state"]["state"]
    links = [model["state"] for model in state.values() if model["model_name"] == "LinkModel"]
    ends = (guess.radio.model_id, "index"), (shown.children[1].model_id, "selected_index")
    wanted = tuple([f"IPY_MODEL_{model}", trait] for model, trait in ends)
    assert wanted in [(link["source"], link["target"]) for link in links]


def test_a_guess_is_shown_as_its_widget():
    guess = asked()
    assert "application/vnd.jupyter.widget-view+json" in guess._repr_mimebundle_()


@pytest.mark.parametrize("options", [["a"], [], ["a", "a"]])
def test_too_few_options_are_refused(options):
    with pytest.raises(ValueError, match="two or more are needed, all different"):
        viz.predict("?", options)


def test_an_answer_that_is_none_of_the_options_is_refused():
    with pytest.raises(
        ValueError, match=r"the answer is 'e'; the options are \['a & b', 'c', 'd'\]"
    ):
        asked().reveal("e")
