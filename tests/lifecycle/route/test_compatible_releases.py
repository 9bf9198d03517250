"""A challenger takes the requests that are made for the champion, or is none."""

import pytest

from contracts.serving.route import Route
from tests.serving.small_store import add_release

NULLABLE = {"name": "app", "nullable": True}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"columns": ({"name": "user"}, {"name": "app"}, {"name": "site"})},
            "it needs the categorical column 'app', which they do not",
        ),
        ({"columns": ({"name": "user"},)}, "it takes no categorical column 'site'"),
        ({"columns": ({"name": "site"}, {"name": "user"})}, "it takes the categorical columns in another order"),
        ({"columns": ({"name": "user", "dtype": "int"}, {"name": "site"})}, "column 'user' has dtype int, the champion's None"),
        ({"numeric": ({"name": "price"},)}, "it needs the numeric column 'price'"),
        ({"creative": "ad", "numeric": (NULLABLE,)}, "its creatives are in column 'ad', the champion's in ''"),
        ({"backend": "python"}, "its `ctr` runs in Triton's backend python, the champion's in adclick"),
    ],
)
def test_a_release_of_other_tensors_is_no_challenger(route, store, changes, said):
    add_release(store, 4, **changes)
    with pytest.raises(
        ValueError, match=f"release 4 cannot answer requests made for release 1: {said}.*; `make deploy` brings it in"
    ):
        route("canary 4 5")
    assert store.route() == Route(champion=1)


def test_a_column_that_may_be_missing_for_the_champion_only_is_another_rule(route, store):
    add_release(store, 4, columns=(NULLABLE,))
    add_release(store, 5, columns=({"name": "app"},))
    store.activate(4)
    with pytest.raises(
        ValueError, match="release 5 cannot answer requests made for release 4: column 'app' may not be missing there"
    ):
        route("canary 5 5")


@pytest.mark.parametrize("more", [{"columns": ({"name": "user"}, NULLABLE, {"name": "site"})}, {"numeric": (NULLABLE,)}])
def test_more_columns_that_may_be_missing_are_no_hindrance(route, store, more):
    add_release(store, 4, **more)
    route("canary 4 5")
    assert store.route().trial.challenger == 4
