"""Images of released formats stay readable, and say what they always said. See golden.py."""
import os

import pytest

import golden
import machine as machines

TOOL = os.path.join(machines.HOST, "ckpt")


@pytest.mark.parametrize("name", golden.IMAGES)
def test_golden_image_says_what_it_said(tmp_path, name):
    golden.unpack(name, tmp_path)
    with open(os.path.join(golden.FOLDER, f"{name}.txt")) as f:
        assert golden.views(TOOL, tmp_path, name) == f.read()


@pytest.mark.parametrize("name", golden.IMAGES)
def test_golden_image_is_what_the_format_says(tmp_path, name):
    """A second writer, made from the document alone, comes to the same bytes."""
    assert golden.unpack(name, tmp_path) == bytes(golden.IMAGES[name]().data)


def test_golden_corpus_is_complete():
    stored = {f.split(".")[0] for f in os.listdir(golden.FOLDER)}
    assert stored == set(golden.IMAGES)
