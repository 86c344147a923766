# SPDX-License-Identifier: ISC
"""report.c and envelope.c: whatever a server sends, a record stays one record."""

import ctypes
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import REPLY_COMPLETE, REPLY_ENHANCED_SIZE, REPORT_MAX, REPORT_REPLY_MAX, Buf, Envelope, Report, feed, lib, read_reply


def without_nul(octets: bytes) -> bytes:
    """Octets that can be a C string."""
    return octets.replace(b"\0", b"\n")


def without_lf(octets: bytes) -> bytes:
    """Octets that can be one line."""
    return octets.replace(b"\n", b"\0")


WORDS = (
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20).map(str.encode)
    | st.binary(max_size=20).map(without_nul)
    | st.sampled_from([b"a" * 499 + "ü".encode(), b"\xff" * 600, "\x85ü".encode() * 200, b"a" * 1200])
)
LETTERS = st.sampled_from("hsKZD")
CODES = st.sampled_from(["", "4.4.2", "5.123.456", "2.0.0"])
# Reply lines of every octet but LF, and some so long that they are cut, within a character and between two.
REPLY_TEXTS = st.lists(
    st.binary(max_size=10).map(without_lf)
    | st.sampled_from([b"", b"\0", b"a" * 4091, "€".encode() * 1300, b"\x80" * 4000, b"K\0Z\0", b"\r" * 3]),
    min_size=1, max_size=4,
)  # fmt: skip

NO_REPLIES = st.lists(
    st.sampled_from([b"\n", b"\r\n", b" \n", b"\0\n", b"250-a\n", b"550-b\n", b"junk\n"]) | st.binary(max_size=5)
).map(b"".join)


def reply_octets(texts: list[bytes]) -> bytes:
    """A reply with these texts after its code."""
    lines = [b"550-" + text for text in texts[:-1]] + [b"550 " + texts[-1]]
    return b"".join(line + b"\r\n" for line in lines)


def emitted(letter: str, code: str, who: bytes, what: bytes, reply: bytes | None) -> bytes:
    """The record of a report."""
    report, results = Report(), Buf()
    lib.report_write(ctypes.byref(report), letter.encode(), code.encode(), who, what)
    if reply is not None:
        lib.report_add_reply(ctypes.byref(report), ctypes.byref(read_reply(reply)))
    lib.report_emit(ctypes.byref(results), ctypes.byref(report))
    octets = results.octets()
    lib.report_free(ctypes.byref(report))
    lib.buf_free(ctypes.byref(results))
    return octets


@pytest.mark.spec("RES-1", "RES-6")
@given(LETTERS, CODES, WORDS, WORDS, st.none() | REPLY_TEXTS.map(reply_octets))
def test_no_text_breaks_a_record(letter: str, code: str, who: bytes, what: bytes, reply: bytes | None) -> None:
    """One NUL, at the end; its letter first; UTF-8 without controls; no blank line; a limited length."""
    record = emitted(letter, code, who, what, reply)
    assert record.count(b"\0") == 1 and record.endswith(b"\n\0")
    assert record.startswith(letter.encode())
    text = record[1:-1].decode()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "\n\n" not in record.decode() and not text.startswith("\n")
    assert len(record) <= REPORT_MAX


@pytest.mark.spec("RES-6")
@given(REPLY_TEXTS)
def test_a_reply_is_shown_with_all_its_lines(texts: list[bytes]) -> None:
    """Printable text is unchanged, everything else becomes `?`, and at most 5,000 octets are kept."""
    record = emitted("D", "5.1.1", b"mx", b"said no.", reply_octets(texts))
    shown = record.removeprefix(b"Dmx said no. (#5.1.1)\nRemote host said: ").removesuffix(b"\0")
    assert shown != record
    whole = shown
    shown = shown.removesuffix(b"(The reply is longer than is shown here.)\n")
    lines = [b"550-" + text for text in texts[:-1]] + [b"550 " + texts[-1]]
    lines = [line.removesuffix(b"\r") for line in lines]  # a CR too many is part of the line end
    expected = "".join(printable(line) + "\n" for line in lines).encode()
    if len(expected) <= REPORT_REPLY_MAX:
        assert whole == expected
    else:
        kept = shown[:-1] if not expected.startswith(shown) else shown
        assert whole != shown and expected.startswith(kept) and REPORT_REPLY_MAX - 4 < len(kept) <= REPORT_REPLY_MAX


@given(NO_REPLIES)
def test_what_is_no_reply_breaks_no_record_either(octets: bytes) -> None:
    """Whatever reply_feed() kept of it can be shown."""
    report, results = Report(), Buf()
    lib.report_write(ctypes.byref(report), b"Z", b"4.5.0", b"mx", b"sent no valid SMTP reply.")
    lib.report_add_reply(ctypes.byref(report), ctypes.byref(feed([octets])[1]))
    lib.report_emit(ctypes.byref(results), ctypes.byref(report))
    record = results.octets()
    assert record.count(b"\0") == 1 and record.endswith(b"\n\0") and b"\n\n" not in record
    lib.report_free(ctypes.byref(report))
    lib.buf_free(ctypes.byref(results))


def printable(line: bytes) -> str:
    """The same as text.h says, with Python's decoder."""
    text, rest = "", line
    while rest:
        for length in range(1, 5):
            try:
                character = rest[:length].decode()
            except UnicodeDecodeError:
                continue
            rest = rest[length:]
            text += "?" if re.match(r"[\x00-\x1f\x7f-\x9f]", character) else character
            break
        else:
            text, rest = text + "?", rest[1:]
    return text


@pytest.mark.spec("RES-3")
def test_nothing_stands_after_r() -> None:
    """The record of an accepted recipient is two octets, even if there is a text."""
    assert emitted("r", "", b"mx", b"said ok.", None) == b"r\0"


def test_what_is_undecided_is_not_emitted() -> None:
    """A report without a letter gives no octets."""
    results = Buf()
    lib.report_emit(ctypes.byref(results), ctypes.byref(Report()))
    assert results.octets() == b""


@pytest.mark.spec("RES-4")
def test_a_report_without_its_text_leaves_no_gap() -> None:
    """If memory was short, the next record would be taken for that of this recipient: all results are lost."""
    report, results = Report(), Buf()
    lib.report_write(ctypes.byref(report), b"h", b"5.1.1", b"mx", b"does not like recipient.")
    report.text.failed = True
    lib.report_emit(ctypes.byref(results), ctypes.byref(report))
    assert results.failed
    lib.report_free(ctypes.byref(report))
    lib.buf_free(ctypes.byref(results))


@pytest.mark.spec("RES-5")
def test_the_form_of_a_report() -> None:
    """qmail's: who, what, the code, and what the other side said."""
    record = emitted("D", "5.1.1", b"mx.example [192.0.2.25]", b"refused it.", b"550-no\r\n550 such user\r\n")
    assert record == b"Dmx.example [192.0.2.25] refused it. (#5.1.1)\nRemote host said: 550-no\n550 such user\n\0"
    assert emitted("K", "", b"mx", b"accepted message.", None) == b"Kmx accepted message.\n\0"


@pytest.mark.spec("RES-5")
@given(LETTERS, CODES, REPLY_TEXTS.map(reply_octets))
def test_letter_and_code_agree(letter: str, code: str, reply: bytes) -> None:
    """Z and s never have a code of class 5, D and h never one of class 4, wherever the code comes from."""
    own = ctypes.create_string_buffer(REPLY_ENHANCED_SIZE)
    given_code = own.value.decode() if lib.reply_enhanced(ctypes.byref(read_reply(reply)), own) else code
    record = emitted(letter, given_code, b"mx", b"said no.", None)
    shown = re.search(rb" \(#(\d)\.", record)
    assert (shown and shown[1]) == ((b"5" if letter in "Dh" else b"4") if given_code else None)


ARGUMENTS = st.lists(
    st.sampled_from([b"bob@example.org", b"m\xc3\xbc@example.org", b"", b"bad\n@x", b"x@bad domain"]),
    min_size=1, max_size=6,
)  # fmt: skip


@pytest.mark.spec("ADR-1", "ADR-3", "RES-4")
@given(ARGUMENTS, st.sampled_from([b"alice@sender.example", b"", b"#@[]", b"\xc3\xbc@sender.example", b"bad\r@x"]))
def test_envelopes(recipients: list[bytes], sender: bytes) -> None:
    """Paths in the order of the arguments; a report in the place of each invalid address."""
    envelope, failure = Envelope(), Report()
    arguments = (ctypes.c_char_p * len(recipients))(*recipients)
    lib.envelope_build(ctypes.byref(envelope), sender, arguments, len(recipients))
    built = lib.envelope_check(ctypes.byref(envelope), sender, ctypes.byref(failure))
    good = [one for one in recipients if one.endswith(b"@example.org")]
    code = b"5.1.7" if b"\r" in sender else b"5.1.3" if not good else b""
    assert (built, failure.letter, failure.code) == (not code, b"D" if code else b"\0", code)
    paths = [(one.path.octets(), one.report.letter, one.report.code) for one in envelope.recipients[: envelope.count]]
    assert paths == [(b"<" + one + b">", b"\0", b"") if one in good else (b"", b"h", b"5.1.3") for one in recipients]
    assert lib.envelope_open_count(ctypes.byref(envelope)) == len(good)
    if built:
        assert envelope.sender.octets() == (b"<>" if sender in (b"", b"#@[]") else b"<" + sender + b">")
        assert lib.envelope_needs_utf8(ctypes.byref(envelope)) == any(not one.isascii() for one in [sender, *good])
    check_emission(envelope, len(recipients) - len(good))
    lib.report_free(ctypes.byref(failure))
    lib.envelope_free(ctypes.byref(envelope))


def check_emission(envelope: Envelope, refused: int) -> None:
    """After envelope_reserve() the results need no more memory, however long the message report is."""
    report = Report()
    lib.report_write(ctypes.byref(report), b"K", b"5.123.45678", b"a" * 600, b"b" * 600)
    lib.report_add_reply(ctypes.byref(report), ctypes.byref(read_reply(reply_octets([b"c" * 4000, b"d" * 4000]))))
    assert lib.envelope_reserve(ctypes.byref(envelope))
    reserved = envelope.results.capacity
    lib.envelope_emit(ctypes.byref(envelope), ctypes.byref(report))
    lib.report_free(ctypes.byref(report))
    records = envelope.results.octets().split(b"\0")
    assert [record[:1] for record in records] == [b"h"] * refused + [b"K", b""]
    assert envelope.results.capacity == reserved


def test_the_helper_reads_whole_replies() -> None:
    """What this file calls a reply is one."""
    assert feed([reply_octets([b"", b"a"])])[0].state == REPLY_COMPLETE
