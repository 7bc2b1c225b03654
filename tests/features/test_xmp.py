"""Star ratings: read as photo programs write them, written as another XMP library reads them."""

import os
import re
import stat
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyexiv2
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from xmp_packets import packet, properties_in, refusal, sidecar_of

from features import replacing
from features.xmp import MAX_XMP_BYTES, read_rating, write_rating

# The forms that the programs write, with their line breaks.
DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:darktable="http://darktable.sf.net/"
   exif:DateTimeOriginal="2026:05:01 10:20:30.000"
   xmp:Rating="4"
   xmpMM:DerivedFrom="photo.jpg"
   darktable:xmp_version="5"
   darktable:history_end="1">
   <darktable:masks_history>
    <rdf:Seq/>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="exposure"
      darktable:enabled="1"
      darktable:params="00000000000000003333733f"
      darktable:multi_name=""
      darktable:blendop_params="gz11eJxjYGBgkGAAgRNODGiAEV0AJ2iwh+CRyscOAAdeGQQ="/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
LIGHTROOM = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:CreatorTool="Adobe Photoshop Lightroom Classic 13.2"
   xmp:Rating="4"
   xmp:Label="Red"
   crs:Exposure2012="+0.35">
   <dc:title>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">Höhle &amp; See: xmp:Rating="1"</rdf:li>
    </rdf:Alt>
   </dc:title>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
DIGIKAM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   MicrosoftPhoto:Rating="25"
   digiKam:PickLabel="2"
   xmp:Rating="4">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>People/Ada</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
# Adobe's older form: an element a property, a description a namespace, and the alias xap.
BRIDGE = """<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\r
<!-- kept > "so" -->\r
<x:xmpmeta xmlns:x='adobe:ns:meta/'>\r
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\r
 <rdf:Description rdf:about='uuid:1' xmlns:dc='http://purl.org/dc/elements/1.1/' dc:format='a>b'/>\r
 <rdf:Description rdf:about='uuid:1' xmlns:xap='http://ns.adobe.com/xap/1.0/'>\r
  <xap:Rating>4</xap:Rating>\r
 </rdf:Description>\r
</rdf:RDF>\r
</x:xmpmeta>\r
<?xpacket end='r'?>"""
PROGRAMS = {"darktable": DARKTABLE, "Lightroom": LIGHTROOM, "digiKam": DIGIKAM, "Bridge": BRIDGE}


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (8, 8)).save(path)
    return path


# What is read


def test_a_name_with_a_nul_has_no_rating_and_gets_no_sidecar(tmp_path):
    photo = tmp_path / "photo\0.jpg"
    assert read_rating(photo) is None
    message = refusal(write_rating, sidecar_of(photo), 3)
    assert message == f"{photo}.xmp: cannot be written: embedded null byte"


@pytest.mark.parametrize("program", PROGRAMS)
def test_ratings_are_read_as_programs_write_them(photo, program):
    sidecar_of(photo, PROGRAMS[program])
    assert read_rating(photo) == 4


@pytest.mark.parametrize("naming", ["photo.jpg.xmp", "photo.xmp"])
def test_sidecars_have_two_names(photo, naming):
    (photo.parent / naming).write_text(packet('xmp:Rating="2"'))
    assert read_rating(photo) == 2


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_ratings_in_the_photo_itself_are_read(tmp_path, suffix):
    path = tmp_path / f"photo.{suffix}"
    xmp = packet('xmp:Rating="5"')
    options = {"xmp": xmp.encode()}
    if suffix == "png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", xmp)
        options = {"pnginfo": chunks}
    elif suffix == "tif":
        options = {"tiffinfo": {700: xmp.encode()}}
    Image.new("RGB", (8, 8)).save(path, **options)
    assert read_rating(path) == 5


def test_ratings_that_exiv2_puts_into_a_jpeg_are_read(photo):
    with pyexiv2.Image(str(photo)) as image:
        image.modify_xmp({"Xmp.xmp.Rating": "3"})
    assert read_rating(photo) == 3


def test_a_sidecar_goes_before_the_photo_and_the_full_name_before_the_short(photo):
    Image.new("RGB", (8, 8)).save(photo, xmp=packet('xmp:Rating="1"').encode())
    photo.with_suffix(".xmp").write_text(packet('xmp:Rating="2"'))
    assert read_rating(photo) == 2
    sidecar_of(photo, packet('xmp:Rating="0"'))
    assert read_rating(photo) == 0
    sidecar_of(photo, packet('xmp:Label="Red"'))
    assert read_rating(photo) == 2


@pytest.mark.parametrize(
    ("text", "rating"),
    [("-1", -1), ("0", 0), (" 3 ", 3), ("4.000000", 4), ("3.5", 3.5), ("", None)],
)
def test_ratings_are_numbers_of_the_standard(photo, text, rating):
    sidecar_of(photo, packet(f'xmp:Rating="{text}"'))
    assert read_rating(photo) == rating
    sidecar_of(photo, packet("", inner=f"<xmp:Rating>{text}</xmp:Rating>"))
    assert read_rating(photo) == rating


@pytest.mark.parametrize("text", ["6", "-2", "nan", "1e999", "four", "4 5"])
def test_other_ratings_are_refused(photo, text):
    sidecar = sidecar_of(photo, packet(f'xmp:Rating="{text}"'))
    message = f"{sidecar}: its rating {text!r} is not -1 or 0 to 5; correct it"
    assert refusal(read_rating, photo) == message


@pytest.mark.parametrize(
    "xmp",
    [
        packet('M:Rating="75"', 'xmlns:M="http://ns.microsoft.com/photo/1.0/"'),
        packet('Rating="4"'),
        packet('xmp:rating="4"'),
        # A montage holds the properties of its parts.
        packet(
            "",
            'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"',
            '<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description xmp:Rating="4"/></rdf:li></rdf:Bag>'
            "</xmpMM:Pantry>",
        ),
        packet("", 'xmlns:a="u:a"', "<a:b><xmp:Rating>4</xmp:Rating></a:b>"),
        "<rating>4</rating>",
    ],
)
def test_what_is_no_rating_of_the_photo_is_passed_over(photo, xmp):
    sidecar_of(photo, xmp)
    assert read_rating(photo) is None


def test_a_photo_without_xmp_has_no_rating(photo, tmp_path):
    assert read_rating(photo) is None
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert read_rating(tmp_path / "broken.jpg") is None
    assert read_rating(tmp_path / "nowhere.jpg") is None
    assert read_rating(tmp_path / f"{'n' * 250}.jpg") is None


@pytest.mark.parametrize(
    "kind, content", [("ASCII", "text"), ("LONG", 7), ("DOUBLE", 0.5), ("LONG", (1, 2))]
)
def test_a_tiff_with_something_else_in_the_place_of_its_xmp_has_no_rating(tmp_path, kind, content):
    path = tmp_path / "photo.tif"
    n_values = len(content) if isinstance(content, tuple) else 1
    tag = (700, tifffile.DATATYPE[kind], n_values, content, True)
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), extratags=[tag])
    with Image.open(path) as image:
        assert image.info["xmp"] == content
    assert read_rating(path) is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings_are_read_where_they_are_declared(photo, encoding):
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>' + packet('xmp:Rating="4" xmp:Label="é"')
    sidecar_of(photo, text.encode(encoding))
    assert read_rating(photo) == 4


# Damage and malice

BOMB = """<!DOCTYPE x [<!ENTITY a "4"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"""


@pytest.mark.parametrize(
    ("xmp", "reason"),
    [
        ("", "its XMP is damaged (no element found: line 1, column 0); rate it anew"),
        (DARKTABLE[:400], "its XMP is damaged"),
        (b"\x00\x01 no text", "its XMP is damaged"),
        (packet('xmp:Label="\xe9"').encode("latin-1"), "its XMP is damaged"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "its XMP is damaged"),
        (BOMB + packet('xmp:Rating="&b;"'), "its XMP holds a document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd">' + packet(""), "its XMP holds a document type"),
        (packet('xmp:Rating="&b;"'), "its XMP is damaged (undefined entity"),
        (packet("", inner="<xmp:Rating><b/></xmp:Rating>"), "is not a plain number"),
        (packet('xmp:Rating="1"', inner="<xmp:Rating>2</xmp:Rating>"), "several ratings"),
    ],
)
def test_xmp_that_cannot_be_read_gives_one_line_and_is_not_written(photo, xmp, reason):
    sidecar = sidecar_of(photo, xmp)
    before = sidecar.read_bytes()
    for call in (read_rating, photo), (write_rating, sidecar, 3):
        message = refusal(*call)
        assert message.startswith(f"{sidecar}: ")
        assert reason in message
    assert sidecar.read_bytes() == before


def test_huge_files_folders_and_pipes_are_no_sidecars(photo):
    sidecar = sidecar_of(photo)
    with sidecar.open("wb") as file:
        file.truncate(MAX_XMP_BYTES + 1)
    assert "bytes, more than" in refusal(read_rating, photo)
    sidecar.unlink()
    os.mkfifo(sidecar)
    assert "is not a regular file" in refusal(read_rating, photo)
    sidecar.unlink()
    sidecar.mkdir()
    assert "is not a regular file" in refusal(write_rating, sidecar, 3)


# What is written


@pytest.mark.parametrize("stars", [1, 2, 3, 4, 5])
def test_a_new_sidecar_holds_the_stars_and_decafs_mark(photo, stars):
    before = photo.read_bytes()
    assert write_rating(sidecar_of(photo), stars)
    assert properties_in(sidecar_of(photo)) == {
        "Xmp.xmp.Rating": str(stars),
        "Xmp.decaf.Rating": str(stars),
    }
    assert photo.read_bytes() == before
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.jpg", "photo.jpg.xmp"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_other_property_and_byte_of_a_sidecar_is_kept(photo, program):
    sidecar = sidecar_of(photo, PROGRAMS[program])
    before, bytes_before = properties_in(sidecar), sidecar.read_bytes()
    assert before["Xmp.xmp.Rating"] == "4"
    for stars in (2, 5):
        assert write_rating(sidecar, stars)
        changed = {"Xmp.xmp.Rating": str(stars), "Xmp.decaf.Rating": str(stars)}
        assert properties_in(sidecar) == before | changed
    without_mark = re.sub(rb" <rdf:Description [^>]*urn:decaf[^>]*/>\n ", b"", sidecar.read_bytes())
    assert re.sub(rb"(Rating(?:=\"|>))5", rb"\g<1>4", without_mark) == bytes_before


@pytest.mark.parametrize(
    "xmp",
    [
        packet('xmp:Label="Red"'),
        packet("", inner="<xmp:Rating/>"),
        packet("", inner="<xmp:Rating></xmp:Rating>"),
        packet("", inner="<xmp:Rating >\n 1 </xmp:Rating>"),
        packet("xmp:Rating\n=\n'1'"),
        packet("""xmp:Label=' xmp:Rating="1" > ' xmp:Rating="1" """),
        packet('q:Rating="1"', 'xmlns:q="http://ns.adobe.com/xap/1.0/" xmlns:decaf="http://x/"'),
        packet('xmp:Label="Red"').replace('rdf:about=""', 'rdf:about="uuid:é&lt;&quot;"'),
        "\ufeff" + packet('xmp:Rating="&#49;"'),
    ],
)
def test_the_stars_are_written_whatever_form_the_sidecar_has(photo, xmp):
    sidecar = sidecar_of(photo, xmp)
    before = properties_in(sidecar)
    before.pop("Xmp.xmp.Rating", None)
    assert write_rating(sidecar, 4)
    stars = {"Xmp.xmp.Rating": "4", "Xmp.decaf.Rating": "4"}
    assert properties_in(sidecar) == before | stars


def test_prefixes_need_not_be_the_usual_ones(photo):
    xmp = packet('q:Rating="1"', 'xmlns:q="http://ns.adobe.com/xap/1.0/"')
    xmp = xmp.replace("rdf:", "r:").replace("xmlns:rdf", "xmlns:r")  # more than Exiv2 can read
    sidecar = sidecar_of(photo, xmp)
    assert read_rating(photo) == 1
    write_rating(sidecar, 4)
    elements = list(ElementTree.parse(sidecar).iter())
    for namespace in ("http://ns.adobe.com/xap/1.0/", "urn:decaf:xmp:/"):
        ratings = [element.get(f"{{{namespace}}}Rating") for element in elements]
        assert [each for each in ratings if each] == ["4"]
    assert read_rating(photo) is None


def test_sidecars_that_cannot_be_edited_safely_are_refused(photo):
    sidecar = sidecar_of(photo, packet('xmp:Rating="1"').encode("utf-16"))
    assert "is not UTF-8 text; save it as UTF-8" in refusal(write_rating, sidecar, 4)
    for xmp in ("<a/>", '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'):
        sidecar_of(photo, xmp)
        assert "holds no properties; remove it" in refusal(write_rating, sidecar, 4)


def test_the_mode_is_kept_and_a_link_stays_a_link(photo, tmp_path):
    real = tmp_path / "elsewhere.xmp"
    real.write_text(packet('xmp:Rating="1"'))
    real.chmod(0o640)
    sidecar_of(photo).symlink_to(real)
    write_rating(sidecar_of(photo), 4)
    assert sidecar_of(photo).is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert properties_in(real)["Xmp.xmp.Rating"] == "4"


def test_a_link_to_nothing_makes_no_file(photo, tmp_path):
    sidecar_of(photo).symlink_to(tmp_path / "nowhere.xmp")
    message = refusal(write_rating, sidecar_of(photo), 4)
    assert message.endswith(
        f"a link to {tmp_path}/nowhere.xmp, which is not there; remove the link"
    )
    assert not (tmp_path / "nowhere.xmp").exists()


def test_a_link_out_of_its_folder_is_not_followed(photo, tmp_path):
    album, elsewhere = tmp_path / "album", tmp_path / "album 2" / "a.xmp"
    for folder in (album, elsewhere.parent):
        folder.mkdir()
    elsewhere.write_text(packet('xmp:Rating="1"'))
    sidecar_of(album / "a.jpg").symlink_to(elsewhere)
    message = refusal(write_rating, sidecar_of(album / "a.jpg"), 4)
    assert f"is a link out of its folder, to {elsewhere}, which is left as it is" in message
    assert elsewhere.read_text() == packet('xmp:Rating="1"')
    assert read_rating(album / "a.jpg") == 1


def test_a_file_of_several_names_is_not_parted(photo, tmp_path):
    sidecar = sidecar_of(photo, packet('xmp:Rating="1"'))
    (tmp_path / "backup.xmp").hardlink_to(sidecar)
    message = refusal(write_rating, sidecar, 4)
    assert message.endswith(
        "is one file with 1 elsewhere (hard links), and they would part; put a copy in its place"
    )
    assert sidecar.samefile(tmp_path / "backup.xmp")


def test_a_sidecar_of_very_many_ratings_is_edited_throughout(photo):
    empty = "<xmp:Rating/>" * 50_000
    sidecar = sidecar_of(photo, packet("", inner=empty))
    assert write_rating(sidecar, 4)
    assert sidecar.read_text().count("<xmp:Rating>4</xmp:Rating>") == 50_000


def test_a_sidecar_is_on_the_disk_before_it_takes_the_place_of_another(photo, monkeypatch):
    sidecar = sidecar_of(photo, packet('xmp:Rating="1"'))
    calls, fsync, rename = [], os.fsync, replacing._rename

    def watch_fsync(descriptor):
        fsync(descriptor)
        calls.append(("fsync", os.fstat(descriptor).st_size))

    def watch_rename(part, *to):
        calls.append(("replace", os.path.getsize(part)))
        return rename(part, *to)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(replacing, "_rename", watch_rename)
    write_rating(sidecar, 4)
    n_bytes = sidecar.stat().st_size
    assert calls == [("fsync", n_bytes), ("replace", n_bytes)]


@given(
    label=st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    ),
    quote=st.sampled_from("\"'"),
    space=st.text(" \n\t", min_size=1, max_size=3),
)
@settings(deadline=None)  # a disk may be busy
def test_any_neighbouring_text_is_kept(label, quote, space):
    escaped = label.translate({ord(c): f"&#{ord(c)};" for c in "&<\"'"})
    xmp = packet(f"xmp:Label={quote}{escaped}{quote}{space}xmp:Rating{space}={quote}1{quote}")
    with tempfile.TemporaryDirectory() as folder:
        sidecar = Path(folder) / "photo.jpg.xmp"
        sidecar.write_bytes(xmp.encode())
        write_rating(sidecar, 4)
        edited = sidecar.read_bytes().decode()
    assert f"xmp:Label={quote}{escaped}{quote}{space}xmp:Rating{space}={quote}4{quote}" in edited


# Whose rating it is


def test_decafs_own_stars_are_no_persons_rating_until_a_person_changes_them(photo):
    write_rating(sidecar_of(photo), 4)
    assert read_rating(photo) is None
    with pyexiv2.Image(str(sidecar_of(photo))) as sidecar:
        sidecar.modify_xmp({"Xmp.xmp.Rating": "2"})
    assert read_rating(photo) == 2


def test_a_persons_rating_is_found_behind_decafs(photo):
    write_rating(sidecar_of(photo), 4)
    photo.with_suffix(".xmp").write_text(packet('xmp:Rating="2"'))
    assert read_rating(photo) == 2


def test_a_sidecar_that_may_not_be_written_is_left_in_peace():
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        sidecar = Path(folder) / "photo.jpg.xmp"
        sidecar.write_text(packet('xmp:Rating="0"'))
        sidecar.chmod(0o444)
        if is_root:
            os.seteuid(65534)  # root may write everywhere
        try:
            for dry_run in (True, False):
                message = refusal(write_rating, sidecar, 3, dry_run=dry_run)
                assert message == f"{sidecar}: cannot be written: Permission denied"
        finally:
            if is_root:
                os.seteuid(0)
        assert sidecar.read_text() == packet('xmp:Rating="0"')
