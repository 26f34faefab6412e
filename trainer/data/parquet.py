"""Training data from parquet files, a batch of rows at a time."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow
from pyarrow import parquet

from core.errors import InvalidData
from trainer.data.files import Columns, Values, require_columns


def read_parquet(path: Path, columns: Columns) -> Iterator[Values]:
    """Yield the values of `columns` of each row.

    Raises:
        InvalidData: the file is damaged or lacks a column.
        OSError: the file cannot be read.
    """
    try:
        with parquet.ParquetFile(path) as file:
            require_columns(str(path), file.schema_arrow.names, columns)
            for batch in file.iter_batches(columns=list(columns)):
                yield from zip(*(batch.column(column).to_pylist() for column in columns), strict=True)
    except pyarrow.ArrowException as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise InvalidData(f"{path} is damaged ({said}); fetch or write it again.") from error
