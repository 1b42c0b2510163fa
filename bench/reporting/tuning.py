"""Rows that differ in the learning rate alone are a search: the best by validation is the row."""

import pandas as pd

ALIKE = ["search", "method"]  # the run but for its rate, and whether it is of an old version
TUNED = "tuned"
COLUMNS = ["search", "lr", "mse_val", "mse_val_std", "seconds", "rates", "search_s"]  # in no table


def keep_tuned(table: pd.DataFrame, mark: str) -> pd.DataFrame:
    """Return the rows with those of each search down to one, whose method says that it is tuned.

    `rates` is the number of learning rates, `search_s` the seconds of all of their runs.
    """
    if "mse_val" not in table:
        return table
    rows = table.groupby(ALIKE, sort=False)
    rates, count = rows["lr"].transform("nunique"), rows["lr"].transform("size")
    whole = table["seeds"] == rows["seeds"].transform("max")  # a rate at which some diverge is none
    scored = table[(rates == count) & (count > 1) & whole & table["mse_val"].notna()]
    best = scored.groupby(ALIKE)["mse_val"].idxmin()
    searched = pd.MultiIndex.from_frame(table[ALIKE]).isin(best.index)
    if not searched.any():
        return table
    table = table.assign(
        method=table["method"].where(~searched, table["method"] + mark + TUNED),
        rates=rates.where(searched, 1),
        search_s=rows["seconds"].transform("sum"),
    )
    return table[~searched | table.index.isin(best)]


def say_search(table: pd.DataFrame) -> list[str]:
    """Return a line on the searches of a table; none where there are none."""
    searches = table[table["rates"] > 1] if "rates" in table else table.iloc[:0]
    if searches.empty:
        return []
    numbers = "/".join(str(int(n)) for n in sorted(searches["rates"].unique()))
    least, most = searches["search_s"].min(), searches["search_s"].max()
    cost = f"{least:.0f}" if f"{least:.0f}" == f"{most:.0f}" else f"{least:.0f} to {most:.0f}"
    return [
        f"{TUNED}: the learning rate is the one of {numbers} with the least validation error, mean "
        f"over seeds; the whole search took {cost} s a row. Other rows are not tuned"
    ]
