"""Links between the written pages lead somewhere; those to other hosts are only listed."""

import pytest
from pages import FRONT, GUIDES, REFERENCE, anchors, links

PAGES = [*FRONT, *GUIDES, *REFERENCE]


def external(target):
    return target.startswith(("https://", "http://"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: "/".join(path.parts[-2:]))
def test_links_lead_to_files_and_headings(path):
    for target in links(path):
        if external(target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


def test_links_to_other_hosts_are_secure_and_can_be_listed(record_property):
    found = sorted({target for path in PAGES for target in links(path) if external(target)})
    record_property("external", found)
    assert all(target.startswith("https://") for target in found)
    print(*found, sep="\n")
