"""What is done about each event and each request."""

from collections.abc import Callable

from closet_chassis.telemetry import current_traceparent
from closet_contracts.envelope import Event
from closet_contracts.job import JobAccepted
from closet_contracts.rpc import SignedGets, SignedPut, SignGet, SignPut
from closet_contracts.upload import UploadReady, UploadRejected
from closet_contracts.work import Role
from closet_messaging import outbox
from closet_messaging.rpc import RpcFailed
from closet_messaging.unit import Tx
from closet_storage.keys import belongs_to, upload_key
from closet_storage.signing import Signer, put_headers

from upload_signer import domain, store
from upload_signer.domain import Owner, State
from upload_signer.store import Upload

_READABLE_BY_ITS_READER_ONLY = {"response-cache-control": f"private, max-age={domain.GET_EXPIRES_S}"}


async def check_inputs(wake: Callable[[], None], tx: Tx, event: Event[JobAccepted]) -> None:
    """Answer for each upload that is settled; have the others checked, and let the job wait for them."""
    job = event.data
    wanted = sorted({item.upload_id for item in job.inputs})
    owner = Owner(event.tenantid, job.user_id)
    uploads = await store.find(tx.conn, wanted)
    masks = {item.upload_id for item in job.inputs if item.role is Role.MASK}
    unsettled = {each: each in masks for each in wanted if not _settled(uploads.get(each), owner)}
    if unsettled:
        uploads |= await store.want(tx.conn, unsettled, owner, job.deadline)
    for upload_id in wanted:
        if _settled(uploads[upload_id], owner):
            _answer(tx, uploads[upload_id], owner, event)
        else:
            tx.defer(store.WAIT, upload_id, job.job_id, event.id, current_traceparent() or event.traceparent)
            tx.after_commit(wake)


def _settled(upload: Upload | None, owner: Owner) -> bool:
    """Whether there is an answer for this owner. Of somebody else's upload it is known that there is none."""
    return upload is not None and (upload.state is not State.UNCHECKED or upload.owner != owner)


def _answer(tx: Tx, upload: Upload, owner: Owner, event: Event[JobAccepted]) -> None:
    about = {"upload_id": upload.upload_id, "job_id": event.data.job_id, "user_id": owner.user_id}
    refusal = domain.NOT_FOUND if upload.owner != owner else upload.refusal
    if refusal:
        rejected = UploadRejected(**about, code=refusal.code, message=refusal.message)
        outbox.add(tx, rejected, tenant=owner.tenant_id, cause=event)
    elif upload.asset:
        outbox.add(tx, UploadReady(**about, asset=upload.asset), tenant=owner.tenant_id, cause=event)


async def sign_put(signer: Signer, sse: str, request: SignPut) -> SignedPut:
    """Where the bytes of an upload may go, once, with exactly these headers.

    Raises:
        RpcFailed: `unsupported_content_type`, `upload_too_large`, `invalid_sha256`.
    """
    if request.content_type not in domain.CONTENT_TYPES:
        raise RpcFailed("unsupported_content_type", "Only JPEG, PNG and WebP pictures can be uploaded.")
    if (request.size or 0) > domain.MAX_UPLOAD_BYTES:
        raise RpcFailed("upload_too_large", "A picture may have at most 10 MB.")
    if request.sha256 is not None and not domain.is_sha256(request.sha256):
        raise RpcFailed("invalid_sha256", "A SHA-256 digest has 64 hexadecimal digits.")
    key = upload_key(request.tenant_id, request.upload_id)
    headers = put_headers(request.content_type, size=request.size, sha256_hex=request.sha256, sse=sse)
    url, headers = signer.put_url(key, headers, domain.PUT_EXPIRES_S)
    return SignedPut(url=url, headers=headers, key=key, expires_in=domain.PUT_EXPIRES_S)


async def sign_get(signer: Signer, request: SignGet) -> SignedGets:
    """Where the tenant's results can be read.

    Raises:
        RpcFailed: `not_found`, if one of the keys is not that of a result of this tenant.
    """
    tenant = request.tenant_id
    if not all(belongs_to(key, tenant) and domain.is_usable_result(tenant, key) for key in request.keys):
        raise RpcFailed("not_found", "There is no such result.")
    urls = tuple(signer.get_url(key, domain.GET_EXPIRES_S, _READABLE_BY_ITS_READER_ONLY) for key in request.keys)
    return SignedGets(urls=urls, expires_in=domain.GET_EXPIRES_S)
