"""Whose rows are looked for: a value of the declaration's entity, as it may stand in files and in the journal."""

from dataclasses import dataclass
from functools import cached_property
from mmap import mmap

from contracts.dataset.declaration import Declaration
from contracts.tables.spellings import Misspelt, TooLarge, whole_number
from serving.triton.journal.privacy import fingerprint, pseudonym


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One user. `key` is the journal's; None if there is none, and then nothing is hashed."""

    column: str  # the declaration's entity
    value: str
    is_whole: bool  # of dtype int, which may be spelt in several ways
    in_caller_keys: bool  # are rows whose caller's key is the value this user's too
    key: bytes | None

    @cached_property
    def texts(self) -> tuple[bytes, ...]:
        """How the value is written as it comes, of a whole number the usual way as well."""
        usual = [str(whole_number(self.value))] if self.is_whole else []
        return tuple(dict.fromkeys(text.encode() for text in (self.value, *usual)))

    @cached_property
    def hashes(self) -> tuple[bytes, ...]:
        return () if self.key is None else tuple(pseudonym(self.key, text) for text in self.texts)

    @property
    def fingerprint(self) -> str | None:
        return None if self.key is None else fingerprint(self.key)

    def may_be_in(self, content: mmap | bytes) -> bool:
        """False only if no text in it is the value."""
        return self.is_whole or any(content.find(text) >= 0 for text in (*self.texts, *self.hashes))

    def is_meant(self, text: bytes) -> bool:
        """Does a text that was not hidden mean the value."""
        if text in self.texts:
            return True
        try:
            return self.is_whole and bool(text) and whole_number(text.decode()) == whole_number(self.value)
        except (Misspelt, TooLarge, UnicodeDecodeError):
            return False


def wanted_of(declaration: Declaration, value: str, in_caller_keys: bool, key: bytes | None) -> Wanted:
    """Raises ValueError if the data set has no entity, or the value cannot be one."""
    entity = declaration.entity
    if entity is None:
        raise ValueError(
            f"the declaration of {declaration.name} says of no column that it is the user: give one `role: entity` in conf/data/"
        )
    if not value.strip():
        raise ValueError(f'a value of {entity.name} is required: make erase ENTITY="..."')
    is_whole = entity.dtype == "int"
    try:
        whole_number(value) if is_whole else value
    except (Misspelt, TooLarge):
        raise ValueError(f"column {entity.name} has dtype int, and '{value}' is no whole number") from None
    return Wanted(column=entity.name, value=value, is_whole=is_whole, in_caller_keys=in_caller_keys, key=key)
