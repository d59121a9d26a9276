"""The page in a real browser: clicks, keys and drags, narrow and wide, light and dark."""

import json
import os
import shutil

import numpy as np
import pytest
from reported import NASTY, journal, made_folder, member, sets, write

from sosjax import Environment
from sosjax.report import report
from sosjax.sets._preference import Best
from sosjax.sets._selection import nearest, verdicts
from sosjax.sets._store import load_scores

pytestmark = pytest.mark.browser
WIDTHS = (390, 1440)


@pytest.fixture
def folder(tmp_path):
    return made_folder(tmp_path / "first")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """Open pages; afterwards none may have complained, or asked the network for anything."""
    complaints, contexts = [], []

    def open_page(path, width=1440, script=True, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=script,
            color_scheme=scheme,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: complaints.append(one.url) if one.url != url else None)
        url = path.absolute().as_uri()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def a_run(folder, seed=0, members=40, expected=False):
    """Write two tasks with drawn members, among them equals in costs, errors and both."""
    rng = np.random.default_rng(seed)
    shown = sets()
    for task in shown["tasks"]:
        task["members"] = [
            member([int(size) % 9, int(size) % 17], int(size), (0.5, float(error) / 20, 0.5))
            | {"flops": int(flops)}
            for size, error, flops in zip(
                rng.integers(800, 900, members),
                rng.integers(1, 15, members),
                rng.integers(10, 30, members),
                strict=True,
            )
        ]
        for one in task["members"][: len(task["members"]) * expected // 2]:
            recovered = {"epoch": 1, "validation_error_before": 0.5, "test_error_before": 0.5}
            one |= recovered | {"expected_error": int(rng.integers(1, 15)) / 20}
        for one in [task["jack"], *task["uniform"]]:
            one |= {"kept": [8, 16], "search_error": None}
    write(folder, shown)
    return folder


def dots(page, task=0):
    return page.locator("figure.front").nth(task).locator(".dots circle")


def click(page, dot):
    """Click where a dot is, whatever is drawn above it."""
    box = dot.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize("expected", [False, True])
def test_page_and_python_choose_the_same_under_any_limits(folder, opened, expected):
    """By validation errors; and where half of the members have expected ones, by those."""
    page = opened(report(a_run(folder, expected=expected)))
    found = load_scores(folder)
    rng = np.random.default_rng(1)
    limits = [
        {
            cost: int(rng.integers(low, high))
            for cost, low, high in (
                ("parameters", 790, 910),
                ("bytes", 3200, 3800),
                ("flops", 5, 32),
            )
            if rng.random() < 0.6
        }
        for _ in range(400)
    ]
    code = """limits => sosjax.data.tasks.map(task => limits.map(one => {
        const chosen = sosjax.choose(task.members, one);
        return [chosen && chosen.number, sosjax.nearest(task.members, one).number];
    }))"""
    none = 0
    for task, answers in zip(found.tasks, page.evaluate(code, limits), strict=True):
        for one, (chosen, near) in zip(limits, answers, strict=True):
            own = Environment("own", **one) if one else None
            judged = verdicts([each.scores for each in task.members], own, Best(), 2)
            assert chosen == next((each.number for each in judged if each.chosen), None)
            assert near == nearest(judged).number
            none += chosen is None
    assert none > 50


@pytest.mark.parametrize("width", WIDTHS)
def test_environments_and_sliders_move_the_choice(folder, opened, width):
    page = opened(report(folder), width)
    tops = page.locator("figure.front").first
    assert "Chosen: tops/2 errs 15.75 %" in tops.inner_text()
    page.get_by_role("button", name="watch 12 kB").click()
    assert "Chosen: tops/1 errs 22.45 % on test data (the Jack 13.05 %)" in tops.inner_text()
    assert page.get_by_role("button", name="watch").get_attribute("aria-pressed") == "true"
    assert dots(page).nth(1).get_attribute("aria-label").endswith(", chosen")
    assert dots(page).nth(2).get_attribute("aria-label").endswith(", beyond the limits")
    page.get_by_role("button", name="chip").click()
    assert "Nothing fits. Nearest: tops/0 needs 1,000 parameters, 100 (11 %) over 900." in (
        tops.inner_text()
    )
    assert page.get_by_role("status").inner_text().startswith("0 of 2 tasks")
    page.get_by_role("button", name="No limits").click()
    slider = page.get_by_role("slider", name="parameters", exact=True)
    assert slider.get_attribute("aria-valuetext") == "no limit"
    slider.focus()
    page.keyboard.press("Home")
    assert "Nothing fits" in tops.inner_text()
    page.keyboard.press("End")
    assert "Chosen: tops/2" in tops.inner_text()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    assert "Chosen: tops/1" in tops.inner_text()
    field = page.get_by_label("exact limit of parameters")
    field.fill("1000")
    field.press("Enter")
    assert "Chosen: tops/0" in tops.inner_text()
    assert slider.get_attribute("aria-valuetext") == "up to 1,000 parameters"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_line_of_a_limit_is_dragged(folder, opened, width):
    page = opened(report(folder), width)
    tops = page.locator("figure.front").first
    tops.scroll_into_view_if_needed()
    grip, goal = tops.locator(".grip path").bounding_box(), dots(page).nth(1).bounding_box()
    y = grip["y"] + 4
    page.mouse.move(grip["x"] + grip["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(goal["x"] + 60, y, steps=4)
    page.mouse.move(goal["x"] + goal["width"] / 2 + 2, y, steps=4)
    page.mouse.up()
    assert "Chosen: tops/1" in tops.inner_text() and "up to 2." in tops.inner_text()
    assert "Chosen: bags/1" in page.locator("figure.front").nth(1).inner_text()
    assert page.locator("#member.open").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_a_member_is_picked_by_click_and_compared(folder, opened, width):
    (folder / "config.toml").write_text("")
    page = opened(report(folder), width)
    dots(page).nth(0).scroll_into_view_if_needed()
    click(page, dots(page).nth(0))
    panel = page.get_by_role("complementary", name="Picked members")
    text = panel.inner_text()
    for part in ("tops/0", "32.15 %", "13.05 %", "1,000", "11 % of Jack", "2 / 8", "3 / 16"):
        assert part in text
    assert f"sosjax export {folder} --task tops --at parameters=1000 --out tops-0" in text
    assert "None of tops/0 in the run's folder" in text
    assert dots(page).nth(0).get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    panel.get_by_role("button", name="Compare").click()
    bags = dots(page, 1)
    page.locator("figure.front").nth(1).evaluate(
        "one => one.scrollIntoView({block: 'start', behavior: 'instant'})"
    )
    click(page, bags.nth(2))
    text = panel.inner_text()
    for part in ("tops/0 and bags/2", "32.15 %", "15.75 %", "Jack 13.05 %", "8 / 8", "9 / 16"):
        assert part in text
    assert panel.locator(".kept .other").count() == 2
    panel.get_by_role("button", name="Stop comparing").click()
    assert "bags/2" not in panel.inner_text()
    panel.get_by_role("button", name="Close").click()
    assert "tops/0" not in panel.inner_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_members_are_picked_by_keys(folder, opened, width):
    page = opened(report(folder), width)
    page.locator("figure.front h3 a").first.focus()
    page.keyboard.press("Tab")
    focused = (
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    )
    assert page.evaluate(focused).startswith("tops/0: 32.15 % test error, 1,000 parameters")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    panel = page.locator("#member")
    assert "tops/1" in panel.inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Enter")
    assert "tops/1 and tops/2" in panel.inner_text() and "the Jack" in panel.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.evaluate(focused) == "Compare"
    page.keyboard.press("Escape")
    assert page.locator("#member.open").count() == 0
    assert page.evaluate(focused).startswith("tops/1: ")


def test_axes_are_any_two_and_the_focus_stays(folder, opened):
    page = opened(report(folder), 1440)
    tops = page.locator("figure.front").first
    page.get_by_label("Across").select_option("flops")
    page.get_by_label("Up").select_option("validation_error")
    assert tops.locator("svg").get_attribute("aria-label") == "tops: validation error against FLOPs"
    assert "50,000 FLOPs" in dots(page).nth(0).get_attribute("aria-label")
    page.get_by_label("Up").select_option("bytes")
    page.get_by_role("button", name="watch").click()
    assert tops.locator(".zone rect").count() == 1
    page.get_by_label("Across").select_option("search_error")
    assert dots(page).count() == 3
    dots(page).nth(1).focus()
    page.get_by_role("button", name="phone").dispatch_event("click")
    assert page.evaluate("document.activeElement.dataset.number") == "1"


def test_the_command_is_copied(folder, opened):
    (folder / "config.toml").write_text("")
    page = opened(report(folder), 1440)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="tops/2", exact=True).click()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == f"sosjax export {folder} --task tops --at parameters=5001 --out tops-2"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(folder, opened, width, scheme):
    shown = sets()
    shown["tasks"][0]["name"] = shown["environments"][0]["name"] = "x" * 150
    shown["network"]["groups"][0]["name"] = "y" * 150
    write(folder, shown)
    page = opened(report(folder), width, scheme=scheme)
    click_first = page.locator("figure.front button.link").first
    click_first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = """[...document.querySelectorAll('body *')].filter(one => one.textContent.trim()
        && one.checkVisibility() && parseFloat(getComputedStyle(one).fontSize) < 10).length"""
    assert page.evaluate(small) == 0


def test_hostile_names_and_odd_runs_draw_without_complaint(folder, opened):
    shown = sets()
    shown["tasks"][0]["name"] = shown["environments"][0]["name"] = NASTY
    shown["network"]["groups"][0]["name"] = NASTY
    shown["tasks"][1] |= {"members": [], "uniform": []}
    for one in shown["tasks"][0]["members"]:
        one |= {"flops": 0, "validation_error": 0.5, "test_error": 0.5}
    write(folder, shown)
    line = {"generation": 1, "hypervolume": {NASTY: 0.5}}
    (folder / "journal.jsonl").write_text(json.dumps(line) + "\n")
    page = opened(report(folder))
    page.get_by_label("Across").select_option("flops")
    page.locator("figure.front button.link").first.click()
    assert NASTY in page.locator("#member h3").inner_text()
    assert "The set is empty." in page.locator("figure.front").nth(1).inner_text()
    assert page.locator("figure.volume svg").count() == 1
    write(folder, shown | {"tasks": []})
    assert "There is no set to show." in opened(report(folder)).locator("#explorer").inner_text()


def test_plots_follow_the_width(folder, opened):
    (folder / "journal.jsonl").write_text(journal())
    page = opened(report(folder), 1440)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.querySelector('figure.front svg').clientWidth < 390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = page.evaluate(
        "[...document.querySelectorAll('figure svg')].every(one => one.clientWidth < 390)"
    )
    assert wide


def test_a_run_that_is_not_finished_draws_its_search(folder, opened):
    (folder / "sets.json").unlink()
    page = opened(report(folder), 390)
    assert page.locator("figure.volume svg").count() == 2


def test_tables_are_read_without_javascript(folder, opened):
    page = opened(report(folder), 390, script=False)
    text = page.locator("main").inner_text()
    for part in (
        "The plots need JavaScript",
        "22.45 %",
        "+9.40 pts",
        "0.500 → 0.625",
        "What to deploy",
    ):
        assert part in text
    page.locator("summary").first.click()
    assert page.get_by_text("Kept units by group, out of: trunk0 8, trunk1 16.").first.is_visible()
