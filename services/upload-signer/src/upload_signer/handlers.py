"""One handler per event and per request."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from closet_chassis.telemetry import current_traceparent
from closet_contracts.envelope import Cause, Event
from closet_contracts.job import JobAccepted
from closet_contracts.rpc import SignedGets, SignedPut, SignGet, SignPut
from closet_contracts.upload import UPLOAD_RULES, UploadReady, UploadRejected
from closet_messaging import outbox
from closet_messaging.rpc import RpcFailed
from closet_messaging.transaction import Tx
from closet_storage import media_types
from closet_storage.keys import belongs_to, upload_key
from closet_storage.signing import TAGGING, Signer, put_headers

from upload_signer import domain, store
from upload_signer.domain import Owner, State
from upload_signer.store import PutUrl, Upload

_PRIVATE_RESPONSE = {"response-cache-control": f"private, max-age={domain.GET_EXPIRES_S}"}


async def check_inputs(wake: Callable[[], None], tx: Tx, event: Event[JobAccepted]) -> None:
    """Answer for each upload that is settled; queue the others for a check, and let the job wait for them."""
    job = event.data
    wanted = sorted({item.upload_id for item in job.inputs})
    owner = Owner(event.tenantid, job.user_id)
    masks = domain.pictures_of_masks(job.inputs)
    uploads = await store.find(tx.conn, wanted)
    unsettled = {each: each in masks for each in wanted if not has_answer(uploads.get(each), owner)}
    if unsettled:
        uploads |= await store.upsert_pending(tx.conn, unsettled, owner, job.deadline)
    for upload_id in wanted:
        pictures = {each for each in masks.get(upload_id, ()) if uploads[each].owner == owner}
        if all(has_answer(uploads[each], owner) for each in {upload_id, *pictures}):
            emit_result(tx, job.job_id, owner, event, uploads[upload_id], [uploads[each] for each in pictures])
        else:
            traceparent = current_traceparent() or event.traceparent
            tx.defer(store.ADD_WAITING_JOB, upload_id, job.job_id, event.id, traceparent, sorted(pictures))
            tx.after_commit(wake)


def has_answer(upload: Upload | None, owner: Owner) -> bool:
    """Return whether this owner can be answered. An upload of another owner needs no check: it is rejected."""
    return upload is not None and (upload.state is not State.UNCHECKED or upload.owner != owner)


def emit_result(  # noqa: PLR0913, PLR0917 what an answer consists of
    tx: Tx, job_id: str, owner: Owner, cause: Cause, upload: Upload, pictures: Sequence[Upload] = ()
) -> None:
    """Emit `upload.ready` or `upload.rejected` for a settled upload. A mask is also held against its pictures."""
    ids = {"upload_id": upload.upload_id, "job_id": job_id, "user_id": owner.user_id}
    rejection = domain.NOT_FOUND if upload.owner != owner else upload.rejection
    if upload.asset and not rejection:
        rejection = domain.mask_rejection(upload.asset, [each.asset for each in pictures if each.asset])
    if rejection:
        rejected = UploadRejected(**ids, code=rejection.code, message=rejection.message)
        outbox.add(tx, rejected, tenant=owner.tenant_id, cause=cause)
    elif upload.asset:
        outbox.add(tx, UploadReady(**ids, asset=upload.asset), tenant=owner.tenant_id, cause=cause)


@dataclass(frozen=True, slots=True)
class PutSigning:
    """What signing a PUT needs.

    Args:
        signer: signs for the endpoint that clients use.
        record_url: records the URL, so that an upload that no job names is deleted.
        sse: encryption at rest, "AES256" or "" for none.
        tag: the tag by which the bucket itself removes uploads after a day, "" for none.
    """

    signer: Signer
    record_url: Callable[[PutUrl], Awaitable[None]]
    sse: str
    tag: str


async def sign_put(signing: PutSigning, request: SignPut) -> SignedPut:
    """Return a URL for an upload, and the headers that have to be sent with it.

    Raises:
        RpcFailed: `unsupported_content_type`, `size_required`, `upload_too_large`, `invalid_sha256`.
    """
    if media_types.canonical(request.content_type) not in UPLOAD_RULES.content_types:
        raise RpcFailed("unsupported_content_type", "Only JPEG, PNG and WebP pictures can be uploaded.")
    if request.size is None:
        raise RpcFailed("size_required", "Name the size in bytes: the URL accepts exactly that many.")
    if request.size > UPLOAD_RULES.max_bytes:
        raise RpcFailed("upload_too_large", f"A picture may have at most {UPLOAD_RULES.max_megabytes} MB.")
    if request.sha256 is not None and not domain.is_sha256(request.sha256):
        raise RpcFailed("invalid_sha256", "A SHA-256 digest has 64 hexadecimal digits.")
    key = upload_key(request.tenant_id, request.upload_id)
    # The client's own spelling: it is what the client's HTTP library may send by itself.
    headers = put_headers(request.content_type.strip(), size=request.size, sha256_hex=request.sha256, sse=signing.sse)
    headers |= {TAGGING: signing.tag} if signing.tag else {}
    url, headers = signing.signer.put_url(key, headers, domain.PUT_EXPIRES_S)
    await signing.record_url(PutUrl(request.upload_id, request.tenant_id, request.size))
    return SignedPut(url=url, headers=headers, key=key, expires_in=domain.PUT_EXPIRES_S)


async def sign_get(signer: Signer, request: SignGet) -> SignedGets:
    """Return URLs to read the tenant's results.

    Raises:
        RpcFailed: `not_found`, if one of the keys is not that of a result of this tenant.
    """
    tenant = request.tenant_id
    if not all(belongs_to(key, tenant) and domain.is_result_key(tenant, key) for key in request.keys):
        raise RpcFailed("not_found", "There is no such result.")
    urls = tuple(signer.get_url(key, domain.GET_EXPIRES_S, _PRIVATE_RESPONSE) for key in request.keys)
    return SignedGets(urls=urls, expires_in=domain.GET_EXPIRES_S)
