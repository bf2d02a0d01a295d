"""The routes of what a person sees in a browser."""

from __future__ import annotations

from trainer.service.web import pages, sessions
from trainer.service.web.routes import Parameter, Route
from trainer.service.web.schemas import STATE, TEXT, whole
from trainer.service.web.static_files import static

__all__ = ["PAGES"]

HTML = (200, "text/html", TEXT)
FORM = "application/x-www-form-urlencoded"
SEEN = Parameter("If-None-Match", "The ETag of what one has: 304 where it is the same still.")
ID = Parameter("run", "The id of a run; several for a comparison.", {"type": "array", "items": TEXT})

PAGES: tuple[Route, ...] = (
    Route("GET", "/", "The page of all runs.", "read", pages.home_page, HTML, queries=(
        Parameter("state", "Only those in this state.", STATE), Parameter("owner", "Only this user's; for admins."),
        Parameter("q", "Only those with this in their name."),
        Parameter("limit", "At most so many.", whole(50, 1, 200)), Parameter("after", "Those behind this id.")),
        errors=(422,)),
    Route("GET", "/runs/{id}", "The page of a run.", "read", pages.run_page, HTML, errors=(404,),
          queries=(Parameter("against", "The id of a run whose config this one's is held against."),)),
    Route("GET", "/compare", "The page that compares runs.", "read", pages.compare_page, HTML, queries=(ID,),
          errors=(404,)),
    Route("GET", "/new", "The page on which a config is written.", "submit", pages.new_page, HTML, errors=(404,),
          queries=(Parameter("from", "The id of a run whose config is changed."),
                   Parameter("upload", "The id of a file to train on."))),
    Route("GET", "/datasets", "The page of one's files.", "read", pages.datasets_page, HTML),
    Route("GET", "/tokens", "The page of tokens.", "admin", pages.tokens_page, HTML),
    Route("GET", "/login", "The page that asks for a token; a ticket becomes a cookie.", None, sessions.login, HTML,
          errors=(401, 503),
          queries=(Parameter("ticket", "From /v1/tickets."), Parameter("wanted", "The page that is shown then."),
                   Parameter("wrong", "Whether a token was given that there is not."))),
    Route("POST", "/login", "A token becomes a cookie.", None, sessions.open_session, (303, "", {}), {FORM: {
        "type": "object", "properties": {"token": TEXT, "wanted": TEXT}}}, body=4096, optional=True),
    Route("POST", "/logout", "The cookie is worth nothing any more.", "read", sessions.logout, (303, "", {}),
          {FORM: {"type": "object"}}, body=1024, optional=True),
    Route("GET", "/static/{name}", "A style, a script or a picture of the pages.", None, static,
          (200, "text/css", TEXT), errors=(404,), headers=(SEEN,), also=("text/javascript", "image/svg+xml")),
)  # fmt: skip
