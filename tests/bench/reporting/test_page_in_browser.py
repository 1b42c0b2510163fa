"""The report in headless Chromium: sorts, filters, hides, leads somewhere, and is accessible."""

import json
import shutil

import pytest

from bench.cli import main
from bench.system.checkout import ROOT

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
SIZES = {"wide": (1400, 1000), "phone": (420, 900)}
ROWS = "#nbody_gravity-val-500 tbody tr"
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The report of some published runs of one task, one of them failed."""
    (machine,) = ROOT.glob("results/published/amd-epyc-*")
    root = tmp_path_factory.mktemp("results") / machine.name
    runs = machine.glob("runs/nbody_gravity/[egmt]*-s[01].json")
    kept = [
        *(r for r in runs if json.loads(r.read_text())["run"]["task"]["kwargs"] == {"val": 500}),
        *machine.glob("speed/[et]*-5x1-*.json"),
    ]
    for path in kept:
        target = root / path.relative_to(machine)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert main(["report", "--results", str(root.parent)]) == 0
    return root / "report.html"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, file):
    """Opens the report; every message to the console is a failure."""
    contexts, messages = [], []

    def open_page(size="wide", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []


def column(page, heading):
    """The visible texts of a column of the first task's table."""
    names = page.locator("#nbody_gravity-val-500 thead th").evaluate_all(
        "heads => heads.map((head) => head.dataset.name)"
    )
    rows = page.locator(f"{ROWS}:not([hidden])")
    return [row.locator("th, td").nth(names.index(heading)).inner_text() for row in rows.all()]


def first_number(text):
    return float(text.split()[0].replace(",", ""))


@pytest.mark.parametrize("heading", ["params", "OOD MSE x 1e3"])
def test_a_click_on_a_heading_sorts_and_a_second_one_turns(visit, heading):
    page = visit()
    button = page.locator(f'#nbody_gravity-val-500 th[data-name="{heading}"] button')
    orders = []
    for wanted in ("ascending", "descending"):
        button.click()
        assert button.locator("..").get_attribute("aria-sort") == wanted
        orders.append([first_number(text) for text in column(page, heading) if text != "–"])
    assert orders == [sorted(orders[0]), sorted(orders[0], reverse=True)]
    assert len(set(orders[0])) > 2


def test_what_was_not_measured_stands_last_in_both_directions(visit):
    page = visit()
    for _ in range(2):
        page.locator('#nbody_gravity-val-500 th[data-name="infer ms"] button').click()
        absent = [text == "–" for text in column(page, "infer ms")]
        assert any(absent)
        assert absent == sorted(absent)


def test_filters_by_family_and_method_leave_what_fits(visit):
    page = visit()
    tools = page.locator("#nbody_gravity-val-500 .tools")
    tools.get_by_role("combobox", name="family").select_option("transformer")
    assert set(column(page, "model")) == {"transformer"}
    tools.get_by_role("combobox", name="method").select_option("remul")
    assert all(text.startswith("remul") for text in column(page, "method"))
    count = len(column(page, "model"))
    assert tools.locator("output").inner_text().startswith(f"{count} of ")


def test_search_looks_at_all_words(visit):
    page = visit()
    page.locator("#nbody_gravity-val-500 .tools").get_by_label("search").fill("mlp AUG")
    assert column(page, "method") == ["augment"]


def test_columns_can_be_chosen_by_keyboard(visit):
    page = visit()
    tools = page.locator("#nbody_gravity-val-500 .tools")
    summary = tools.locator("summary")
    summary.focus()
    page.keyboard.press("Enter")
    box = tools.get_by_label("rel. error")
    head = page.locator('#nbody_gravity-val-500 th[data-name="rel. error"]')
    assert not head.is_visible()
    box.focus()
    page.keyboard.press("Space")
    assert head.is_visible()
    page.keyboard.press("Escape")
    assert not box.is_visible()
    assert summary.evaluate("summary => summary === document.activeElement")


def test_a_number_leads_to_its_record_and_command(visit, file):
    page = visit()
    page.locator(f"{ROWS} td a").first.click()
    target = page.locator("#records li:target")
    assert target.is_visible()
    assert target.locator("code").inner_text().startswith("python -m bench run --task")
    assert (file.parent / target.locator("a").first.get_attribute("href")).is_file()


@pytest.mark.parametrize("size", SIZES)
def test_no_screen_scrolls_sideways(visit, size):
    page = visit(size)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


def test_a_wide_screen_shows_all_columns_of_a_task_at_once(visit):
    box = visit().locator("#nbody_gravity-val-500 .box")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_print_shows_all_figures_and_no_tools(visit):
    page = visit()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.more:not([open])").count() == 0
    assert not page.locator(".tools").first.is_visible()


@pytest.mark.parametrize(("size", "scheme"), [("wide", "light"), ("phone", "dark")])
def test_axe_finds_nothing(visit, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page = visit(size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    parts = {"exclude": ["figure svg"]}  # an image each, with a label that another test asks for
    violations = axe.Axe().run(page, context=parts).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
