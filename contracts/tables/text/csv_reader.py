"""pyarrow's reader of delimited text, set as a Format says."""

import pyarrow as pa
import pyarrow.csv as pacsv

from contracts.dataset.source import Format
from contracts.tables.text.decoding import Utf8Stream

REPEATED = pa.dictionary(pa.int32(), pa.string())  # how a column that repeats itself is read


def csv_reader(
    stream: Utf8Stream | pa.BufferReader,
    fmt: Format,
    names: list[str] | None,
    block_bytes: int,
    repeated: frozenset[str] = frozenset(),
    bad_lines: list[tuple[int, str]] | None = None,
) -> pacsv.CSVStreamingReader:
    """Reads `stream`, of valid UTF-8, in batches: the columns `names` as strings, of these the `repeated` ones as dictionaries.

    `names` are in file order. If they are None the first record has them, and the types are pyarrow's guess. The number in the
    file, from 1, and the text of every line with too many or too few cells go to `bad_lines`. Raises pyarrow's errors.
    """

    def keep_aside(row: pacsv.InvalidRow) -> str:
        if bad_lines is not None:
            bad_lines.append((row.number, row.text))
        return "skip"

    read = pacsv.ReadOptions(
        use_threads=False,  # only then does a bad line know its number
        block_size=block_bytes,
        column_names=None if fmt.header else names,
        skip_rows=fmt.skip_lines,
    )
    parse = pacsv.ParseOptions(
        delimiter=fmt.separator,
        quote_char=fmt.quote or False,
        escape_char=fmt.escape or False,
        newlines_in_values=fmt.quote is not None,
        invalid_row_handler=keep_aside,
    )
    convert = pacsv.ConvertOptions(
        column_types={name: REPEATED if name in repeated else pa.string() for name in names or ()},
        strings_can_be_null=False,
        check_utf8=False,  # the stream gives nothing else
    )
    return pacsv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)
