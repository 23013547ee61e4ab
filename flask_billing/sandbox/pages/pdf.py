"""A document of one page, as PDF: lines of text with an amount at the right margin.

Written by hand (PDF 1.4, ISO 32000), because a library would be one more dependency for a file
that only has to open.
"""

from __future__ import annotations

from typing import NamedTuple

_WIDTH, _HEIGHT, _MARGIN = 595, 842, 64  # A4, in points
#: Width of a digit of Helvetica at one point; amounts are made of little else.
_DIGIT = 0.556


class Line(NamedTuple):
    """One line of text; ``amount`` stands at the right margin."""

    text: str
    amount: str = ""
    size: int = 11


def document(lines: list[Line]) -> bytes:
    """The file."""
    content = _content(lines)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources "
        b"<< /Font << /F 5 0 R >> >> >>" % (_WIDTH, _HEIGHT),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    written, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return written + (
        b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table)
        + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, len(written))
    )


def _content(lines: list[Line]) -> bytes:
    height, parts = _HEIGHT - _MARGIN, []
    for line in lines:
        height -= line.size + 9
        parts.append(_placed(line.text, _MARGIN, height, line.size))
        if line.amount:
            width = len(line.amount) * _DIGIT * line.size
            parts.append(_placed(line.amount, _WIDTH - _MARGIN - width, height, line.size))
    return b"\n".join(parts)


def _placed(text: str, x: float, y: float, size: int) -> bytes:
    safe = text.encode("cp1252", "replace")
    for byte in (b"\\", b"(", b")"):
        safe = safe.replace(byte, b"\\" + byte)
    return b"BT /F %d Tf %.1f %.1f Td (%b) Tj ET" % (size, x, y, safe)
