"""Frames, byte by byte and without a network."""

import random
import time
import tracemalloc

import pytest

from inbox.realtime import frames
from inbox.realtime.frames import FrameReader, Violation, close_frame, text_frame
from tests.realtime.wire_server import masked

LIMIT = 64 * 1024


def read_all(data: bytes, limit: int = LIMIT) -> list[tuple[int, bytes]]:
    reader = FrameReader(limit)
    reader.feed(data)
    return list(iter(reader.next, None))


def code_of(data: bytes, limit: int = LIMIT) -> int:
    """The close code that reading `data` ends with."""
    with pytest.raises(Violation) as caught:
        read_all(data, limit)
    return caught.value.code


def test_a_text_frame_says_its_length_in_the_shortest_form() -> None:
    assert text_frame(b"x" * 125)[:2] == b"\x81\x7d"
    assert text_frame(b"x" * 126)[:4] == b"\x81\x7e\x00\x7e"
    assert text_frame(b"x" * 65535)[:4] == b"\x81\x7e\xff\xff"
    assert text_frame(b"x" * 65536)[:10] == b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"


def test_a_long_reason_is_cut_between_two_characters() -> None:
    frame = close_frame(1008, "ü" * 100)
    assert len(frame) <= 2 + 125
    assert frame[4:].decode() == "ü" * 61


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_a_code_that_may_not_travel_is_not_sent(code: int) -> None:
    with pytest.raises(ValueError, match="close code"):
        close_frame(code)


def test_the_example_of_the_standard_is_read() -> None:
    # RFC 6455 section 5.7: "Hello", masked.
    assert read_all(bytes.fromhex("818537fa213d7f9f4d5158")) == [(frames.TEXT, b"Hello")]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536])
def test_every_form_of_length_is_read(size: int) -> None:
    payload = b"x" * size
    assert read_all(masked(frames.TEXT, payload)) == [(frames.TEXT, payload)]


def test_fragments_become_one_message_with_control_frames_between() -> None:
    stream = (
        masked(frames.TEXT, b"Hel", final=False)
        + masked(frames.PING, b"still there?")
        + masked(frames.CONTINUATION, b"", final=False)
        + masked(frames.PONG)
        + masked(frames.CONTINUATION, b"lo")
        + masked(frames.TEXT, b"next")
    )
    part = (frames.CONTINUATION, b"")
    assert read_all(stream) == [
        part,
        (frames.PING, b"still there?"),
        part,
        (frames.PONG, b""),
        (frames.TEXT, b"Hello"),
        (frames.TEXT, b"next"),
    ]


def test_a_masked_bit_missing_is_a_protocol_error() -> None:
    assert code_of(masked(frames.TEXT, b"x", mask=b"")) == 1002


@pytest.mark.parametrize("reserved", [1, 2, 4, 7])
@pytest.mark.parametrize("opcode", [frames.TEXT, frames.PING])
def test_a_reserved_bit_is_a_protocol_error(reserved: int, opcode: int) -> None:
    assert code_of(masked(opcode, reserved=reserved)) == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_an_unknown_opcode_is_a_protocol_error(opcode: int) -> None:
    assert code_of(masked(opcode)) == 1002


@pytest.mark.parametrize("opcode", [frames.CLOSE, frames.PING, frames.PONG])
def test_a_control_frame_is_short_and_whole(opcode: int) -> None:
    assert code_of(masked(opcode, b"x" * 126)) == 1002
    assert code_of(masked(opcode, b"x", final=False)) == 1002
    assert read_all(masked(opcode, b"x" * 125)) == [(opcode, b"x" * 125)]


def test_a_binary_frame_is_not_supported() -> None:
    assert code_of(masked(frames.BINARY, b"x")) == 1003


def test_fragments_out_of_order_are_a_protocol_error() -> None:
    assert code_of(masked(frames.CONTINUATION, b"x")) == 1002
    begun = masked(frames.TEXT, b"x", final=False)
    assert code_of(begun + masked(frames.TEXT, b"y")) == 1002
    assert code_of(begun + masked(frames.BINARY, b"y")) == 1002


@pytest.mark.parametrize(
    "head", ["81fe007d", "81ff000000000000ffff", "81ff8000000000010000"], ids=["16 bit", "64 bit", "sign bit"]
)
def test_a_length_in_a_longer_form_than_needed_is_a_protocol_error(head: str) -> None:
    assert code_of(bytes.fromhex(head)) == 1002


@pytest.mark.parametrize("junk", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"])
def test_text_that_is_not_utf8_is_invalid_data(junk: bytes) -> None:
    assert code_of(masked(frames.TEXT, b"ok " + junk)) == 1007
    assert code_of(masked(frames.TEXT, b"ok", final=False) + masked(frames.CONTINUATION, junk)) == 1007


def test_a_character_may_be_cut_by_fragments() -> None:
    letter = "€".encode()
    stream = masked(frames.TEXT, letter[:1], final=False)
    stream += masked(frames.CONTINUATION, letter[1:2], final=False) + masked(frames.CONTINUATION, letter[2:])
    assert read_all(stream)[-1] == (frames.TEXT, letter)


def test_invalid_text_is_refused_before_its_last_fragment() -> None:
    assert code_of(masked(frames.TEXT, b"\xff", final=False)) == 1007


def test_a_frame_over_the_limit_is_refused_from_its_header() -> None:
    assert code_of(bytes.fromhex("81ff0000000000010001")) == 1009
    assert code_of(bytes.fromhex("81ff7fffffffffffffff")) == 1009
    assert len(read_all(masked(frames.TEXT, b"x" * 1000), limit=1000)) == 1
    assert code_of(masked(frames.TEXT, b"x" * 1001)[:4], limit=1000) == 1009


def test_fragments_over_the_limit_are_refused_from_the_header_that_crosses_it() -> None:
    begun = masked(frames.TEXT, b"x" * 900, final=False)
    assert read_all(begun + masked(frames.CONTINUATION, b"x" * 100), limit=1000)[-1][0] == frames.TEXT
    assert code_of(begun + masked(frames.CONTINUATION, b"x" * 101)[:2], limit=1000) == 1009


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x0f\xa0ok", b"\x03\xf4", b"\x13\x87"])
def test_a_sound_close_is_accepted(payload: bytes) -> None:
    assert frames.close_code(payload) == (int.from_bytes(payload[:2], "big") or 1005)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_close_code_that_may_not_travel_is_a_protocol_error(code: int) -> None:
    with pytest.raises(Violation) as caught:
        frames.close_code(code.to_bytes(2, "big"))
    assert caught.value.code == 1002


def test_a_malformed_close_body_is_refused() -> None:
    with pytest.raises(Violation) as caught:
        frames.close_code(b"\x03")
    assert caught.value.code == 1002
    with pytest.raises(Violation) as caught:
        frames.close_code(b"\x03\xe8\xff")
    assert caught.value.code == 1007


def _conversation(dice: random.Random) -> tuple[bytes, list[tuple[int, bytes]]]:
    """A stream of valid frames, and what a reader has to make of it apart from fragment notes."""
    stream, expected = b"", []
    for _ in range(30):
        text = "".join(dice.choices("aü€😀 ", k=dice.choice([0, 1, 30, 200, 3000]))).encode()
        pieces = [text[at : at + 700] for at in range(0, len(text), 700)] or [b""]
        for number, piece in enumerate(pieces):
            opcode = frames.CONTINUATION if number else frames.TEXT
            stream += masked(opcode, piece, final=piece is pieces[-1], mask=dice.randbytes(4))
            if dice.random() < 0.2:
                ping = (frames.PING, dice.randbytes(dice.randrange(126)))
                stream += masked(*ping)
                expected.append(ping)
                # A control frame after the last piece comes behind the message.
                if piece is pieces[-1]:
                    expected.insert(-1, (frames.TEXT, text))
            elif piece is pieces[-1]:
                expected.append((frames.TEXT, text))
    return stream, expected


@pytest.mark.parametrize("seed", range(12))
def test_however_a_stream_is_chopped_the_frames_are_the_same(seed: int) -> None:
    dice = random.Random(seed)
    stream, expected = _conversation(dice)
    reader, seen, at = FrameReader(LIMIT), [], 0
    while at < len(stream):
        step = dice.choice([1, 2, 3, 7, 100, 5000])
        reader.feed(stream[at : at + step])
        at += step
        seen += list(iter(reader.next, None))
    assert [frame for frame in seen if frame[0] != frames.CONTINUATION] == expected
    assert reader.waiting == 0


@pytest.mark.parametrize("seed", range(4))
def test_noise_ends_in_a_violation_or_in_waiting_never_in_another_error(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(500):
        reader = FrameReader(1000)
        reader.feed(dice.randbytes(dice.randrange(40)))
        try:
            list(iter(reader.next, None))
        except Violation as violation:
            assert violation.code in (1002, 1003, 1007, 1009)


def test_reading_costs_the_same_per_byte_however_much_comes_at_once() -> None:
    def seconds(data: bytes, step: int) -> float:
        reader = FrameReader(LIMIT)
        begun = time.process_time()
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
            while reader.next() is not None:
                pass
        return time.process_time() - begun

    frame = masked(frames.TEXT, b"x" * 20)
    few, many = seconds(frame * 2_000, 1 << 30), seconds(frame * 40_000, 1 << 30)
    assert many < 20 * few * 3
    # A frame of the largest size, byte by byte: copying the rest each time would move 2 GB here.
    assert seconds(masked(frames.TEXT, b"x" * LIMIT), 1) < 1.0


def test_empty_fragments_without_end_hold_no_memory() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(masked(frames.TEXT, b"", final=False))
    reader.next()
    chunk = masked(frames.CONTINUATION, b"", final=False) * 10_000
    tracemalloc.start()
    for _ in range(5):
        reader.feed(chunk)
        while reader.next() is not None:
            pass
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20_000
