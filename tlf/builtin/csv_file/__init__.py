"""Images listed in a CSV file, or in a table of parquet."""

from tlf.builtin.csv_file.dataset import Csv
from tlf.hookspecs import hookimpl


@hookimpl
def tlf_datasets() -> dict[str, type]:
    """Offer images listed in a CSV file."""
    return {"csv": Csv}
