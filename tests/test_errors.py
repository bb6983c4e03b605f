"""Both errors carry their parts, and survive the way between processes."""

import pickle

import pytest

import crosspath
from crosspath.errors import InputError, PathwayError, raise_as_pathway_error, without_settings


@pytest.mark.parametrize("kind", [InputError, PathwayError])
def test_an_error_comes_back_whole_from_another_process(kind: type[InputError]) -> None:
    error = pickle.loads(pickle.dumps(kind("train.epochs", "a number", "'many'", "correct it")))
    assert type(error) is kind
    assert str(error) == "train.epochs: expected a number, found 'many'; correct it"
    assert (error.where, error.expected, error.found, error.todo) == (
        "train.epochs",
        "a number",
        "'many'",
        "correct it",
    )


def test_several_faults_are_lines_of_one_message() -> None:
    error = pickle.loads(pickle.dumps(PathwayError.of("target", ["a: no shape; b", "c: no shape; d"])))
    assert str(error) == "a: no shape; b\nc: no shape; d"
    assert error.where == "target"


def test_one_root_of_what_a_user_can_put_right() -> None:
    assert issubclass(crosspath.PathwayError, crosspath.InputError)
    assert issubclass(crosspath.InputError, ValueError)


def test_the_pathway_library_raises_its_own_kind() -> None:
    def read() -> None:
        with raise_as_pathway_error():
            raise InputError("a.safetensors", "a file", "none", "check the path")

    with pytest.raises(PathwayError) as error:
        read()
    assert error.value.where == "a.safetensors"
    assert error.value.todo == "check the path"


@pytest.mark.parametrize(
    ("found", "todo", "message"),
    [
        (
            "byte 0xfc, expected a text in UTF-8: save it in UTF-8, or try --set data.encoding=cp1252",
            "choose another file",
            "byte 0xfc, expected a text in UTF-8: save it in UTF-8; choose another file",
        ),
        (
            "`x`, found 'on': name the channels with data.columns, or the column of times with data.time_column",
            "choose another file",
            "`x`, found 'on'; choose another file",
        ),
        ("a column x", "remove it, or name the channels with data.columns", "a column x; remove it"),
        ("two texts", "choose with --set data.text_column=NAME", "two texts; choose another file"),
        ("a, b (data.columns)", "set data.columns, or name one", "a, b (data.columns); name one"),
    ],
)
def test_advice_to_change_settings_is_left_out(found: str, todo: str, message: str) -> None:
    def read() -> None:
        with without_settings():
            raise InputError("a.csv", "a file", found, todo)

    with pytest.raises(InputError) as error:
        read()
    assert str(error.value) == f"a.csv: expected a file, found {message}"
