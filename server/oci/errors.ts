/**
 * The closed table of error codes: distribution-spec "Error Codes" and Docker's V2 codes first, then Berth's own.
 * A {@link RegistryError} is thrown where the caller cannot go on; `http/respond-error.ts` is the one place that writes it.
 * To add a code, add a row: docs/reference/errors.md is generated from this table and a test holds it fresh.
 */
interface ErrorFacts {
  readonly status: number
  readonly message: string
  /** What the person who meets it can do; for the documentation. */
  readonly remedy: string
}

const table = {
  UNKNOWN: { status: 500, message: 'unknown error', remedy: 'Look for the request id of the answer in the log of the server.' },
  UNSUPPORTED: {
    status: 405,
    message: 'the operation is unsupported',
    remedy: 'The registry is read-only, or deletes are switched off (storage.delete.enabled).',
  },
  UNAUTHORIZED: { status: 401, message: 'authentication required', remedy: 'Run `docker login` against this registry.' },
  DENIED: {
    status: 403,
    message: 'requested access to the resource is denied',
    remedy: 'Ask an administrator for the right, or use another name.',
  },
  UNAVAILABLE: { status: 503, message: 'service unavailable', remedy: 'Try again after the time that Retry-After names.' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests', remedy: 'Try again after the time that Retry-After names.' },
  DIGEST_INVALID: {
    status: 400,
    message: 'provided digest did not match uploaded content',
    remedy: 'The bytes changed on the way, or the digest is malformed: push again.',
  },
  SIZE_INVALID: {
    status: 400,
    message: 'provided length did not match content length',
    remedy: 'The body was cut or a Content-Range is wrong: push again.',
  },
  RANGE_INVALID: {
    status: 416,
    message: 'invalid content range',
    remedy: 'Ask for the upload with GET and go on at the offset that its Range header names.',
  },
  NAME_INVALID: {
    status: 400,
    message: 'invalid repository name',
    remedy: 'Use lower-case letters, digits, and . _ - between them; 255 characters at most.',
  },
  NAME_UNKNOWN: {
    status: 404,
    message: 'repository name not known to registry',
    remedy: 'Check the name; a repository exists from its first push on.',
  },
  TAG_INVALID: {
    status: 400,
    message: 'manifest tag did not match URI',
    remedy: 'A tag has 128 characters at most: letters, digits, and _ . - (not first).',
  },
  TAG_IMMUTABLE: {
    status: 409,
    message: 'the tag is immutable',
    remedy: 'Push under another tag. Who administers the project that the detail names can change its immutable tag rules.',
  },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown', remedy: 'Check tag or digest; list the tags with /v2/<name>/tags/list.' },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid', remedy: 'The detail says what is wrong with the document.' },
  MANIFEST_UNVERIFIED: {
    status: 400,
    message: 'manifest failed signature verification',
    remedy: 'Schema 1 manifests are not accepted: push again with a current client.',
  },
  MANIFEST_BLOB_UNKNOWN: {
    status: 400,
    message: 'manifest references a manifest or blob unknown to registry',
    remedy: 'Push the blobs that the detail names, then the manifest.',
  },
  BLOB_UNKNOWN: {
    status: 404,
    message: 'blob unknown to registry',
    remedy: 'Check the digest; a blob is visible in the repositories it was pushed or mounted to.',
  },
  BLOB_IN_USE: { status: 409, message: 'blob is referenced by a manifest', remedy: 'Delete the manifests that the detail names first.' },
  BLOB_UPLOAD_UNKNOWN: {
    status: 404,
    message: 'blob upload unknown to registry',
    remedy: 'The upload is finished, cancelled or too old: start a new one.',
  },
  BLOB_UPLOAD_INVALID: { status: 400, message: 'blob upload invalid', remedy: 'Start a new upload; the detail says what was wrong.' },
  BLOB_UPLOAD_BUSY: {
    status: 409,
    message: 'another request is writing to this upload',
    remedy: 'Send the parts of one upload one after the other.',
  },
  PAGINATION_NUMBER_INVALID: {
    status: 400,
    message: 'invalid number of results requested',
    remedy: 'n is a whole number from 0 up to the limit that the detail names.',
  },
  RANGE_TOO_MANY: { status: 400, message: 'too many ranges requested', remedy: 'Ask for at most 1,024 ranges at once.' },
  REQUEST_INVALID: { status: 400, message: 'request invalid', remedy: 'The detail says which part of the request is wrong.' },
  REQUEST_TIMEOUT: {
    status: 408,
    message: 'the request came too slowly',
    remedy:
      'Send again; an upload goes on at the offset that GET on it names. The limits are limits.bodyidletimeout and limits.bodybytespersecond.',
  },
  URI_TOO_LONG: { status: 414, message: 'request target too long', remedy: 'Ask for less at once; the detail names the limit.' },
  HEADERS_TOO_LARGE: {
    status: 431,
    message: 'request header fields too large',
    remedy: 'Send smaller headers, or raise limits.headerbytes.',
  },
  NOT_FOUND: { status: 404, message: 'no such end point', remedy: 'Check the path: the registry answers below /v2/.' },
  RESOURCE_UNKNOWN: {
    status: 404,
    message: 'there is no such thing, or you may not see it',
    remedy: 'Check name or id; what you have no right to see answers the same.',
  },
  CONFLICT: {
    status: 409,
    message: 'what is there stands in the way of this',
    remedy: 'The detail says what stands in the way.',
  },
  CONTENT_UNREADABLE: {
    status: 422,
    message: 'what is inside cannot be read',
    remedy:
      'The detail says which layer or file it is, and why: it is kept elsewhere, is damaged, is no tar archive, or goes beyond a limit of `contents`.',
  },
  ARCHIVE_INVALID: {
    status: 400,
    message: 'the archive cannot be taken',
    remedy: 'The detail says what is wrong with it. Send what `docker save`, `podman save` or `skopeo copy … oci-archive:` writes.',
  },
  PRECONDITION_FAILED: {
    status: 412,
    message: 'it was changed in between',
    remedy: 'Read it again and send the change with the ETag of what you read in If-Match.',
  },
  ELEVATION_REQUIRED: {
    status: 403,
    message: 'this needs a fresh proof of who you are',
    remedy:
      'Give your second factor, or your password where the account has no factor, with POST /api/v1/session/elevation, then repeat the request.',
  },
  ADDRESS_DENIED: {
    status: 403,
    message: 'access from this address is not allowed',
    remedy: 'An administrator sets the networks of the registry, of projects and of robots.',
  },
  STORAGE_FULL: {
    status: 507,
    message: 'the registry has no space left',
    remedy: 'Free space on the disk of the data directory; the registry goes on by itself.',
  },
} as const satisfies Record<string, ErrorFacts>

export type ErrorCode = keyof typeof table

/** The rows, for the documentation and for the one place that writes answers. */
export const errorTable: Readonly<Record<ErrorCode, ErrorFacts>> = table

export interface RegistryErrorOptions {
  readonly cause?: unknown
  /** Replaces the table's message: one sentence that tells the client what to do. Never a path, a stack or a secret. */
  readonly message?: string
  /** Sent as Retry-After. */
  readonly retryAfterSeconds?: number
  /** Replaces the table's status, where the specification has one code for what HTTP tells apart. */
  readonly status?: number
}

/** The one error class that may reach a client. `detail` is JSON; a 5xx answer leaves it out. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: unknown
  readonly retryAfterSeconds: number | undefined
  readonly status: number

  constructor(code: ErrorCode, detail?: unknown, options: RegistryErrorOptions = {}) {
    const { stackTraceLimit } = Error
    // A refusal says what its caller did: nobody reads its stack, and to take it is a tenth of what the refusal of a wrong password costs.
    if ((options.status ?? table[code].status) < 500) Error.stackTraceLimit = 0
    super(options.message ?? table[code].message, { cause: options.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.detail = detail
    this.retryAfterSeconds = options.retryAfterSeconds
    this.status = options.status ?? table[code].status
  }
}

/** A manifest over `limits.manifestbytes`: the specification's code for a bad manifest, with HTTP's status for a body that is too long. */
export function manifestTooBig(limitBytes: number): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { limitBytes }, { status: 413, message: 'manifest is larger than this registry accepts' })
}
