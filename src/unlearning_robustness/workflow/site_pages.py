"""Hooks of mkdocs for `make docs`: pages of every room from its docstrings, and links that leave docs/.

A link to a module leads to its place on the page of its room; any other file of the repository that a page links to is
copied into the site, below ``repository/``.
"""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAME = "unlearning_robustness"
PACKAGE = f"src/{NAME}"
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"(^ *```.*?^ *```$)", re.M | re.S)


def rooms(root: Path = ROOT) -> dict[str, list[str]]:
    """The dotted names of the modules of each room; those of no room have the package's name."""
    by_room: dict[str, list[str]] = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root / "src").with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        by_room.setdefault(parts[1] if len(parts) > 2 else NAME, []).append(module)
    return by_room


def site_path(path: str) -> str:
    """Where a file of the repository lies in the site, with the heading of a module."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith(PACKAGE) and path.endswith(".py"):
        module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        room = module.split(".")[1] if "/" in path.removeprefix(f"{PACKAGE}/") else NAME
        return f"api/{room}.md#{module}"
    return f"repository/{path}"


def linked(markdown: str, page: str) -> dict[str, str]:
    """The links of a page that lead to other files of the repository: as they are written, and those files.

    ``page`` is the page's own path in the repository.
    """
    prose = FENCE.sub("", markdown)
    folder = posixpath.dirname(page)
    return {match[1]: posixpath.normpath(posixpath.join(folder, match[1])) for match in LINK.finditer(prose)}


def rewritten(markdown: str, page: str) -> str:
    """The page with these links as they are in the site; code stays as it is."""
    targets, here = linked(markdown, page), posixpath.dirname(site_path(page))

    def link(match: re.Match) -> str:
        path, _, module = site_path(targets[match[1]]).partition("#")
        anchor = match[2] or (f"#{module}" if module else "")
        return f"]({posixpath.relpath(path, here or '.')}{anchor})"

    return "".join(part if FENCE.fullmatch(part) else LINK.sub(link, part) for part in FENCE.split(markdown))


def on_config(config):
    """Name the pages of the package in the navigation."""
    pages = [{name: f"api/{name}.md"} for name in rooms()]
    config["nav"].append({"From Python": pages})
    return config


def on_files(files, config):
    """Add the pages of rooms, and the files that pages link to."""
    from mkdocs.structure.files import File, InclusionLevel

    for room, modules in rooms().items():
        name = NAME if room == NAME else f"{NAME}.{room}"
        text = "\n\n".join([f"# {name}", *(f"::: {module}" for module in modules)])
        files.append(File.generated(config, f"api/{room}.md", content=text))
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages() if not file.src_uri.startswith("api/")]
    copied = set()
    while waiting:
        page = waiting.pop()
        for path in set(linked((ROOT / page).read_text(), page).values()) - copied:
            if site_path(path).startswith("repository/") and (ROOT / path).is_file():
                copied.add(path)
                copy = {"abs_src_path": str(ROOT / path), "inclusion": InclusionLevel.NOT_IN_NAV}
                files.append(File.generated(config, site_path(path), **copy))
                waiting += [path] if path.endswith(".md") else []
    return files


def on_page_markdown(markdown, page, config, files):
    """The page with links that hold in the site."""
    path = page.file.src_uri
    if path.startswith("api/"):
        return markdown
    return rewritten(markdown, path.removeprefix("repository/") if path.startswith("repository/") else f"docs/{path}")
