"""What the demo's own files hold, read by pyarrow, in the words that Outhaul's texts have for values: what a file of the Zoho dialect must hold."""

import pathlib
import re
import tomllib

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def texts(column):
    """The values of a column as Outhaul writes them into text; nulls are empty."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_timestamp(column.type):
        assert column.type.tz == "UTC", column.type
        micros = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        seconds = pc.floor(pc.divide(micros.cast(pa.float64()), 1e6)).cast(pa.int64())
        walls = pc.strftime(seconds.cast(pa.timestamp("s")), "%Y-%m-%dT%H:%M:%S").to_pylist()
        parts = pc.subtract(micros, pc.multiply(seconds, 1_000_000)).to_pylist()
        return ["" if wall is None else wall + fraction(part) + "Z" for wall, part in zip(walls, parts)]
    if pa.types.is_boolean(column.type):
        return [{None: "", True: "true", False: "false"}[value] for value in column.to_pylist()]
    return pc.fill_null(column.cast(pa.string()), "").to_pylist()


def fraction(micros):
    if micros == 0:
        return ""
    return f".{micros // 1000:03}" if micros % 1000 == 0 else f".{micros:06}"


def label(named):
    """What an object or a field is called: its label, or the words of its name."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", named["name"].replace("_", " ")).split()
    return named.get("label", " ".join(word[0].upper() + word[1:] for word in words))


class View:
    """An object of the catalog with the rows of one tenant."""

    def __init__(self, folder, tenant, name):
        folder = pathlib.Path(folder)
        catalog = tomllib.loads((folder / "catalog.toml").read_text())
        (self.object,) = [item for item in catalog["objects"] if item["name"] == name]
        table = pq.read_table(folder / "data" / self.object["table"])
        table = table.filter(pc.field("tenant") == tenant)
        if deleted := self.object.get("deleted_column"):
            table = table.filter(~pc.field(deleted))
        self.fields = self.object["fields"]
        self.names = [label(field) for field in self.fields]
        assert len(set(self.names)) == len(self.names), self.names
        self.columns = {shown: table[field["name"]] for shown, field in zip(self.names, self.fields)}
        self.key = self.names[[field["name"] for field in self.fields].index(self.object["key"][0])]

    def shown(self, hidden=True):
        """The columns of an export that names none."""
        wanted = [field for field in self.fields if (hidden or not field.get("optional")) and not field.get("sensitive")]
        return [label(field) for field in wanted]

    def type(self, name):
        return self.columns[name].type

    def rows(self, names, where=None):
        """The rows as texts, those for which `where` says so of a row's dictionary of values, in the order of their texts."""
        columns = [texts(self.columns[name]) for name in names]
        rows = list(zip(*columns))
        if where is not None:
            values = pa.table(self.columns).to_pylist()
            rows = [row for row, value in zip(rows, values) if where(value)]
        return sorted(rows)
