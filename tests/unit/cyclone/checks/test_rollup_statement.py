from cyclone.checks.distances import MISSING
from cyclone.checks.rollup_statement import ReferenceFeature, build_count, read_reference, split_reference


def bin_row(feature: str, number: int, lower: float | None = None, category: str | None = None) -> dict[str, object]:
    return {"feature": feature, "bin": number, "lower_bound": lower, "category": category}


def test_bins_become_edges_or_categories() -> None:
    rows = [
        bin_row("always missing", -1),
        bin_row("number", -1),
        bin_row("number", 0),
        bin_row("number", 1, lower=0.5),
        bin_row("word", 0, category="a"),
        bin_row("word", 1, category="b"),
    ]
    assert read_reference(rows) == [
        ReferenceFeature("always missing", (MISSING,), None, (None,)),
        ReferenceFeature("number", (0, 1), (0.5,), ()),
        ReferenceFeature("word", (0, 1, MISSING), None, ("a", "b", None)),
    ]


def test_names_edges_and_categories_are_parameters_and_no_part_of_the_statement() -> None:
    features = [
        ReferenceFeature("'; DROP TABLE label; --", (0, 1), (98765.25,), ()),
        ReferenceFeature("word", (0, MISSING), None, ("%(evil)s {}", None)),
    ]
    for is_guarded in (True, False):
        statement, parameters = build_count(features, is_guarded)
        assert not any(text in statement for text in ("DROP", "98765", "evil", "word"))
        assert parameters["name_0"] == "'; DROP TABLE label; --"
        assert parameters["limits_0"] == [98765.25]
        assert parameters["limits_1"] == ["%(evil)s {}", None]


def test_features_are_grouped_together_while_the_groups_are_few() -> None:
    ten = [ReferenceFeature(f"number {n}", tuple(range(10)), tuple(map(float, range(1, 10))), ()) for n in range(4)]
    two = [ReferenceFeature(f"word {n}", (0, MISSING), None, ("a", None)) for n in range(3)]
    statement, _ = build_count([*ten, *two], is_guarded=False)
    sets = statement[statement.index("GROUPING SETS") :].splitlines()[0]
    assert sets.count("bucket_start") == 3
    assert "(bucket_start, place_4, place_5, place_6)" in sets


def test_a_statement_counts_no_more_groupings_than_postgres_allows() -> None:
    edges = tuple(map(float, range(1, 16)))
    numbers = [ReferenceFeature(f"number {n}", tuple(range(16)), edges, ()) for n in range(63)]
    parts = list(split_reference(numbers))
    assert [len(part) for part in parts] == [31, 31, 1]
    assert [feature for part in parts for feature in part] == numbers
    for part in parts:
        statement, _ = build_count(part, is_guarded=False)
        sets = statement[statement.index("GROUPING SETS") :].splitlines()[0]
        assert sets.count("bucket_start") == len(part)
