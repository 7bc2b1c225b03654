"""An album whose photos have stars in sidecars."""

import shutil

STARS = """\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/></rdf:RDF>"""


def star_album(samples, folder, n=8):
    """Copy sample photos to 0.jpg, 1.jpg …, and give them 1 and 5 stars by turns."""
    folder.mkdir()
    for number, photo in enumerate(sorted(samples.glob("*.jpg"))[:n]):
        shutil.copy(photo, folder / f"{number}.jpg")
        (folder / f"{number}.jpg.xmp").write_text(STARS.format(1 + 4 * (number % 2)))
    return folder
