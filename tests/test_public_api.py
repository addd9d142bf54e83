"""The names that other programs may rely on."""

import importlib

import pytest

import tulu_data

PUBLIC = {
    "Store": "tulu_data.store.store",
    "TuluDataError": "tulu_data.errors",
    "Version": "tulu_data.store.version",
}
"""Public name -> module that defines it. A name leaves this table only with a line in CHANGELOG.md."""


def test_the_public_names_are_these_and_no_others() -> None:
    assert sorted(tulu_data.__all__) == sorted([*PUBLIC, "__version__"])
    assert dir(tulu_data) == sorted(tulu_data.__all__)


@pytest.mark.parametrize(("name", "module"), PUBLIC.items())
def test_a_public_name_is_the_object_that_its_module_defines(name: str, module: str) -> None:
    assert getattr(tulu_data, name) is getattr(importlib.import_module(module), name)
    assert getattr(tulu_data, name).__module__ == module
    assert getattr(tulu_data, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'tulu_data' has no attribute 'Stor'$"):
        tulu_data.Stor  # noqa: B018


def test_every_error_derives_from_the_one_that_is_public() -> None:
    errors = importlib.import_module("tulu_data.errors")
    kinds = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    assert len(kinds) > 5
    assert [kind for kind in kinds if not issubclass(kind, tulu_data.TuluDataError)] == []
    assert [kind.__name__ for kind in kinds if kind.__name__ not in str(errors.__doc__)] == []
