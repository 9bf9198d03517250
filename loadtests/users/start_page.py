"""Locust's start page without its fields: the settings say how many users there are, for how long, and where the server is."""

from flask import Response
from locust.web import WebUI

FIELDS = ("userCount", "spawnRate", "host")  # names of the inputs in the page of Locust 2.x
HIDDEN = ", ".join((*(f'.MuiFormControl-root:has(input[name="{name}"])' for name in FIELDS), "form .MuiAccordion-root"))
STYLE = f"<style>{HIDDEN} {{ display: none; }}</style>"


def ask_for_nothing(page: WebUI) -> None:
    """Change the pages that Locust serves so that only the button is left of its form."""

    @page.app.after_request
    def hide_fields(response: Response) -> Response:
        if response.mimetype == "text/html" and not response.direct_passthrough:
            response.set_data(response.get_data(as_text=True).replace("</head>", f"{STYLE}</head>", 1))
        return response
