"""The templates of a page: a package's own, and those that all pages share."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup


def template(package: str, name: str = "page.html") -> Template:
    """Return a template out of a package's folder `templates`.

    It may import `macros.html` and include `page.css`. Whatever it is given is escaped.
    """
    # autoescape for every template, whatever its name: names come from users.
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("fedbed.reporting")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup  # drawings are ours and escape their own text
    return environment.get_template(name)
