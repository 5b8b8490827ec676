from __future__ import annotations

import re
from itertools import pairwise

from burnish.report.load_page import render_load
from burnish.serve.load.summary import Reply, summarize
from tests.report.test_html import HOSTILE, Balanced


def runs() -> list:
    found = []
    for rate, seconds in ((10.0, 0.01), (20.0, 0.02), (40.0, 0.2)):
        replies = [Reply(due=i / rate, done=i / rate + seconds, status=200) for i in range(int(rate))]
        found.append(summarize([*replies, Reply(due=0.0, done=0.001, status=429)], rate, 1.0, 0.035))
    return found


def test_the_page_is_whole_shows_every_run_and_loads_nothing():
    text = render_load(runs(), url=HOSTILE, pattern="poisson", deadline_ms=35.0, knee=20.0)
    page = Balanced()
    page.feed(text)
    assert not page.open
    assert "script" not in page.tags and "img" not in page.tags
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert "keeps up with 20 requests per second" in page.text
    assert page.text.count("1 x 429") == 3
    assert text.count('class="budget"') == 2


def test_lines_end_where_their_values_say():
    text = render_load(runs(), url="http://x", pattern="poisson", deadline_ms=35.0, knee=0.0)
    assert "none of these rates" in text
    assert text.count("<polyline") == 2 * 5
    assert "answers in time: 0 at 40/s" in text


def test_names_of_lines_never_lie_on_each_other():
    html = render_load(runs(), url="u", pattern="p", deadline_ms=1000.0, knee=0.0)
    for plot in html.split("<svg")[1:]:
        heights = sorted(float(y) for y in re.findall(r'class="label[^"]*" x="[\d.]+" y="([\d.]+)"', plot))
        assert len(heights) >= 2
        assert all(later - earlier >= 14.9 for earlier, later in pairwise(heights))
