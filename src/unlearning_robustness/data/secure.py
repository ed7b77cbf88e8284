"""Downloads come over https, or from this very machine: nothing between here and a host can read or change them."""

import ipaddress
from urllib.parse import urlsplit

from unlearning_robustness.errors import FetchError, without_secrets


def is_secure(url: str) -> bool:
    """Whether an address is https, or http on a loopback address."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_insecure(url: str) -> None:
    """Raise FetchError, one line with the mend, for an address that is not secure."""
    if not is_secure(url):
        raise FetchError(
            f"{without_secrets(url)[:200]} is not https, so that others could read or change what it sends: give an "
            "https address as HF_ENDPOINT, or fetch the files yourself and give the folder as `path`"
        )


def only_secure() -> None:
    """Let the hub's client refuse every request, also where it is sent on to, that is not secure."""
    import httpx2
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def client() -> httpx2.Client:
        secured = default_client_factory()
        hooks = secured.event_hooks
        first = [lambda request: refuse_insecure(str(request.url))]
        secured.event_hooks = {**hooks, "request": [*first, *hooks["request"]]}
        return secured

    set_client_factory(client)
