"""Bytes that are no audio: tags as programs write them, other files, text, padding."""

import random
import struct


def id3v2(size: int, footer: bool = False, claimed: int | None = None) -> bytes:
    """An ID3v2.4 tag with a picture of `size` random bytes."""
    picture = b"\0image/jpeg\0\x03\0" + jpeg(size)
    body = b"APIC" + _syncsafe(len(picture)) + b"\0\0" + picture
    head = b"\x04\0" + (b"\x10" if footer else b"\0") + _syncsafe(len(body) if claimed is None else claimed)
    return b"ID3" + head + body + (b"3DI" + head if footer else b"")


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3v1(plus: bool = False) -> bytes:
    """ID3v1.1, with the 227 bytes of an enhanced tag before it if wanted."""
    fields = b"Title".ljust(30, b"\0") + b"Artist".ljust(30) + b"Album".ljust(30, b"\0") + b"2026"
    enhanced = b"TAG+" + b"A long title".ljust(180, b"\0") + bytes(43)
    return (enhanced if plus else b"") + b"TAG" + fields + b"a comment".ljust(28, b"\0") + b"\0\x07\x0c"


def ape(size: int, header: bool = True) -> bytes:
    """An APEv2 tag with a binary item, or (without a header) an APEv1 tag."""
    item = struct.pack("<II", size, 2) + b"Cover Art (Front)\0" + noise(size)
    fields = struct.pack("<III", 2000 if header else 1000, len(item) + 32, 1)
    start = b"APETAGEX" + fields + struct.pack("<I", 0xA000_0000) + bytes(8)
    end = b"APETAGEX" + fields + struct.pack("<I", 0x8000_0000 if header else 0) + bytes(8)
    return (start if header else b"") + item + end


def lyrics3(version: int) -> bytes:
    """A Lyrics3 tag."""
    if version == 1:
        return b"LYRICSBEGIN" + b"[00:01]la la la\r\n" * 50 + b"LYRICSEND"
    body = b"LYRICSBEGIN" + b"IND0000200" + b"LYR00400" + b"la" * 200
    return body + b"%06d" % len(body) + b"LYRICS200"


def jpeg(size: int) -> bytes:
    """What looks like a photograph."""
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01" + noise(size) + b"\xff\xd9"


def png(size: int) -> bytes:
    """What looks like a drawing."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + noise(size)


def noise(size: int) -> bytes:
    """Compressed data."""
    return random.Random(size).randbytes(size)


RIFF = b"RIFF\xa0\x86\x01\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\x88\x86\x01\0"
HTML = b"<html><body>" + b"<p>Hello world, some text.</p>\n" * 200 + b"</body></html>"

NO_AUDIO = {
    "nothing": b"",
    "id3v2 0.1 kB": id3v2(80),
    "id3v2 60 kB": id3v2(60_000),
    "id3v2 2 MB": id3v2(2_000_000),
    "id3v2 with a footer": id3v2(5_000, footer=True),
    "id3v2 cut short": id3v2(3_000, claimed=90_000),
    "id3v2 that counts too little": id3v2(9_000, claimed=2_000),
    "id3v2, then padding": id3v2(1_000) + bytes(2_000),
    "three id3v2": id3v2(20_000) + id3v2(100) + id3v2(3_000),
    "id3v1": id3v1(),
    "id3v1 enhanced": id3v1(plus=True),
    "ape": ape(40_000),
    "ape without a header": ape(40_000, header=False),
    "lyrics3 v1": lyrics3(1),
    "lyrics3 v2": lyrics3(2),
    "all of them": ape(3_000) + lyrics3(2) + id3v1() + id3v2(30_000),
    "4 kB of zeros": bytes(4_096),
    "200 kB of zeros": bytes(200_000),
    "ones": b"\xff" * 3_000,
    "html": HTML,
    "html, then id3v2": HTML + id3v2(3_000),
    "utf-8": "Привет мир, это текст. ".encode() * 200,
    "utf-16": ("Some other text. " * 300).encode("utf-16"),
    "json": b'{"a": [1, 2, 3], "b": "text"}' * 20,
    "jpeg": jpeg(50_000),
    "png": png(33_333),
    "a riff header": RIFF,
}
