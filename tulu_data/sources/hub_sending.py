"""Send files to a dataset of the hub, as one commit.

The one idea: the commit leaves the dataset with these files and no others but the hub's own, so an older
push leaves nothing behind; it is made by the hub's own client. It is called only for a person who asked.
"""

from collections.abc import Mapping
from pathlib import Path

from tulu_data.errors import HubError
from tulu_data.sources.hub_client import api, asked, endpoint, token, told

_KEPT = frozenset({".gitattributes"})
"""Files of the hub's own."""


def send_commit(repo: str, files: Mapping[str, Path], message: str, *, private: bool) -> str:
    """Make a dataset hold these files, a new one where there is none; return the commit. Raises HubError."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    uri = f"hf://{repo}"
    if token() is None:
        raise HubError(f"{uri}: nothing is sent without a token; set HF_TOKEN to one that may write there")
    asked(uri, "main", lambda: api().create_repo(repo, repo_type="dataset", private=private, exist_ok=True))
    there = asked(uri, "main", lambda: api().list_repo_files(repo, repo_type="dataset"))
    stale = sorted(set(there) - set(files) - _KEPT)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()
    ]
    operations += [CommitOperationDelete(path_in_repo=name) for name in stale]
    with told(uri, "main"):
        try:
            made = api().create_commit(repo, operations, commit_message=message, repo_type="dataset")
        except RuntimeError as error:
            # The client wraps what met an upload; the cause has its answer.
            raise error.__cause__ or error from None
    if not made.oid:
        raise HubError(f"{uri}: {endpoint()} named no commit; look there before you send it again")
    return str(made.oid)
