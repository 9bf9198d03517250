"""What a request may say of who answers it (docs/routing.md)."""

ROUTING_KEY = "routing_key"  # parameter, a text: whose request it is; all of theirs are answered by one arm
RELEASE = "release"  # parameter, a whole number: the release that shall answer, if it is open; the request is in no experiment
