"""Why the hub did not give a file, in one line that says what to do."""

from collections.abc import Iterator
from contextlib import suppress

from unlearning_robustness.errors import FetchError, without_secrets

TRANSIENT = (408, 429, 500, 502, 503, 504)


def _causes(error: BaseException) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def answer_of(error: BaseException):
    """The hub's answer behind an error, or None when none came."""
    return next((cause.response for cause in _causes(error) if getattr(cause, "response", None) is not None), None)


def failed_host(error: BaseException, repository) -> str:
    """The address of the host that failed: the hub's, the mirror's, or one that they sent the client to."""
    for cause in _causes(error):
        # The client's request stands in its errors; httpx raises RuntimeError where there was none.
        with suppress(AttributeError, RuntimeError):
            url = cause.request.url
            return without_secrets(f"{url.scheme}://{url.netloc.decode()}")
    return repository.host


def transient(error: BaseException) -> bool:
    """Whether another try may help."""
    answer = answer_of(error)
    return answer.status_code in TRANSIENT if answer is not None else _cut(error) or _unreachable(error)


def _cut(error: BaseException) -> bool:
    return any("Consistency check failed" in str(cause) for cause in _causes(error))


def _unreachable(error: BaseException) -> bool:
    import httpx2

    return any(isinstance(cause, (httpx2.TransportError, ConnectionError)) for cause in _causes(error))


def explain(error: BaseException, repository, path: str = "") -> FetchError:
    """The one line for a failed request to a ``Repository``: what is wrong, and what to do."""
    if refused := next((cause for cause in _causes(error) if isinstance(cause, FetchError)), None):
        return refused
    name, page, host = repository.name, repository.page, failed_host(error, repository)
    answer = answer_of(error)
    if answer is not None:
        return FetchError(f"{name}{f' ({path})' if path else ''}: {_said(answer, repository, host)}")
    if any(type(cause).__name__ == "OfflineModeIsEnabled" for cause in _causes(error)):
        return FetchError(f"{name} is not in the cache and HF_HUB_OFFLINE is set: unset it, or give a folder as `path`")
    if _cut(error):
        return FetchError(
            f"{name}: {path} arrived cut short by way of {repository.host}: run again, it goes on with what is missing"
        )
    if _unreachable(error):
        return FetchError(
            f"{name}: {host} cannot be reached: check the network and proxy, set HF_ENDPOINT to a mirror, "
            "or give a folder as `path`"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return FetchError(f"{name}: {path} cannot be written ({error.strerror}): free some space or change the owner")
    return FetchError(
        f"{page} could not be fetched from {host} ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    )


def _said(answer, repository, host: str) -> str:
    """The refusal of ``host`` in words."""
    from huggingface_hub.utils import get_token

    status, code, page = answer.status_code, answer.headers.get("X-Error-Code", ""), repository.page
    if status == 401 and get_token():
        return f"{host} does not take the token (401): make a new one and set HF_TOKEN; or {page} does not exist"
    if status == 401:
        return f"needs a token on {host}, or does not exist (401): look at {page}, accept its terms, then set HF_TOKEN"
    if status == 403:
        return f"access is not granted (403, {host}): ask for it on {page} with the account whose token HF_TOKEN is"
    if status == 404 and code == "EntryNotFound":
        return f"no such file at {repository.revision[:12]} on {host} (404): look at {page}/tree/{repository.revision}"
    if status == 404 and code == "RevisionNotFound":
        return f"no revision {repository.revision} on {host} (404): take a commit from {page}/commits/main"
    if status == 404:
        return f"not found on {host} (404): look at {page}; correct repository or revision"
    if status == 429:
        return f"too many requests to {host} (429): wait some minutes and run again; with HF_TOKEN the limit is higher"
    if status in TRANSIENT:
        return f"{host} has a fault ({status}): run again later, or set HF_ENDPOINT to a mirror"
    return f"{host} refuses ({status}): look at {page}"
