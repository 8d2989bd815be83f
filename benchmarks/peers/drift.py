"""Evidently or NannyML on a window of the log, from the database to the names of the drifted columns.

It runs in an environment of its own: python drift.py (evidently|nannyml) DSN NUMBERS CATEGORIES WINDOW_START
WINDOW_END. NUMBERS and CATEGORIES are names of columns, separated by commas. The last line is JSON with the drifted
columns and the seconds of reading and computing. The import of the library is not counted. Rows come by COPY as CSV
with a column for each feature, the fastest way into pandas.
"""

import io
import json
import sys
import time
import warnings

import pandas as pd
import psycopg2


def read_rows(dsn: str, numbers: list[str], categories: list[str], where: str, bounds: tuple[str, ...]) -> pd.DataFrame:
    """Rows of the log with a typed column for each feature."""
    columns = [f"(input ->> '{name}')::double precision AS {name}" for name in numbers]
    columns += [f"input ->> '{name}' AS {name}" for name in categories]
    connection = psycopg2.connect(dsn)
    with connection.cursor() as cursor:
        select = cursor.mogrify(f"SELECT {', '.join(columns)} FROM {where}", bounds).decode()
        output = io.StringIO()
        cursor.copy_expert(f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)", output)
    connection.close()
    output.seek(0)
    return pd.read_csv(output, dtype=dict.fromkeys(categories, "object"))


def find_with_evidently(reference: pd.DataFrame, current: pd.DataFrame, numbers: list[str]) -> list[str]:
    """The columns whose stability index is above 0.2, the limit of Cyclone's check."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    categories = [name for name in reference if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    preset = DataDriftPreset(num_method="psi", cat_method="psi", num_threshold=0.2, cat_threshold=0.2)
    data = [Dataset.from_pandas(rows, definition) for rows in (current, reference)]
    metrics = Report([preset]).run(*data).dict()["metrics"]
    values = [metric for metric in metrics if metric["metric_name"].startswith("ValueDrift")]
    return [metric["config"]["column"] for metric in values if metric["value"] > 0.2]


def find_with_nannyml(reference: pd.DataFrame, current: pd.DataFrame, numbers: list[str]) -> list[str]:
    """The columns whose Jensen-Shannon distance is above 0.1 in most of its ten chunks."""
    from nannyml import UnivariateDriftCalculator
    from nannyml.thresholds import ConstantThreshold

    calculator = UnivariateDriftCalculator(
        column_names=list(reference),
        continuous_methods=["jensen_shannon"],
        categorical_methods=["jensen_shannon"],
        thresholds={"jensen_shannon": ConstantThreshold(upper=0.1)},
    )
    calculator.fit(reference)
    table = calculator.calculate(current).filter(period="analysis").to_df(multilevel=False)
    return [str(name) for name in reference if table[f"{name}_jensen_shannon_alert"].mean() > 0.5]


def main() -> None:
    """Read the reference and the window, find what drifted, and print one line of JSON."""
    library, dsn, numbers, categories, start, end = sys.argv[1:]
    warnings.simplefilter("ignore")
    if library == "evidently":
        import evidently.presets  # noqa: F401

        find = find_with_evidently
    else:
        import nannyml  # noqa: F401

        find = find_with_nannyml
    names = numbers.split(","), categories.split(",")
    began = time.perf_counter()
    reference = read_rows(dsn, *names, "reference_row", ())
    where = "prediction_log WHERE model = 'bench' AND created_at >= %s AND created_at < %s"
    current = read_rows(dsn, *names, where, (start, end))
    read = time.perf_counter()
    drifted = find(reference, current, names[0])
    done = time.perf_counter()
    figures = {"rows": len(current), "drifted": drifted, "read": read - began, "compute": done - read}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
