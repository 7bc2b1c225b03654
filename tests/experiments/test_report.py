import re

from experiments import report

PAGE = "# A title\n\n## Part\n\nWords <b>& more</b>.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_the_page_holds_all_results_and_needs_nothing_else(tmp_path):
    for place, figure in (("table1", "f.svg"), ("delta/my photos", "a%20figure.svg")):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / figure.replace("%20", " ")).write_text("<svg/>")
        text = PAGE.replace("A title", f"About {place}") + f"\n![figure]({figure})\n"
        (folder / "README.md").write_text(text, encoding="utf-8")
    assert report.main(["--results", str(tmp_path)]) == 0
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2>(.*?)</h2>", html) == ["About delta/my photos", "About table1"]
    assert html.count("<h3>Part</h3>") == 2
    assert html.count('<img src="data:image/svg+xml;base64,PHN2Zy8+"') == 2
    assert "Words &lt;b&gt;&amp; more&lt;/b&gt;." in html
    assert html.count('<table class="matrix">') == html.count("</table></div>") == 2
    assert "--accent:" in html
    assert not re.search(r'(src|href)="(?!data:|#)', html) and "{{" not in html


def test_a_missing_figure_is_named(tmp_path, capsys):
    (tmp_path / "README.md").write_text("![figure](gone.svg)\n")
    assert report.main(["--results", str(tmp_path)]) == 2
    assert "README.md: its figure gone.svg cannot be read: No such file" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_is_there_stays_without_force(tmp_path, capsys):
    (tmp_path / "README.md").write_text(PAGE)
    (tmp_path / "report.html").write_text("mine")
    assert report.main(["--results", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert report.main(["--results", str(tmp_path), "--force"]) == 0
    assert "A title" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    assert report.main(["--results", str(tmp_path)]) == 2
    assert "holds no results; run an experiment first" in capsys.readouterr().err
