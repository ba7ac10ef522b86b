"""Row B14: a file is what it says, under a name that is only a name."""

import pytest

from doorward.controls.validate import ValidatePolicy
from doorward.controls.validate.multipart import Part
from doorward.controls.validate.uploads import check_upload
from doorward.denial import Denied

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
PDF = b"%PDF-1.7\n" + bytes(64)


def code(name: str, media_type: str, data: bytes, *declared: str) -> str:
    try:
        check_upload(Part("f", name, media_type, data), declared, ValidatePolicy())
    except Denied as denied:
        return denied.code
    return ""


@pytest.mark.parametrize(
    ("name", "media_type", "data"),
    [
        ("cat.png", "image/png", PNG),
        ("Lebenslauf (2) - José's.pdf", "application/pdf", PDF),
        ("報告書.pdf", "application/pdf", PDF),
        ("data.csv", "text/csv", b"a,b\n1,2\n"),
        ("notes.txt", "text/plain", b"x < y and y > z"),
        ("archive.tar.gz", "application/gzip", b"\x1f\x8b\x08"),
        ("book.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04"),
        ("photo.webp", "image/webp", b"RIFF\x10\0\0\0WEBPVP8 "),
        ("clip.mp4", "video/mp4", b"\0\0\0\x20ftypisom"),
        ("anim.gif", "image/gif", b"GIF89a\x10\0\x10\0"),
        ("blob", "application/octet-stream", b"\x00\x01\x02"),
        ("", "image/png", PNG),
    ],
)
def test_honest_files_pass(name: str, media_type: str, data: bytes) -> None:
    assert code(name, media_type, data) == ""


@pytest.mark.parametrize(
    "name",
    ["../a.png", "..\\a.png", "a/b.png", "C:a.png", "a\x00.png", ".htaccess", "a.png.", "a.png ", "a.php", "a.php.jpg", "a.PhTmL",
     "a.jpg.exe", "a\u202egnp.exe", "a%2e%2e.png", "a;b.png", "<a>.png", "x" * 256, "a|b.png", "shell.jsp", "a.svg", "a.html"],
)  # fmt: skip
def test_b14_a_name_that_is_more_than_a_name_is_refused(name: str) -> None:
    assert code(name, "image/png", PNG) == "validate.upload"


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/png", b"GIF89a"),
        ("image/jpeg", PNG),
        ("application/pdf", b"<html>"),
        ("image/webp", b"RIFF\0\0\0\0WAVE"),
        ("video/mp4", b"not a film at all"),
        ("image/svg+xml", b"<svg/>"),
        ("text/html", b"hello"),
        ("application/javascript", b"1"),
    ],
)
def test_content_of_another_type_is_refused(media_type: str, data: bytes) -> None:
    assert code("a.bin", media_type, data) == "validate.upload_type"


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/png", PNG + b"<?php system($_GET[0]); ?>"),
        ("image/gif", b"GIF89a/*" + bytes(8) + b"*/=1;alert(1)"),
        ("image/jpeg", b"\xff\xd8\xff\xe0/*" + bytes(8)),
        ("image/png", PNG + b"<script>alert(1)</script>"),
        ("text/plain", b"<svg onload=alert(1)>"),
        ("text/csv", b"<!DOCTYPE html><body>"),
        ("application/octet-stream", b"MZ\x90\0"),
        ("application/octet-stream", b"\x7fELF"),
        ("text/plain", b"#!/bin/sh\nid"),
        ("text/plain", b"hello <img src=x onerror=alert(1)>"),
        ("text/plain", b"<a href=' javascript:alert(1)'>"),
        ("text/plain", b" \t\n<h1>welcome</h1>"),
        ("text/csv", b"a,<iframe src=x>"),
        ("application/json", b"<body>"),
        ("application/octet-stream", b"\xef\xbb\xbf<title>a</title>"),
        ("text/plain", "<script>alert(1)</script>".encode("utf-16")),
        ("text/plain", "<body onload=alert(1)>".encode("utf-16-le")),
        ("application/octet-stream", "<svg onload=alert(1)>".encode("utf-16-be").join([b"\xfe\xff", b""])),
        ("text/plain", b"<x:a xmlns:x='http://www.w3.org/1999/xhtml'><x:b/></x:a>"),
        ("text/plain", b"<%= 1 %>"),
        ("image/png", PNG + b"<?=`$_GET[1]`?>"),
        ("image/png", PNG + b"<%@page import='java.io'%>"),
        ("image/png", PNG + b"<svg onload=alert(1)>"),
        ("application/octet-stream", b"L\0\0\0\x01\x14\x02\0" + bytes(16)),
        ("application/octet-stream", bytes(1 << 21) + b"<?php id"),
    ],
)
def test_content_that_is_run_where_it_is_opened_is_refused(media_type: str, data: bytes) -> None:
    assert code("a.bin", media_type, data) == "validate.upload"


@pytest.mark.parametrize("sign", [b"<?=", b"<%=", b"<%@", b"<svg "])
def test_signs_that_stand_in_pixels_by_chance_refuse_no_image(sign: bytes) -> None:
    """Three given bytes stand in every sixth random megabyte: only with text behind them are they code."""
    assert code("cat.png", "image/png", PNG + sign + bytes(range(128, 192))) == ""
    assert code("cat.png", "image/png", PNG + sign + b"ab\x80") == ""


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("text/plain", b"if a <b> c: <object object at 0x7f> on = 1"),
        ("text/markdown", b"<h1 align=center>Doorward</h1>\n<a href='https://example.com'>docs</a>"),
        ("text/plain", "<notes> über </notes>".encode("utf-16")),
        ("application/json", b'{"a": "<b>bold</b>"}'),
        ("text/csv", b"name,on=1\n<a b,c"),
    ],
)
def test_text_about_markup_is_no_markup(media_type: str, data: bytes) -> None:
    assert code("a.txt", media_type, data) == ""


def test_b15_an_archive_stays_closed_and_passes_as_what_it_is() -> None:
    bomb = b"PK\x03\x04" + b"../../etc/passwd" + bytes(1000)
    assert code("a.zip", "application/zip", bomb) == ""
    assert code("a.zip", "application/zip", b"not an archive") == "validate.upload_type"


def test_only_declared_types_are_taken_where_some_are_declared() -> None:
    assert code("a.png", "image/png", PNG, "image/png", "image/jpeg") == ""
    assert code("a.png", "image/png", PNG, "image/*") == ""
    assert code("a.pdf", "application/pdf", PDF, "image/*") == "validate.upload_type"


def test_a_declared_type_may_be_one_that_is_run() -> None:
    assert code("logo.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml") == ""
    assert code("page.html", "text/html", b"<html>", "text/html") == ""
    assert code("page.html", "text/html", b"<html>", "*/*") == ""
