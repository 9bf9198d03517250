"""A segment that is damaged anywhere: the damage is named, and the rest is read."""

import pytest

from lifecycle.journal.segments import Damage, NotASegment, Segment
from lifecycle.journal.served import only_one, serve_segment
from serving.triton.journal.layout import ANSWERS, FRAME_HEAD, SEGMENT_HEAD
from tests.lifecycle.journal.journal_world import a_journal


@pytest.fixture
def path(tmp_path):
    return a_journal(tmp_path).segments()[0]


def frames_of(path):
    segment = Segment(path)
    found = [*segment.frames()]
    segment.close()
    return found, segment.damages


def test_a_flipped_byte_costs_its_frame_and_is_named(path):
    whole, content = frames_of(path)[0], path.read_bytes()
    for frame in whole[1:]:
        for place in (frame.start - 16, frame.start - 9, frame.start - 5, frame.start - 1, frame.start, frame.end - 1):
            path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
            found, damages = frames_of(path)
            assert found == [other for other in whole if other != frame], place
            at, end = frame.start - FRAME_HEAD.size, frame.end
            assert damages == [Damage(segment=path.name, start=at, end=end, is_torn=end == len(content))], place


def test_a_last_frame_that_is_torn_anywhere_is_told_and_the_others_are_read(path):
    whole, content = frames_of(path)[0], path.read_bytes()
    last = [frame for frame in whole if frame.kind == ANSWERS][-1]
    begun = last.start - FRAME_HEAD.size + 1
    for end in (*range(begun, begun + 60), *range(begun + 60, last.end, 211), last.end - 1):
        path.unlink()  # a file that is emptied and written again makes some file systems wait for the disk
        path.write_bytes(content[:end])
        found, damages = frames_of(path)
        assert found == whole[: whole.index(last)]
        assert len(damages) == 1 and damages[0].is_torn
        assert str(damages[0]) == f"{path.name}: bytes {last.start - FRAME_HEAD.size} to {end}: its last frame is torn"


def test_what_looks_like_a_frame_within_damage_is_none(path):
    content, whole = path.read_bytes(), frames_of(path)[0]
    frame = whole[1]
    path.write_bytes(content[: frame.start] + b"\xf7JR\n" * 3 + content[frame.start + 12 :])
    found, damages = frames_of(path)
    assert found == [whole[0], *whole[2:]]
    assert [(damage.start, damage.end) for damage in damages] == [(frame.start - FRAME_HEAD.size, frame.end)]


def test_another_format_is_refused_by_name(path):
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\x09" + content[9:])
    with pytest.raises(NotASegment, match=f"{path.name} has format 9 of the journal, this program reads format 1"):
        Segment(path)


@pytest.mark.parametrize("content", [b"", b"adcl", b"something else entirely, and long"])
def test_what_is_no_segment_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(NotASegment, match=f"{path.name} is no segment of a journal"):
        Segment(path)


def test_a_damaged_header_is_told_as_that(path):
    content, first = path.read_bytes(), frames_of(path)[0][0]
    path.write_bytes(content[: first.start + 3] + b"?" + content[first.start + 4 :])
    with pytest.raises(NotASegment, match="the frame that says what is in it is damaged, so its rows cannot be read"):
        Segment(path)
    path.write_bytes(content[: SEGMENT_HEAD.size])
    with pytest.raises(NotASegment, match=path.name):
        Segment(path)


def test_what_is_damaged_is_noted_beside_what_was_read(tmp_path, path):
    frame = frames_of(path)[0][2]
    content = bytearray(path.read_bytes())
    content[frame.start + 40] ^= 1
    path.write_bytes(content)
    with only_one(tmp_path):
        done = serve_segment(tmp_path, path)
    assert done.rows == 312 - 6 and done.is_ended
    assert [(damage["start"], damage["end"]) for damage in done.damages] == [(frame.start - FRAME_HEAD.size, frame.end)]
